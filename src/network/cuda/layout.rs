//! A model laid out for the kernels: one string of bytes, and where things are in it.
//!
//! In front stands what a block copies to shared memory: the layers' records, weights as fragments of
//! `mma.m16n8k32`, and how sums become outputs. Then the tables by position and token.

use crate::network::math::gelu;
use crate::network::parameters::{Head, Linear, Parameters, Shape};
use crate::network::quantize::softmax_factor;
use crate::{Error, Result};

/// Networks that there are kernels for: name, width, heads.
pub(super) const KERNELS: [(&str, usize, usize); 5] = [
    ("pico", 16, 4),
    ("tiny", 32, 4),
    ("nano", 48, 3),
    ("micro", 128, 4),
    ("mini", 192, 6),
];

/// Lines of a warp.
pub(super) const LINES: usize = 16;
/// 1.5·2²³ as a float's bits: what sums start at, so that they are floats when they are done.
const MAGIC_BITS: i32 = 0x4b40_0000;
/// Sums must stay below this magnitude for that.
const SUM_LIMIT: i32 = 1 << 22;
/// Words of a layer's record.
const RECORD: usize = 20;

/// What the kernels' `Model` holds behind its pointer.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Bytes in front that go to shared memory, where they fit.
    pub staged: u32,
    /// Bytes of shared memory that a warp needs beside them.
    pub warp_bytes: u32,
    pub layers: u32,
    pub block: u32,
    pub vocab: u32,
    /// Words of a row of cumulative probabilities.
    pub stride: u32,
    head: u32,
    head_outputs: u32,
    streams: u32,
    queries: u32,
    seen: u32,
    softmax: f32,
}

impl Header {
    /// Its words, as they lie in memory.
    #[cfg(test)]
    pub fn words(&self) -> [u32; 12] {
        [
            self.staged,
            self.warp_bytes,
            self.layers,
            self.block,
            self.vocab,
            self.stride,
            self.head,
            self.head_outputs,
            self.streams,
            self.queries,
            self.seen,
            self.softmax.to_bits(),
        ]
    }
}

/// A model for the kernels of a name.
pub(super) struct Laid {
    pub kernel: &'static str,
    pub header: Header,
    pub bytes: Vec<u8>,
}

impl Laid {
    /// Lays a model out.
    ///
    /// # Errors
    /// [`Error::Model`] if there is no kernel for its width and heads.
    pub fn new(parameters: &Parameters) -> Result<Self> {
        let shape = &parameters.shape;
        let known = KERNELS.iter().find(|k| (k.1, k.2) == (shape.width, shape.heads));
        let &(kernel, ..) = known.ok_or_else(|| {
            let (width, heads) = (shape.width, shape.heads);
            Error::model(format!(
                "there is no GPU kernel for {width} features and {heads} heads: use the CPU"
            ))
        })?;
        let mut bytes = Bytes(vec![0; 4 * RECORD * shape.layers]);
        let mut records = Vec::new();
        let mut chunks = 0;
        for layer in &parameters.layers {
            let mut record = [0; RECORD];
            let products = [
                layer.qkv.as_ref(),
                Some(&layer.projection),
                Some(&layer.expand),
                Some(&layer.contract),
            ];
            for (at, linear) in record.chunks_exact_mut(2).zip(products) {
                if let Some(linear) = linear {
                    at.copy_from_slice(&bytes.linear(linear)?);
                }
            }
            let hidden = layer.expand.outputs;
            record[8..11]
                .copy_from_slice(&[hidden, hidden.div_ceil(8), hidden.div_ceil(32)].map(|n| n as u32));
            record[11] = u32::from(gelu::clamp(layer.places));
            record[12] = 13 - layer.places;
            for (i, c) in gelu::coefficients(layer.places).into_iter().enumerate() {
                let step = (i32::from(c) << 15) + (1 << 14);
                record[13 + i] = if i == 0 { i32::from(c) } else { step } as u32;
            }
            record[18] = (32768.0 / (1u32 << layer.places) as f32).to_bits();
            chunks = chunks.max(hidden.div_ceil(32));
            records.extend(record.iter().flat_map(|word| word.to_le_bytes()));
        }
        bytes.0[..records.len()].copy_from_slice(&records);
        let [head, head_outputs] = bytes.head(&parameters.head, shape);
        let staged = bytes.align();
        let [streams, queries, seen] = bytes.tables(parameters);
        let header = Header {
            staged,
            warp_bytes: warp_bytes(shape, chunks) as u32,
            layers: shape.layers as u32,
            block: shape.block_size as u32,
            vocab: shape.vocab as u32,
            stride: shape.cdf_stride() as u32,
            head,
            head_outputs,
            streams,
            queries,
            seen,
            softmax: softmax_factor(shape.head_dim),
        };
        Ok(Self {
            kernel,
            header,
            bytes: bytes.0,
        })
    }
}

