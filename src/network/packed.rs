//! The parameters laid out for the kernel: weights in the order in which it reads them, and what a
//! token at a position brings with it as one record of 32-bit words.

use super::parameters::{Attended, Head, KEY_ZERO, Linear, Parameters, TILE};
use crate::model::Shape;
use crate::text::Token;

/// A product's weights by tiles of four outputs: for each quad of inputs, four bytes of each.
pub(crate) struct PackedLinear {
    weights: Vec<[i32; TILE]>,
    /// Quads of inputs.
    quads: usize,
    /// Outputs that count.
    pub outputs: usize,
    /// What becomes of the sums, tile by tile.
    sums: Vec<PackedOutputs>,
}

/// Four outputs of a product; 0 where there are fewer.
pub(crate) struct PackedTile<'a> {
    /// For each quad of inputs, four bytes of each output.
    pub weights: &'a [[i32; TILE]],
    pub outputs: &'a PackedOutputs,
}

/// How four sums become outputs.
pub(crate) struct PackedOutputs {
    /// Where the sums start: what the activations' zero adds, taken off.
    pub start: [i32; TILE],
    pub scale: [f32; TILE],
    pub bias: [f32; TILE],
}

impl PackedLinear {
    fn new(linear: &Linear) -> Self {
        let quads = linear.inputs / 4;
        let tile = |rows: &[i8]| -> Vec<[i32; 4]> {
            let word = |output: usize, quad: usize| {
                let bytes = &rows[output * linear.inputs + 4 * quad..][..4];
                i32::from_le_bytes([0, 1, 2, 3].map(|i| bytes[i] as u8))
            };
            (0..quads).map(|quad| [0, 1, 2, 3].map(|output| word(output, quad))).collect()
        };
        let outputs = |first: usize| PackedOutputs {
            start: tile_of(&linear.correction, first).map(|correction| -correction),
            scale: tile_of(&linear.scale, first),
            bias: tile_of(&linear.bias, first),
        };
        Self {
            weights: linear.weights.chunks_exact(TILE * linear.inputs).flat_map(tile).collect(),
            quads,
            outputs: linear.outputs,
            sums: (0..linear.outputs).step_by(TILE).map(outputs).collect(),
        }
    }

    /// The tiles, in order.
    #[inline(always)]
    pub fn tiles(&self) -> impl Iterator<Item = PackedTile<'_>> {
        let weights = self.weights.chunks_exact(self.quads);
        weights.zip(&self.sums).map(|(weights, outputs)| PackedTile { weights, outputs })
    }
}

/// A tile of four values; 0 behind the last.
fn tile_of<T: Copy + Default>(all: &[T], first: usize) -> [T; TILE] {
    std::array::from_fn(|i| all.get(first + i).copied().unwrap_or_default())
}

/// The head's weights: for each symbol, pairs of inputs.
pub(crate) struct PackedHead {
    pub pairs: Vec<i32>,
    /// Pairs of inputs of a symbol.
    pub per_symbol: usize,
    pub scale: Vec<f32>,
    pub bias: Vec<f32>,
}

impl PackedHead {
    fn new(head: &Head) -> Self {
        let pairs = head.weights.chunks_exact(2);
        let pairs = pairs.map(|p| i32::from(p[0] as u16) | i32::from(p[1]) << 16).collect();
        let (scale, bias) = (head.scale.clone(), head.bias.clone());
        Self { pairs, per_symbol: head.inputs / 2, scale, bias }
    }
}

/// A layer's products.
pub(crate) struct PackedLayer {
    pub qkv: Option<PackedLinear>,
    pub projection: PackedLinear,
    pub expand: PackedLinear,
    pub fraction_bits: u32,
    pub contract: PackedLinear,
}

/// Where the parts of a record begin, in eights of words.
#[derive(Clone, Copy)]
pub(crate) struct RecordLayout {
    pub queries: usize,
    pub keys: usize,
    pub values: usize,
    pub scales: usize,
    pub len: usize,
}

impl RecordLayout {
    pub fn new(shape: &Shape) -> Self {
        let eights = |words: usize| words.div_ceil(8);
        let head_quads = eights(shape.heads * shape.head_quads());
        let queries = eights(shape.width);
        let keys = queries + head_quads;
        let values = keys + head_quads;
        let scales = values + head_quads;
        Self { queries, keys, values, scales, len: scales + eights(3 * shape.heads) }
    }
}

/// Everything that the kernel reads of a model.
pub(crate) struct Packed {
    pub shape: Shape,
    pub layout: RecordLayout,
    records: Vec<[u32; 8]>,
    pub layers: Vec<PackedLayer>,
    pub head: PackedHead,
}

impl Packed {
    pub fn new(parameters: &Parameters) -> Self {
        let shape = parameters.shape;
        let layout = RecordLayout::new(&shape);
        let mut records = Vec::new();
        for embedded in &parameters.embedded {
            let a = &embedded.attended;
            append(&mut records, embedded.stream.iter().map(|f| f.to_bits()));
            append(&mut records, head_words(&a.queries, &shape, 0));
            append(&mut records, head_words(&a.keys, &shape, KEY_ZERO));
            append(&mut records, head_words(&a.values, &shape, 0));
            append(&mut records, scales(a));
        }
        let layer = |l: &super::parameters::Layer| PackedLayer {
            qkv: l.qkv.as_ref().map(PackedLinear::new),
            projection: PackedLinear::new(&l.projection),
            expand: PackedLinear::new(&l.expand),
            fraction_bits: l.fraction_bits,
            contract: PackedLinear::new(&l.contract),
        };
        let layers = parameters.layers.iter().map(layer).collect();
        let head = PackedHead::new(&parameters.head);
        Self { shape, layout, records, layers, head }
    }

    /// Weights of all products.
    pub fn weights(&self) -> usize {
        let products =
            self.layers.iter().flat_map(|l| l.qkv.iter().chain([&l.projection, &l.expand, &l.contract]));
        products.map(|linear| 4 * TILE * linear.weights.len()).sum()
    }

    /// The record of a token at a position.
    pub fn record(&self, position: usize, token: Token) -> &[[u32; 8]] {
        let index = position * self.shape.vocab + token as usize;
        &self.records[index * self.layout.len..][..self.layout.len]
    }
}

/// Appends words, zeros behind them up to a whole eight.
pub(crate) fn append(records: &mut Vec<[u32; 8]>, words: impl Iterator<Item = u32>) {
    let words: Vec<u32> = words.collect();
    records.extend(words.chunks(8).map(|eight| std::array::from_fn(|i| eight.get(i).copied().unwrap_or(0))));
}

/// Up to four bytes as a word, lowest first.
fn word(bytes: &[i8], zero: i32) -> u32 {
    let byte = |i: usize| bytes.get(i).map_or(0, |&b| (i32::from(b) + zero) as u8);
    u32::from_le_bytes([0, 1, 2, 3].map(byte))
}

fn head_words(features: &[i8], shape: &Shape, zero: i32) -> impl Iterator<Item = u32> {
    let heads = features.chunks(shape.head_dim);
    heads.flat_map(move |head| head.chunks(4).map(move |four| word(four, zero)))
}

fn scales(a: &Attended) -> impl Iterator<Item = u32> {
    [&a.query_scale, &a.key_scale, &a.value_scale].into_iter().flatten().map(|f| f.to_bits())
}
