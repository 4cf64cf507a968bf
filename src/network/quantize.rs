//! The wall between the two worlds: a trained checkpoint goes in, an exact network comes out, by a
//! fixed procedure in f64 that uses only correctly rounded operations.
//!
//! 1. A LayerNorm's gain and bias go into the product behind it: W′ = W·diag(gain),
//!    b′ = b + W·bias.
//! 2. Weights are rounded per output channel, symmetrically, so that the largest is ±127 or, where
//!    that is stricter, so that no 16-bit accumulator can overflow.
//! 3. What depends on token and position alone, the first layer's queries, keys and values, is
//!    computed here and becomes a table.
//! 4. Hidden units that hand nothing on, as pruning leaves them, are left out.
//! 5. Logits and attention scores change to base 2.

use super::math::gelu;
use super::parameters::{
    ACTIVATION_ZERO, Attended, CHAIN, CHAIN_SUM_MAX, EPSILON, Embedded, HEAD_MAX, Head, KEY_ZERO, Layer,
    Linear, Parameters, QUERY_MAX, SCALE_FLOOR, TILE, VALUE_MAX, WEIGHT_MAX,
};
use crate::model::{Checkpoint, Shape};
use crate::{Error, Result};

/// No folded weight, bias or embedding may be larger: it keeps every intermediate value of the
/// network finite (docs/exactness.md).
const LARGEST: f64 = 4096.0;
/// The most entries that the tables of token and position may have.
const MAX_TABLE: usize = 1 << 22;
const LOG2_E: f64 = std::f64::consts::LOG2_E;

/// The exact network of a checkpoint.
///
/// # Errors
/// [`Error::Model`] if the weights are too large for exact arithmetic.
pub(crate) fn quantize(checkpoint: &Checkpoint) -> Result<Parameters> {
    let config = checkpoint.config();
    let shape = config.shape();
    let quantizer = Quantizer { checkpoint, shape };
    if shape.block_size * shape.vocab * shape.width > MAX_TABLE {
        return Err(Error::model("block_size × vocab_size × n_embd is above 4,194,304"));
    }
    let layers = (0..shape.layers).map(|layer| quantizer.layer(layer));
    Ok(Parameters {
        layers: layers.collect::<Result<_>>()?,
        embedded: quantizer.embedded()?,
        head: quantizer.head()?,
        vocabulary: config.vocabulary()?,
        shape,
    })
}

/// A checkpoint on its way.
struct Quantizer<'a> {
    checkpoint: &'a Checkpoint,
    shape: Shape,
}

impl Quantizer<'_> {
    fn floats(&self, name: &str) -> Vec<f64> {
        let values = self.checkpoint.values(name).iter();
        values.map(|&v| f64::from(v)).collect()
    }

    /// A product of a layer with weights and bias.
    fn product(&self, layer: usize, name: &str) -> Dense {
        let name = format!("transformer.h.{layer}.{name}");
        Dense {
            weights: self.floats(&format!("{name}.weight")),
            bias: self.floats(&format!("{name}.bias")),
            name,
        }
    }

    /// As [`Quantizer::product`], with the LayerNorm before it.
    fn product_behind_norm(&self, layer: usize, name: &str, norm: &str) -> Result<Dense> {
        let norm = format!("transformer.h.{layer}.{norm}");
        let (gain, bias) = (self.floats(&format!("{norm}.weight")), self.floats(&format!("{norm}.bias")));
        self.product(layer, name).behind_norm(&gain, &bias).checked()
    }

    fn layer(&self, layer: usize) -> Result<Layer> {
        let qkv = self.product_behind_norm(layer, "attn.c_attn", "ln_1")?;
        let projection = self.product(layer, "attn.c_proj").checked()?;
        let contract = self.product(layer, "mlp.c_proj").checked()?;
        let used = used_inputs(&contract);
        let expand = self.product_behind_norm(layer, "mlp.c_fc", "ln_2")?.of_outputs(&used);
        let fraction_bits = fraction_bits(&expand, self.shape.width)?;
        Ok(Layer {
            qkv: (layer > 0).then(|| qkv.quantized(ACTIVATION_ZERO)),
            projection: projection.quantized(ACTIVATION_ZERO),
            expand: expand.scaled(f64::from(1u32 << fraction_bits)).quantized(ACTIVATION_ZERO),
            fraction_bits,
            contract: contract.of_inputs(&used).behind_shifted_gelu(),
        })
    }

    /// The tables of token and position, position by position.
    fn embedded(&self) -> Result<Vec<Embedded>> {
        let qkv = self.product_behind_norm(0, "attn.c_attn", "ln_1")?;
        let (tokens, positions) =
            (self.floats("transformer.wte.weight"), self.floats("transformer.wpe.weight"));
        if tokens.iter().chain(&positions).any(|v| v.abs() > LARGEST) {
            return Err(too_large("transformer.wte or transformer.wpe"));
        }
        let mut all = Vec::new();
        for position in positions.chunks_exact(self.shape.width) {
            for token in tokens.chunks_exact(self.shape.width) {
                let both = token.iter().zip(position);
                let stream: Vec<f32> = both.map(|(&t, &p)| t as f32 + p as f32).collect();
                let attended = attended(&qkv, &stream, self.shape);
                all.push(Embedded { stream, attended });
            }
        }
        Ok(all)
    }

    fn head(&self) -> Result<Head> {
        let head = Dense {
            weights: self.floats("lm_head.weight"),
            bias: vec![0.0; self.shape.vocab],
            name: "lm_head".into(),
        };
        let (gain, bias) = (self.floats("transformer.ln_f.weight"), self.floats("transformer.ln_f.bias"));
        Ok(head.behind_norm(&gain, &bias).checked()?.scaled(LOG2_E).head())
    }
}

