//! The definition of the learner's network and of its gradient: line by line, position by position,
//! plain loops.
//!
//! Slow and obvious on purpose. The kernel must give the same numbers as this module, bit for bit;
//! `docs/learning.md` says the same in words.

mod backward;

use std::ops::Range;

use super::layout::{LayerPlaces, NormPlaces, Places};
use super::math::{EPSILON, LOG2_E, NEWTON_SCHULZ, NEWTON_SCHULZ_STEPS, exp2, gelu, max};
use super::rounding::{Rounding, RowKind, attention_rows};
use crate::model::Shape;
use crate::network::PRECISION;
use crate::simd::{LANES, Vector};
use crate::text::Token;

/// Sixteen lines, and what the gradient needs of every position so far.
pub(super) struct Lines {
    /// Whether weights and activations are rounded as in the exact network.
    pub rounded: bool,
    shape: Shape,
    places: Places,
    lines: Vec<Line>,
    /// The gradient, in the order of the parameters.
    pub gradient: Vec<Vector>,
}

/// A line on its way.
#[derive(Default)]
struct Line {
    tokens: Vec<Token>,
    /// For each layer, the positions so far.
    layers: Vec<Vec<Kept>>,
    norms: Vec<Norm>,
    /// 2^(logit − greatest) of every symbol, and 1/Σ of them.
    powers: Vec<Vec<f32>>,
    shares: Vec<f32>,
}

/// What a LayerNorm keeps of a position: x̂ and r.
struct Norm {
    normal: Vec<f32>,
    r: f32,
}

/// What a layer keeps of a position.
struct Kept {
    norm1: Norm,
    qkv: Vec<f32>,
    /// Of every head, for every position so far.
    weights: Vec<Vec<f32>>,
    mixed: Vec<f32>,
    norm2: Norm,
    active: Vec<f32>,
    slopes: Vec<f32>,
}

/// start + Σ a·b, from first to last.
fn sum(start: f32, a: impl IntoIterator<Item = f32>, b: impl IntoIterator<Item = f32>) -> f32 {
    a.into_iter().zip(b).fold(start, |sum, (a, b)| sum + a * b)
}

fn add(to: &mut [f32], update: &[f32]) {
    to.iter_mut().zip(update).for_each(|(to, u)| *to += u);
}

/// y_o = b_o + Σ w_ok·x_k.
fn product(w: &[f32], b: &[f32], x: &[f32]) -> Vec<f32> {
    let rows = w.chunks_exact(x.len()).enumerate();
    rows.map(|(o, row)| {
        let start = b.get(o).copied().unwrap_or(0.0);
        sum(start, row.iter().copied(), x.iter().copied())
    })
    .collect()
}

/// y_k = b_k + Σ w_ok·x_o.
fn product_transposed(w: &[f32], b: &[f32], x: &[f32]) -> Vec<f32> {
    let width = w.len() / x.len();
    let column = |k: usize| w[k..].iter().step_by(width).copied();
    (0..width).map(|k| sum(b.get(k).copied().unwrap_or(0.0), column(k), x.iter().copied())).collect()
}

/// x ← x·(aI + bA + cA²) with A = xᵀx, [`NEWTON_SCHULZ_STEPS`] times; x has rows of `width` numbers.
pub(super) fn orthogonalise(x: &mut [f32], width: usize) {
    let [a, b, c] = NEWTON_SCHULZ;
    let column = |m: &[f32], j: usize| m[j..].iter().step_by(width).copied().collect::<Vec<_>>();
    for _ in 0..NEWTON_SCHULZ_STEPS {
        let columns: Vec<_> = (0..width).map(|j| column(x, j)).collect();
        let gram: Vec<f32> = columns.iter().flat_map(|column| product_transposed(x, &[], column)).collect();
        let mut polynomial = Vec::new();
        for (j, gram_j) in gram.chunks_exact(width).enumerate() {
            let square = product(&gram, &[], gram_j);
            let mut column: Vec<f32> = gram_j.iter().zip(square).map(|(g, s)| b * g + c * s).collect();
            column[j] += a;
            polynomial.push(column);
        }
        let old = x.to_vec();
        for (j, polynomial) in polynomial.iter().enumerate() {
            let column = product(&old, &[], polynomial);
            let to = x[j..].iter_mut().step_by(width);
            to.zip(column).for_each(|(to, x)| *to = x);
        }
    }
}

