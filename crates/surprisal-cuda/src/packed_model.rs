//! A network in the order in which the kernels read it: one string of bytes, and where things are in it.
//!
//! In front stands what a block copies to shared memory: the layers' records, weights as fragments of
//! `mma.m16n8k32`, and how sums become outputs. Then the tables by position and token. Everything is little-endian, as
//! the GPU and every host of one is.

use bytemuck::{Pod, Zeroable};

use crate::network::{Head, Layer, Linear, Network, Shape};
use crate::{Error, Result, TILE_LINES};

/// Networks that there are kernels for, with any number of layers, positions and symbols: name, width, heads.
pub const PRESETS: [(&str, usize, usize); 5] =
    [("pico", 16, 4), ("tiny", 32, 4), ("nano", 48, 3), ("micro", 128, 4), ("mini", 192, 6)];

/// 1.5·2²³ as a float's bits: where sums start, so that they are floats when they are done.
const MAGIC_BITS: i32 = 0x4b40_0000;
/// Sums must stay below this magnitude for that.
const SUM_LIMIT: i32 = 1 << 22;

/// A layer as the kernels' `Layer`: where its products are, and its GELU.
#[repr(C)]
#[derive(Clone, Copy, Default, Pod, Zeroable)]
struct LayerRecord {
    qkv: PackedLinear,
    projection: PackedLinear,
    expand: PackedLinear,
    contract: PackedLinear,
    hidden: u32,
    hidden_chunks: u32,
    gelu_clamp: u32,
    gelu_shift: u32,
    /// The first as it is; the others times 2¹⁵, and 2¹⁴ more, which rounds the product before them.
    gelu_coefficients: [i32; 5],
    /// 32768 / 2^fraction bits.
    hidden_unit: f32,
    unused: [u32; 2],
}

/// Where a product's fragments of weights are, and how its sums become outputs; bytes from the start.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, Pod, Zeroable)]
struct PackedLinear {
    weights: u32,
    outputs: u32,
}

/// Two columns' way from sums to outputs, as the kernels' `Outputs`: where the sums of two lines start, which is the same.
#[repr(C)]
#[derive(Clone, Copy, Pod, Zeroable)]
struct OutputPair {
    start: [[i32; 2]; 2],
    scale: [f32; 2],
    bias: [f32; 2],
}

/// What the kernels' `Model` holds behind its pointer.
#[repr(C)]
#[derive(Clone, Copy, Debug, Pod, Zeroable)]
pub(crate) struct Header {
    /// Bytes in front that go to shared memory, where they fit.
    pub staged: u32,
    /// Bytes of shared memory that a warp needs beside them.
    pub warp_bytes: u32,
    pub layers: u32,
    pub block: u32,
    pub vocab: u32,
    /// Words of a row of cumulative probabilities.
    pub stride: u32,
    head: PackedLinear,
    streams: u32,
    queries: u32,
    keys_values: u32,
    softmax_factor: f32,
}

/// A network as bytes for the kernels of a preset.
pub(crate) struct PackedModel {
    pub preset: &'static str,
    pub header: Header,
    pub bytes: Vec<u8>,
}

impl PackedModel {
    /// Packs a network.
    ///
    /// # Errors
    /// [`Error::Network`] if there is no kernel for its width and heads, or its sums are too large for the kernels.
    pub fn new(network: &Network) -> Result<Self> {
        let shape = &network.shape;
        let (width, heads) = (shape.width, shape.heads);
        let preset = PRESETS.iter().find(|preset| (preset.1, preset.2) == (width, heads));
        let &(preset, ..) = preset.ok_or_else(|| {
            Error::Network(format!(
                "there is no GPU kernel for {width} features and {heads} heads: use the CPU"
            ))
        })?;
        let mut bytes = Bytes(vec![0; size_of::<LayerRecord>() * shape.layers]);
        let layers = network.layers.iter().map(|layer| bytes.layer(layer));
        let records: Vec<LayerRecord> = layers.collect::<Result<_>>()?;
        let records_bytes: &[u8] = bytemuck::cast_slice(&records);
        bytes.0[..records_bytes.len()].copy_from_slice(records_bytes);
        let head = bytes.head(&network.head, shape);
        let staged = bytes.align();
        let [streams, queries, keys_values] = bytes.tables(network);
        let chunks = records.iter().map(|record| record.hidden_chunks).max();
        let header = Header {
            staged,
            warp_bytes: warp_bytes(shape, chunks.unwrap_or(0) as usize) as u32,
            layers: shape.layers as u32,
            block: shape.block_size as u32,
            vocab: shape.vocab as u32,
            stride: shape.cdf_stride() as u32,
            head,
            streams,
            queries,
            keys_values,
            softmax_factor: network.softmax_factor,
        };
        Ok(Self { preset, header, bytes: bytes.0 })
    }
}