fn too_large(name: &str) -> Error {
    Error::model(format!("the weights of {name} are too large for exact arithmetic"))
}

/// A product in f64: weights (outputs, inputs), one bias for each output.
struct Dense {
    /// Its name in the checkpoint, for errors.
    name: String,
    weights: Vec<f64>,
    bias: Vec<f64>,
}

impl Dense {
    fn inputs(&self) -> usize {
        self.weights.len() / self.bias.len()
    }

    fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.weights.chunks_exact(self.inputs())
    }

    /// The product with these outputs only.
    fn of_outputs(&self, outputs: &[usize]) -> Self {
        let row = |&output: &usize| &self.weights[output * self.inputs()..][..self.inputs()];
        Self {
            weights: outputs.iter().flat_map(row).copied().collect(),
            bias: outputs.iter().map(|&output| self.bias[output]).collect(),
            name: self.name.clone(),
        }
    }

    /// The product of these inputs only.
    fn of_inputs(&self, inputs: &[usize]) -> Self {
        let row = |row: &[f64]| inputs.iter().map(|&input| row[input]).collect::<Vec<_>>();
        Self {
            weights: self.rows().flat_map(row).collect(),
            bias: self.bias.clone(),
            name: self.name.clone(),
        }
    }

    fn behind_norm(mut self, gain: &[f64], norm_bias: &[f64]) -> Self {
        let inputs = self.inputs();
        for (row, bias) in self.weights.chunks_exact_mut(inputs).zip(&mut self.bias) {
            *bias += row.iter().zip(norm_bias).map(|(w, b)| w * b).sum::<f64>();
            row.iter_mut().zip(gain).for_each(|(w, g)| *w *= g);
        }
        self
    }

    fn checked(self) -> Result<Self> {
        let fits = self.weights.iter().chain(&self.bias).all(|v| v.abs() <= LARGEST);
        if fits { Ok(self) } else { Err(too_large(&self.name)) }
    }

    fn scaled(mut self, factor: f64) -> Self {
        self.weights.iter_mut().chain(&mut self.bias).for_each(|v| *v *= factor);
        self
    }

    /// Rounded to 8 bits, for activations whose zero stands at `zero`.
    fn quantized(&self, zero: i32) -> Linear {
        let inputs = self.inputs().next_multiple_of(CHAIN);
        let outputs = self.bias.len();
        let mut weights = vec![0; outputs.next_multiple_of(TILE) * inputs];
        let (mut scale, mut correction) = (Vec::new(), Vec::new());
        for (row, rounded) in self.rows().zip(weights.chunks_exact_mut(inputs)) {
            let step = weight_step(row);
            for (w, r) in row.iter().zip(rounded.iter_mut()) {
                *r = (w / step).round_ties_even() as i8;
            }
            scale.push(step as f32);
            correction.push(zero * rounded.iter().map(|&w| i32::from(w)).sum::<i32>());
        }
        let bias = self.bias.iter().map(|&b| b as f32).collect();
        Linear { inputs, outputs, weights, correction, scale, bias }
    }

    /// As [`Dense::quantized`], for activations that are GELU + 0.1875 and have no zero: what the
    /// shift adds to each output is taken off its bias.
    fn behind_shifted_gelu(&self) -> Linear {
        let mut linear = self.quantized(0);
        let rows = linear.weights.chunks_exact(linear.inputs);
        for (((bias, rounded), &scale), exact) in
            linear.bias.iter_mut().zip(rows).zip(&linear.scale).zip(&self.bias)
        {
            let sum: i32 = rounded.iter().map(|&w| i32::from(w)).sum();
            *bias = (exact - f64::from(gelu::OFFSET) * f64::from(sum) * f64::from(scale)) as f32;
        }
        linear
    }

    fn head(&self) -> Head {
        let inputs = self.inputs().next_multiple_of(2);
        let mut weights = vec![0; self.bias.len().next_multiple_of(TILE) * inputs];
        let mut scale = Vec::new();
        for (row, rounded) in self.rows().zip(weights.chunks_exact_mut(inputs)) {
            let step = largest(row).max(f64::from(SCALE_FLOOR)) / f64::from(HEAD_MAX);
            row.iter().zip(rounded).for_each(|(w, r)| *r = (w / step).round_ties_even() as i16);
            scale.push(step as f32);
        }
        Head { inputs, weights, scale, bias: self.bias.iter().map(|&b| b as f32).collect() }
    }
}