fn normalise(x: &[f32]) -> Norm {
    let width = x.len() as f32;
    let mean = x.iter().fold(0.0, |sum, x| sum + x) / width;
    let mut normal: Vec<f32> = x.iter().map(|x| x - mean).collect();
    let variance = normal.iter().fold(0.0, |sum, d| sum + d * d) / width;
    let r = 1.0 / (variance + EPSILON).sqrt();
    normal.iter_mut().for_each(|d| *d *= r);
    Norm { normal, r }
}

fn affine(parameters: &[f32], places: &NormPlaces, norm: &Norm) -> Vec<f32> {
    let (gain, bias) = (&parameters[places.gain.clone()], &parameters[places.bias.clone()]);
    let both = gain.iter().zip(bias);
    norm.normal.iter().zip(both).map(|(x, (g, b))| x * g + b).collect()
}

impl Shape {
    fn features(&self, part: usize, head: usize) -> Range<usize> {
        let from = part * self.width + head * self.head_dim;
        from..from + self.head_dim
    }

    /// 1/√head_dim.
    fn score_scale(&self) -> f32 {
        1.0 / (self.head_dim as f32).sqrt()
    }
}

/// The products of `with` and each position's features.
fn dots(with: &[f32], seen: &[&[f32]], features: &Range<usize>) -> Vec<f32> {
    let dot = |row: &&[f32]| sum(0.0, with.iter().copied(), row[features.clone()].iter().copied());
    seen.iter().map(dot).collect()
}

/// Σ weight_j·row_j over positions.
fn mix(weights: &[f32], seen: &[&[f32]], features: Range<usize>) -> Vec<f32> {
    let feature = |i: usize| sum(0.0, weights.iter().copied(), seen.iter().map(|row| row[i]));
    features.map(feature).collect()
}

fn softmax(scores: &[f32], factor: f32) -> Vec<f32> {
    let scaled: Vec<f32> = scores.iter().map(|s| s * factor).collect();
    let greatest = scaled.iter().fold(f32::MIN, |m, &s| max(s, m));
    let e: Vec<f32> = scaled.iter().map(|s| exp2(s - greatest)).collect();
    let share = 1.0 / e.iter().fold(0.0, |sum, e| sum + e);
    e.iter().map(|e| e * share).collect()
}

impl Lines {
    /// Room for sixteen lines.
    pub fn new(shape: Shape) -> Self {
        let places = shape.places();
        Self {
            rounded: false,
            lines: Vec::new(),
            gradient: vec![Vector::ZERO; places.len / LANES],
            shape,
            places,
        }
    }

    /// Begins with new lines.
    pub fn start(&mut self) {
        let line =
            |_| Line { layers: (0..self.shape.layers).map(|_| Vec::new()).collect(), ..Line::default() };
        self.lines = (0..LANES).map(line).collect();
    }

    /// The probability of a token behind a position of a line, before it is rounded.
    pub fn probability(&self, position: usize, line: usize, token: Token) -> f32 {
        let line = &self.lines[line];
        line.powers[position][usize::from(token)] * line.shares[position]
    }

    /// Takes a token of each line; `rows` gets the left ends of the next symbols' slots, a row of
    /// whole eights for each line.
    pub fn forward(&mut self, parameters: &[f32], tokens: &[Token; LANES], rows: &mut [[u32; 8]]) {
        let eights = rows.len() / LANES;
        let rows = rows.chunks_exact_mut(eights);
        for ((line, &token), row) in self.lines.iter_mut().zip(tokens).zip(rows) {
            let row = row.as_flattened_mut();
            row.fill(1 << PRECISION);
            let slots = line.forward(&self.shape, &self.places, self.rounded, parameters, token);
            row[..slots.len()].copy_from_slice(&slots);
        }
    }
}