/// What a warp's lines need of shared memory, at one time or another, for hidden layers of so many chunks.
fn warp_bytes(shape: &Shape, chunks: usize) -> usize {
    let mixed = 4 * 2 * shape.heads * (8 * shape.head_dim + 8);
    let queries = LINES * (shape.width + 4 * shape.heads);
    let attention = 128 * shape.block_size + mixed + queries;
    let rows = 4 * 2 * (8 * shape.cdf_stride() + 8);
    attention.max(1024 * chunks).max(rows).next_multiple_of(16)
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
        self.0.resize(self.0.len().next_multiple_of(16), 0);
        self.0.len() as u32
    }

    /// A fragment of weights: two words of each lane.
    fn fragment(&mut self, tile: usize, chunk: usize, weight: impl Fn(usize, usize) -> i8) {
        for lane in 0..32 {
            for half in 0..2 {
                let input = |byte: usize| 32 * chunk + 16 * half + 4 * byte + lane % 4;
                self.0
                    .extend((0..4).map(|byte| weight(output(tile, lane), input(byte)) as u8));
            }
        }
    }

    /// How the sums of all tiles become outputs; 0 where there is none.
    fn outputs(&mut self, tiles: usize, start: impl Fn(usize) -> i32, scale: &[f32], bias: &[f32]) -> u32 {
        let at = self.align();
        let float = |all: &[f32], i: usize| all.get(i).copied().unwrap_or(0.0).to_bits();
        for first in (0..8 * tiles).step_by(8).flat_map(|tile| tile..tile + 4) {
            let both = [first, first + 4];
            let words = [
                both.map(|i| start(i) as u32),
                both.map(|i| float(scale, i)),
                both.map(|i| float(bias, i)),
            ];
            self.0
                .extend(words.iter().flatten().flat_map(|word| word.to_le_bytes()));
        }
        at
    }

    /// A product's weights and outputs: where they are.
    fn linear(&mut self, linear: &Linear) -> Result<[u32; 2]> {
        let row = |output: usize| linear.weights.get(output * linear.inputs..).unwrap_or(&[]);
        for output in 0..linear.outputs {
            let weights = &row(output)[..linear.inputs];
            let most: i32 = weights.iter().map(|&w| 127 * i32::from(w).abs()).sum();
            if most + linear.correction[output].abs() >= SUM_LIMIT {
                return Err(Error::model(
                    "a product's sums are too large for the GPU: use the CPU",
                ));
            }
        }
        let at = self.align();
        let (tiles, chunks) = (linear.outputs.div_ceil(8), linear.inputs.div_ceil(32));
        for tile in 0..tiles {
            for chunk in 0..chunks {
                self.fragment(tile, chunk, |output, input| {
                    let inside = output < linear.outputs && input < linear.inputs;
                    if inside { row(output)[input] } else { 0 }
                });
            }
        }
        let start = |i| MAGIC_BITS - linear.correction.get(i).copied().unwrap_or(0);
        Ok([at, self.outputs(tiles, start, &linear.scale, &linear.bias)])
    }

    /// The head: its weights are 32·high + low, both of them bytes.
    fn head(&mut self, head: &Head, shape: &Shape) -> [u32; 2] {
        let at = self.align();
        let tiles = shape.cdf_stride() / 8;
        let weight = |output: usize, input: usize| {
            let inside = output < shape.vocab && input < head.inputs;
            if inside {
                head.weights[output * head.inputs + input]
            } else {
                0
            }
        };
        for tile in 0..tiles {
            for chunk in 0..shape.width.div_ceil(32) {
                self.fragment(tile, chunk, |output, input| (weight(output, input) >> 5) as i8);
                self.fragment(tile, chunk, |output, input| (weight(output, input) & 31) as i8);
            }
        }
        [at, self.outputs(tiles, |_| 0, &head.scale, &head.bias)]
    }

    /// The tables by position and token: residual streams, queries, and what attention sees.
    fn tables(&mut self, parameters: &Parameters) -> [u32; 3] {
        let shape = &parameters.shape;
        let streams = self.align();
        for embedded in &parameters.embedded {
            let owned = (0..4).flat_map(|t| embedded.stream.iter().skip(t).step_by(4));
            self.0.extend(owned.flat_map(|f| f.to_le_bytes()));
        }
        let ordered = |features: &[i8]| -> Vec<u8> {
            let heads = features.chunks_exact(shape.head_dim);
            heads
                .flat_map(|head| head_order(shape.head_dim).map(|i| head[i] as u8))
                .collect()
        };
        let floats = |all: &[f32]| -> Vec<u8> { all.iter().flat_map(|f| f.to_le_bytes()).collect() };
        let queries = self.align();
        for embedded in &parameters.embedded {
            let a = &embedded.attended;
            self.0.extend(ordered(&a.queries));
            self.0.extend(floats(&a.query_scale));
            self.align();
        }
        let seen = self.align();
        for embedded in &parameters.embedded {
            let a = &embedded.attended;
            self.0.extend(ordered(&a.keys));
            self.0.extend(ordered(&a.values));
            self.0.extend(floats(&a.key_scale));
            self.0.extend(floats(&a.value_scale));
            self.align();
        }
        [streams, queries, seen]
    }
}