fn largest(values: &[f64]) -> f64 {
    values.iter().fold(0.0, |m, v| m.max(v.abs()))
}

/// The inputs of a product that any output uses, and as many of the others, the first ones, as fill
/// up a whole tile.
fn used_inputs(product: &Dense) -> Vec<usize> {
    let all = 0..product.inputs();
    let is_used = |&input: &usize| product.rows().any(|row| row[input] != 0.0);
    let (mut used, unused): (Vec<usize>, Vec<usize>) = all.partition(is_used);
    let whole = used.len().max(1).next_multiple_of(TILE);
    used.extend(unused.into_iter().take(whole - used.len()));
    used.sort_unstable();
    used
}

/// The step between two rounded weights of a channel: the largest becomes 127, or less where the
/// sums that share a 16-bit accumulator would become too large. Those are, in each chain of sixteen
/// inputs, the first two of every four and the last two of every four. Rounding adds at most ½ to
/// each of eight.
pub(crate) fn weight_step(row: &[f64]) -> f64 {
    let half = |chain: &[f64], offset: usize| -> f64 {
        let pairs = chain.chunks(4).flat_map(|quad| quad.iter().skip(offset).take(2));
        pairs.map(|w| w.abs()).sum()
    };
    let sums = row.chunks(CHAIN).flat_map(|chain| [half(chain, 0), half(chain, 2)]);
    let by_sum = sums.fold(0.0, f64::max) / f64::from(CHAIN_SUM_MAX - 4);
    let by_size = largest(row) / f64::from(WEIGHT_MAX);
    // A step that f32 can hold, and not smaller for it.
    let step = by_size.max(by_sum).max(f64::from(SCALE_FLOOR));
    f64::from((step * (1.0 + 1e-6)) as f32)
}

/// Fraction bits of the hidden layer: as many as its largest possible value leaves in 16 bits. Behind
/// a LayerNorm the inputs' squares add up to at most `width`, so by Cauchy and Schwarz an output is
/// at most ‖w‖·√width + |b|.
fn fraction_bits(expand: &Dense, width: usize) -> Result<u32> {
    let bounds = expand.rows().zip(&expand.bias).map(|(row, bias)| {
        let norm = row.iter().map(|w| w * w).sum::<f64>().sqrt();
        norm * (width as f64).sqrt() + bias.abs()
    });
    let bound = bounds.fold(0.0, f64::max);
    let fits = |fraction_bits: &u32| bound * f64::from(1u32 << fraction_bits) <= f64::from(i16::MAX);
    let fraction_bits = gelu::FRACTION_BITS.rev().find(fits);
    fraction_bits.ok_or_else(|| too_large(&expand.name))
}