impl Line {
    fn forward(
        &mut self,
        shape: &Shape,
        places: &Places,
        rounded: bool,
        parameters: &[f32],
        token: Token,
    ) -> Vec<u32> {
        let (c, position) = (shape.width, self.tokens.len());
        self.tokens.push(token);
        let embedding = &parameters[places.tokens.clone()][usize::from(token) * c..][..c];
        let place = &parameters[places.positions.clone()][position * c..][..c];
        let mut stream: Vec<f32> = embedding.iter().zip(place).map(|(t, p)| t + p).collect();
        for (i, (places, seen)) in places.layers.iter().zip(&mut self.layers).enumerate() {
            let rounding = Rounding::of_layer(rounded, i);
            layer(shape, places, rounding, parameters, seen, &mut stream);
        }
        let norm = normalise(&stream);
        let normed = affine(parameters, &places.norm, &norm);
        self.norms.push(norm);
        let logits = product(&parameters[places.head.clone()], &[], &normed);
        self.cumulative(&logits)
    }

    /// From logits to the left end of each symbol's slots.
    fn cumulative(&mut self, logits: &[f32]) -> Vec<u32> {
        let bits: Vec<f32> = logits.iter().map(|l| l * LOG2_E).collect();
        let greatest = bits.iter().fold(f32::MIN, |m, &b| max(b, m));
        let powers: Vec<f32> = bits.iter().map(|b| exp2(b - greatest)).collect();
        let mut total = 0.0f32;
        let mut before = Vec::new();
        for e in &powers {
            before.push(total);
            total += e;
        }
        self.powers.push(powers);
        self.shares.push(1.0 / total);
        let factor = ((1 << PRECISION) - logits.len()) as f32 / total;
        let slots = before.iter().enumerate();
        slots.map(|(symbol, &left)| (left * factor) as u32 + symbol as u32).collect()
    }
}

/// A layer.
fn layer(
    shape: &Shape,
    places: &LayerPlaces,
    rounding: Rounding,
    parameters: &[f32],
    seen: &mut Vec<Kept>,
    stream: &mut [f32],
) {
    let of = |place: &Range<usize>| &parameters[place.clone()];
    let mut norm1 = normalise(stream);
    if rounding.first_norm {
        RowKind::Input.round(&mut norm1.normal);
    }
    let normed = affine(parameters, &places.norm1, &norm1);
    let mut qkv = product(of(&places.qkv), of(&places.qkv_bias), &normed);
    if rounding.rest {
        for (row, at) in attention_rows(shape.width, shape.head_dim) {
            row.round(&mut qkv[at..][..shape.head_dim]);
        }
    }
    let rows: Vec<&[f32]> = seen.iter().map(|kept| &kept.qkv[..]).chain([&qkv[..]]).collect();
    let (mut weights, mut mixed) = (Vec::new(), Vec::new());
    for head in 0..shape.heads {
        let scores = dots(&qkv[shape.features(0, head)], &rows, &shape.features(1, head));
        let of_head = softmax(&scores, shape.score_scale() * LOG2_E);
        mixed.extend(mix(&of_head, &rows, shape.features(2, head)));
        weights.push(of_head);
    }
    if rounding.rest {
        RowKind::Input.round(&mut mixed);
    }
    add(stream, &product(of(&places.projection), of(&places.projection_bias), &mixed));
    let mut norm2 = normalise(stream);
    if rounding.rest {
        RowKind::Input.round(&mut norm2.normal);
    }
    let normed = affine(parameters, &places.norm2, &norm2);
    let hidden = product(of(&places.expand), of(&places.expand_bias), &normed);
    let (mut active, slopes): (Vec<f32>, Vec<f32>) = hidden.iter().map(|&h| gelu(h)).unzip();
    if rounding.rest {
        RowKind::Hidden.round(&mut active);
    }
    let update = product_transposed(of(&places.contract), of(&places.contract_bias), &active);
    add(stream, &update);
    seen.push(Kept { norm1, qkv, weights, mixed, norm2, active, slopes });
}