/// Bytes behind it for what the warps of a team tell each other, as the kernels' `TEAM_BYTES`.
const TEAM_BYTES: usize = 80;

/// Bytes of shared memory for a warp's lines: attention, the hidden layer and the rows take turns in it.
fn warp_bytes(shape: &Shape, chunks: usize) -> usize {
    let mixed = 4 * 2 * shape.heads * (8 * shape.head_dim() + 8);
    let queries = TILE_LINES * (shape.width + 4 * shape.heads);
    let attention = 128 * shape.block_size.next_multiple_of(4) + mixed + queries;
    let rows = 4 * 2 * (8 * shape.cdf_stride() + 8);
    attention.max(1024 * chunks).max(rows).next_multiple_of(16) + TEAM_BYTES
}

/// The output of column `lane / 4` of a tile of eight: such that a lane gets outputs that it owns.
fn output(tile: usize, lane: usize) -> usize {
    let column = lane / 4;
    8 * tile + 4 * (column % 2) + column / 2
}

/// A feature of a head at each of its bytes: what a lane owns stands together.
fn head_order(head_dim: usize) -> impl Iterator<Item = usize> {
    let each = head_dim / 4;
    (0..head_dim).map(move |byte| byte % each * 4 + byte / each)
}

struct Bytes(Vec<u8>);

impl Bytes {
    /// Fills up to a multiple of 16 and gives the length.
    fn align(&mut self) -> u32 {
        self.align_to(16)
    }

    fn align_to(&mut self, multiple: usize) -> u32 {
        self.0.resize(self.0.len().next_multiple_of(multiple), 0);
        self.0.len() as u32
    }

    /// A fragment of weights: two words of each lane.
    fn fragment(&mut self, tile: usize, chunk: usize, weight: impl Fn(usize, usize) -> i8) {
        for lane in 0..32 {
            for half in 0..2 {
                let input = |byte: usize| 32 * chunk + 16 * half + 4 * byte + lane % 4;
                self.0.extend((0..4).map(|byte| weight(output(tile, lane), input(byte)) as u8));
            }
        }
    }

    /// How the sums of all tiles become outputs; 0 where there is none.
    fn outputs(&mut self, tiles: usize, start: impl Fn(usize) -> i32, scale: &[f32], bias: &[f32]) -> u32 {
        let at = self.align();
        let float = |all: &[f32], output: usize| all.get(output).copied().unwrap_or(0.0);
        for first in (0..8 * tiles).step_by(8).flat_map(|tile| tile..tile + 4) {
            let columns = [first, first + 4];
            self.0.extend(bytemuck::bytes_of(&OutputPair {
                start: [columns.map(&start); 2],
                scale: columns.map(|output| float(scale, output)),
                bias: columns.map(|output| float(bias, output)),
            }));
        }
        at
    }