/// Queries, keys and values of the first layer for one row of the residual stream.
fn attended(qkv: &Dense, stream: &[f32], shape: Shape) -> Attended {
    let width = shape.width as f64;
    let mean = stream.iter().map(|&v| f64::from(v)).sum::<f64>() / width;
    let centred: Vec<f64> = stream.iter().map(|&v| f64::from(v) - mean).collect();
    let variance = centred.iter().map(|v| v * v).sum::<f64>() / width;
    let rstd = 1.0 / (variance + f64::from(EPSILON)).sqrt();
    let outputs: Vec<f64> = qkv
        .rows()
        .zip(&qkv.bias)
        .map(|(row, bias)| rstd * row.iter().zip(&centred).map(|(w, x)| w * x).sum::<f64>() + bias)
        .collect();
    let rounded = |part: usize, max: f32| {
        let heads = outputs[part * shape.width..][..shape.width].chunks_exact(shape.head_dim);
        let steps: Vec<f64> =
            heads.clone().map(|h| largest(h).max(f64::from(SCALE_FLOOR)) / f64::from(max)).collect();
        let values =
            heads.zip(&steps).flat_map(|(h, step)| h.iter().map(move |v| (v / step).round_ties_even() as i8));
        (values.collect::<Vec<i8>>(), steps)
    };
    let (queries, query_steps) = rounded(0, QUERY_MAX);
    let (keys, key_steps) = rounded(1, QUERY_MAX);
    let (values, value_steps) = rounded(2, VALUE_MAX);
    const { assert!(KEY_ZERO > QUERY_MAX as i32) };
    let softmax = LOG2_E / (shape.head_dim as f64).sqrt();
    let floats = |steps: Vec<f64>| steps.into_iter().map(|s| s as f32).collect();
    Attended {
        queries,
        keys,
        values,
        query_scale: query_steps.into_iter().map(|s| (s * softmax) as f32).collect(),
        key_scale: floats(key_steps),
        value_scale: floats(value_steps),
    }
}

/// The factor between a score and its exponent in base 2: log2(e)/√head_dim.
pub(crate) fn softmax_factor(head_dim: usize) -> f32 {
    (LOG2_E / (head_dim as f64).sqrt()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A product of one output.
    fn dense(row: &[f64], bias: f64) -> Dense {
        Dense { name: String::new(), weights: row.to_vec(), bias: vec![bias] }
    }

    #[test]
    fn no_accumulator_can_overflow() {
        // The hardest case: all weights of a chain as large as the largest.
        for row in [vec![1.0; 32], vec![-3.0; 16], (0..32).map(f64::from).collect::<Vec<_>>()] {
            let linear = dense(&row, 0.0).quantized(0);
            for chain in linear.weights[..linear.inputs].chunks(CHAIN) {
                for offset in [0, 2] {
                    let pairs = chain.chunks(4).flat_map(|quad| &quad[offset..offset + 2]);
                    let sum: i32 = pairs.map(|&w| i32::from(w).abs()).sum();
                    assert!(sum <= CHAIN_SUM_MAX, "{sum}");
                }
            }
        }
    }

    #[test]
    fn rounded_weights_are_within_half_a_step() {
        let row: Vec<f64> = (0..40).map(|i| f64::from(i * i % 23) - 11.0).collect();
        let linear = dense(&row, 0.5).quantized(64);
        assert_eq!((linear.inputs, linear.outputs, linear.weights.len()), (48, 1, 4 * 48));
        for (exact, &w) in row.iter().zip(&linear.weights) {
            assert!(
                (exact - f64::from(w) * f64::from(linear.scale[0])).abs()
                    <= 0.5001 * f64::from(linear.scale[0])
            );
        }
        assert_eq!(linear.correction[0], 64 * linear.weights.iter().map(|&w| i32::from(w)).sum::<i32>());
    }

    #[test]
    fn inputs_that_nothing_uses_are_left_out() {
        let product = |row: &[f64]| dense(row, 0.0);
        // A tile is four: one used input takes three others with it.
        let row = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        assert_eq!(used_inputs(&product(&row)), [0, 1, 2, 3]);
        assert_eq!(used_inputs(&product(&[0.0; 6])), [0, 1, 2, 3]);
        assert_eq!(used_inputs(&product(&[0.0, 2.0, 3.0, 4.0, 5.0])), [1, 2, 3, 4]);
        let kept = product(&[1.0, 2.0, 3.0]).of_inputs(&[0, 2]);
        assert_eq!(kept.weights, [1.0, 3.0]);
    }
}
