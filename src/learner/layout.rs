//! The learner's parameters: one flat row of binary32, and where each tensor stands in it.
//!
//! Every matrix has rows of `width` numbers, so that a row is whole registers: the contracting
//! matrix of the MLP stands transposed. Vectors (biases, gains) stand behind all matrices.

use std::borrow::Cow;
use std::ops::Range;

use crate::model::{Checkpoint, GptConfig, Shape, Tensor};
use crate::simd::LANES;
use crate::{Error, Result};

/// What a tensor is to initialisation and to AdamW.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Embeddings of tokens; not decayed.
    Tokens,
    /// Embeddings of positions; not decayed.
    Positions,
    /// The matrix of a linear layer.
    Matrix,
    /// A matrix whose output is added to the residual stream.
    Residual,
    /// The head's matrix.
    Head,
    /// LayerNorm's gain: 1 at first.
    Gain,
    /// 0 at first.
    Bias,
}

/// A tensor with minGPT's name.
#[derive(Clone, Debug)]
pub(crate) struct TensorPlace {
    pub name: String,
    pub kind: Kind,
    /// Where it is among the parameters.
    pub place: Range<usize>,
    /// Whether it stands transposed.
    pub transposed: bool,
}

/// A matrix of a layer as Muon sees it: queries', keys' and values' by themselves.
#[derive(Clone, Debug)]
pub(super) struct LayerMatrix {
    /// Where it is among the parameters.
    pub place: Range<usize>,
    /// Numbers of a row.
    pub width: usize,
    /// Outputs for each input, if there are more.
    pub widening: usize,
}

impl LayerMatrix {
    /// What its learning rate is multiplied by: √(outputs/inputs), at least 1.
    pub fn rate_factor(&self) -> f64 {
        (self.widening as f64).sqrt()
    }
}

/// Places of a layer's tensors.
#[derive(Clone, Debug)]
pub(super) struct LayerPlaces {
    pub qkv: Range<usize>,
    pub projection: Range<usize>,
    pub expand: Range<usize>,
    pub contract: Range<usize>,
    pub norm1: NormPlaces,
    pub qkv_bias: Range<usize>,
    pub projection_bias: Range<usize>,
    pub norm2: NormPlaces,
    pub expand_bias: Range<usize>,
    pub contract_bias: Range<usize>,
}

/// Places of a LayerNorm's gain and bias.
#[derive(Clone, Debug)]
pub(super) struct NormPlaces {
    pub gain: Range<usize>,
    pub bias: Range<usize>,
}

/// Places of all tensors.
#[derive(Clone, Debug)]
pub(super) struct Places {
    pub tokens: Range<usize>,
    pub positions: Range<usize>,
    pub layers: Vec<LayerPlaces>,
    pub head: Range<usize>,
    pub norm: NormPlaces,
    /// Where vectors begin.
    pub vectors: usize,
    /// All parameters.
    pub len: usize,
}

impl Places {
    /// The matrices of all layers.
    pub fn matrices(&self) -> Range<usize> {
        self.positions.end..self.head.start
    }
}

/// Hands out places one behind the other.
struct Cursor(usize);

impl Cursor {
    fn take(&mut self, len: usize) -> Range<usize> {
        let from = self.0;
        self.0 += len;
        from..self.0
    }

    fn norm(&mut self, width: usize) -> NormPlaces {
        NormPlaces { gain: self.take(width), bias: self.take(width) }
    }
}

impl Shape {
    /// The shape of a config, if the learner's kernel computes such networks.
    ///
    /// # Errors
    /// [`Error::Setting`] if its width is no multiple of sixteen or its heads' no multiple of four.
    pub fn supported(config: &GptConfig) -> Result<Self> {
        let (width, heads) = (config.n_embd, config.n_head);
        let wanted = format!("a multiple of {LANES}");
        Error::unless(width.is_multiple_of(LANES), "width of a network in training", width, wanted)?;
        let features = width.checked_div(heads).unwrap_or(0);
        let fits = features > 0 && features.is_multiple_of(4);
        Error::unless(fits, "number of features of a head", features, "a multiple of 4")?;
        Ok(config.shape())
    }

    /// Where everything is.
    pub(super) fn places(&self) -> Places {
        let (c, inner) = (self.width, self.inner());
        let mut at = Cursor(0);
        let (tokens, positions) = (at.take(self.vocab * c), at.take(self.block_size * c));
        let matrices: Vec<[Range<usize>; 4]> = (0..self.layers)
            .map(|_| [3 * c * c, c * c, inner * c, inner * c].map(|len| at.take(len)))
            .collect();
        let head = at.take(self.vocab * c);
        let vectors = at.0;
        let layer = |[qkv, projection, expand, contract]: [Range<usize>; 4]| LayerPlaces {
            qkv,
            projection,
            expand,
            contract,
            norm1: at.norm(c),
            qkv_bias: at.take(3 * c),
            projection_bias: at.take(c),
            norm2: at.norm(c),
            expand_bias: at.take(inner),
            contract_bias: at.take(c),
        };
        let layers = matrices.into_iter().map(layer).collect();
        let norm = at.norm(c);
        Places { tokens, positions, layers, head, norm, vectors, len: at.0 }
    }