    /// A layer's products.
    fn layer(&mut self, layer: &Layer) -> Result<LayerRecord> {
        let hidden = layer.expand.outputs;
        let gelu = &layer.gelu;
        let mut coefficients = gelu.coefficients.map(|c| (i32::from(c) << 15) + (1 << 14));
        coefficients[0] = i32::from(gelu.coefficients[0]);
        Ok(LayerRecord {
            qkv: match &layer.qkv {
                Some(qkv) => self.linear(qkv)?,
                None => PackedLinear::default(),
            },
            projection: self.linear(&layer.projection)?,
            expand: self.linear(&layer.expand)?,
            contract: self.linear(&layer.contract)?,
            hidden: hidden as u32,
            hidden_chunks: hidden.div_ceil(32) as u32,
            gelu_clamp: gelu.clamp.into(),
            gelu_shift: 13 - gelu.fraction_bits,
            gelu_coefficients: coefficients,
            hidden_unit: 32768.0 / (1u32 << gelu.fraction_bits) as f32,
            unused: [0; 2],
        })
    }

    /// A product's weights and outputs.
    fn linear(&mut self, linear: &Linear) -> Result<PackedLinear> {
        let row = |output: usize| &linear.weights[output * linear.inputs..][..linear.inputs];
        for output in 0..linear.outputs {
            let most: i32 = row(output).iter().map(|&w| 127 * i32::from(w).abs()).sum();
            if most + linear.correction[output].abs() >= SUM_LIMIT {
                return Err(Error::Network("a product's sums are too large for the GPU: use the CPU".into()));
            }
        }
        let weights = self.align();
        let (tiles, chunks) = (linear.outputs.div_ceil(8), linear.inputs.div_ceil(32));
        for tile in 0..tiles {
            for chunk in 0..chunks {
                self.fragment(tile, chunk, |output, input| {
                    let inside = output < linear.outputs && input < linear.inputs;
                    if inside { row(output)[input] } else { 0 }
                });
            }
        }
        let start = |output| MAGIC_BITS - linear.correction.get(output).copied().unwrap_or(0);
        Ok(PackedLinear { weights, outputs: self.outputs(tiles, start, linear.scale, linear.bias) })
    }

    /// The head: its weights are 32·high + low, both of them bytes.
    fn head(&mut self, head: &Head, shape: &Shape) -> PackedLinear {
        let weights = self.align();
        let tiles = shape.cdf_stride() / 8;
        let weight = |output: usize, input: usize| {
            let inside = output < shape.vocab && input < head.inputs;
            if inside { head.weights[output * head.inputs + input] } else { 0 }
        };
        for tile in 0..tiles {
            for chunk in 0..shape.width.div_ceil(32) {
                self.fragment(tile, chunk, |output, input| (weight(output, input) >> 5) as i8);
                self.fragment(tile, chunk, |output, input| (weight(output, input) & 31) as i8);
            }
        }
        PackedLinear { weights, outputs: self.outputs(tiles, |_| 0, head.scale, head.bias) }
    }

    /// The tables by position and token: residual streams, queries, and keys with values.
    fn tables(&mut self, network: &Network) -> [u32; 3] {
        let head_dim = network.shape.head_dim();
        let ordered = |features: &[i8]| -> Vec<u8> {
            let heads = features.chunks_exact(head_dim);
            heads.flat_map(|head| head_order(head_dim).map(|i| head[i] as u8)).collect()
        };
        let streams = self.align();
        for embedding in &network.embeddings {
            let owned = (0..4).flat_map(|t| embedding.stream.iter().skip(t).step_by(4));
            self.0.extend(owned.flat_map(|f| f.to_le_bytes()));
        }
        let queries = self.align();
        for embedding in &network.embeddings {
            self.0.extend(ordered(embedding.queries));
            self.0.extend(bytemuck::cast_slice(embedding.query_scale));
            self.align();
        }
        let keys_values = self.align();
        for embedding in &network.embeddings {
            let (keys, values) = (ordered(embedding.keys), ordered(embedding.values));
            let heads = keys.chunks_exact(head_dim).zip(values.chunks_exact(head_dim));
            let scales = embedding.key_scale.iter().zip(embedding.value_scale);
            for ((keys, values), (key_scale, value_scale)) in heads.zip(scales) {
                self.0.extend([keys, values].concat());
                self.0.extend([*key_scale, *value_scale].map(f32::to_le_bytes).as_flattened());
                // As the kernels load a head's keys and values.
                self.align_to(head_dim.clamp(4, 16));
            }
            self.align();
        }
        [streams, queries, keys_values]
    }
}