    /// The matrices of all layers, in the order of their places.
    pub(super) fn layer_matrices(&self) -> Vec<LayerMatrix> {
        let width = self.width;
        let matrix = |place: Range<usize>, widening| LayerMatrix { place, width, widening };
        let of_layer = |layer: LayerPlaces| {
            let part = |i: usize| layer.qkv.start + i * width * width;
            let mut matrices: Vec<_> = (0..3).map(|i| matrix(part(i)..part(i + 1), 1)).collect();
            matrices.push(matrix(layer.projection, 1));
            matrices.push(matrix(layer.expand, 4));
            matrices.push(matrix(layer.contract, 1));
            matrices
        };
        self.places().layers.into_iter().flat_map(of_layer).collect()
    }

    /// All tensors, in the order of their places.
    pub fn tensors(&self) -> Vec<TensorPlace> {
        let places = self.places();
        let mut tensors = Vec::new();
        let mut add = |name: String, kind, place: &Range<usize>| {
            tensors.push(TensorPlace {
                transposed: name.ends_with("mlp.c_proj.weight"),
                name,
                kind,
                place: place.clone(),
            });
        };
        add("transformer.wte.weight".into(), Kind::Tokens, &places.tokens);
        add("transformer.wpe.weight".into(), Kind::Positions, &places.positions);
        for (i, layer) in places.layers.iter().enumerate() {
            let name = |part: &str| format!("transformer.h.{i}.{part}");
            add(name("attn.c_attn.weight"), Kind::Matrix, &layer.qkv);
            add(name("attn.c_proj.weight"), Kind::Residual, &layer.projection);
            add(name("mlp.c_fc.weight"), Kind::Matrix, &layer.expand);
            add(name("mlp.c_proj.weight"), Kind::Residual, &layer.contract);
        }
        add("lm_head.weight".into(), Kind::Head, &places.head);
        for (i, layer) in places.layers.iter().enumerate() {
            let name = |part: &str| format!("transformer.h.{i}.{part}");
            add(name("ln_1.weight"), Kind::Gain, &layer.norm1.gain);
            add(name("ln_1.bias"), Kind::Bias, &layer.norm1.bias);
            add(name("attn.c_attn.bias"), Kind::Bias, &layer.qkv_bias);
            add(name("attn.c_proj.bias"), Kind::Bias, &layer.projection_bias);
            add(name("ln_2.weight"), Kind::Gain, &layer.norm2.gain);
            add(name("ln_2.bias"), Kind::Bias, &layer.norm2.bias);
            add(name("mlp.c_fc.bias"), Kind::Bias, &layer.expand_bias);
            add(name("mlp.c_proj.bias"), Kind::Bias, &layer.contract_bias);
        }
        add("transformer.ln_f.weight".into(), Kind::Gain, &places.norm.gain);
        add("transformer.ln_f.bias".into(), Kind::Bias, &places.norm.bias);
        tensors
    }

    /// Number of parameters.
    pub fn len(&self) -> usize {
        self.places().len
    }

    /// A tensor's values among all parameters, in the order of minGPT's shape.
    pub fn in_model_order<'a>(&self, tensor: &TensorPlace, parameters: &'a [f32]) -> Cow<'a, [f32]> {
        let values = &parameters[tensor.place.clone()];
        if tensor.transposed { transposed(values, self.width).into() } else { values.into() }
    }

    /// Puts a tensor's values, which are in the order of minGPT's shape, among all parameters.
    pub fn put(&self, tensor: &TensorPlace, values: &[f32], parameters: &mut [f32]) {
        let place = &mut parameters[tensor.place.clone()];
        let rows = values.len() / self.width;
        let values = if tensor.transposed { &transposed(values, rows) } else { values };
        place.copy_from_slice(values);
    }

    /// The weights of a checkpoint of this shape as parameters.
    pub fn flatten(&self, checkpoint: &Checkpoint) -> Vec<f32> {
        let mut parameters = vec![0.0; self.len()];
        for tensor in self.tensors() {
            self.put(&tensor, checkpoint.values(&tensor.name), &mut parameters);
        }
        parameters
    }

    /// Parameters as the weights of a checkpoint.
    ///
    /// # Errors
    /// [`Error::Model`] if one is not finite.
    pub fn checkpoint(&self, config: GptConfig, parameters: &[f32]) -> Result<Checkpoint> {
        let shapes = config.tensor_shapes();
        let tensor = |tensor: TensorPlace| {
            let shape = shapes[&tensor.name].clone();
            let values = self.in_model_order(&tensor, parameters).into_owned();
            (tensor.name, Tensor { shape, values })
        };
        let tensors = self.tensors().into_iter().map(tensor).collect();
        Checkpoint::new(config, tensors)
    }
}

/// Rows of `width` numbers as columns.
fn transposed(values: &[f32], width: usize) -> Vec<f32> {
    let rows = values.len() / width;
    let at = |i: usize| values[(i % rows) * width + i / rows];
    (0..values.len()).map(at).collect()
}
