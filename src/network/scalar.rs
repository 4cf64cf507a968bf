//! The definition of the exact network: one line, one position at a time, plain loops.
//!
//! Slow and obvious on purpose. Whatever else computes this network must give the same integers
//! as this file, bit for bit; `docs/exactness.md` says the same in words.

use super::math::{exp2, gelu_shifted};
use super::parameters::{
    ACTIVATION_MAX, ACTIVATION_ZERO, Attended, EPSILON, HEAD_MAX, HIDDEN_MAX, Head, Layer, Linear, PRECISION,
    Parameters, QUERY_MAX, SCALE_FLOOR, VALUE_MAX,
};
use super::quantize::softmax_factor;
use crate::model::Shape;
use crate::simd::math::{EXP2_COARSE, EXP2_FINE, mul_q15, round};
use crate::text::Token;

/// One line on its way through the network.
pub(crate) struct Line<'a> {
    parameters: &'a Parameters,
    /// What attention sees: for each layer, the positions so far.
    seen: Vec<Vec<Attended>>,
}

impl<'a> Line<'a> {
    /// A line before its first token.
    pub fn new(parameters: &'a Parameters) -> Self {
        Self { parameters, seen: vec![Vec::new(); parameters.shape.layers] }
    }

    /// Takes the next token and returns the cumulative probabilities of the one behind it: the
    /// left end of each symbol's slots, of 2^20.
    pub fn step(&mut self, token: Token) -> Vec<u32> {
        cumulative(&self.weights(token))
    }

    /// As [`Line::step`], before rounding to integers: the probabilities are proportional to these.
    pub fn weights(&mut self, token: Token) -> Vec<f32> {
        let Parameters { shape, layers, head, .. } = self.parameters;
        let embedded = self.parameters.embedded(self.seen[0].len(), token);
        let mut stream = embedded.stream.clone();
        for (layer, seen) in layers.iter().zip(&mut self.seen) {
            seen.push(match &layer.qkv {
                None => embedded.attended.clone(),
                Some(qkv) => attended(&linear(qkv, &normed(&stream)), shape),
            });
            let mixed = attention(seen, shape);
            add(&mut stream, &linear(&layer.projection, &symmetric(&mixed)));
            let hidden = hidden(layer, &normed(&stream));
            add(&mut stream, &linear(&layer.contract, &hidden));
        }
        weights(&logits(head, &stream))
    }
}

/// A row of rounded activations: the integers a and what one of them stands for.
struct Row {
    integers: Vec<i32>,
    scale: f32,
}

fn add(stream: &mut [f32], update: &[f32]) {
    stream.iter_mut().zip(update).for_each(|(s, u)| *s += u);
}

/// Sum in four striped parts: element i goes to part i mod 4.
fn striped_sum(values: impl Iterator<Item = f32>) -> f32 {
    let mut parts = [0.0f32; 4];
    values.enumerate().for_each(|(i, v)| parts[i % 4] += v);
    (parts[0] + parts[1]) + (parts[2] + parts[3])
}

fn largest(values: &[f32]) -> f32 {
    values.iter().fold(SCALE_FLOOR, |m, v| if v.abs() > m { v.abs() } else { m })
}

/// A row without its mean, and 1/√(variance + ε).
fn centred(stream: &[f32]) -> (Vec<f32>, f32) {
    let width = stream.len() as f32;
    let mean = striped_sum(stream.iter().copied()) / width;
    let centred: Vec<f32> = stream.iter().map(|v| v - mean).collect();
    let variance = striped_sum(centred.iter().map(|v| v * v)) / width;
    (centred, 1.0 / (variance + EPSILON).sqrt())
}

/// LayerNorm (its gain and bias are in the product that follows) and rounding to 64 ± 63. The
/// division by the deviation goes into the row's scale.
fn normed(stream: &[f32]) -> Row {
    let (centred, rstd) = centred(stream);
    let row = symmetric(&centred);
    Row { scale: row.scale * rstd, ..row }
}

/// Rounding to 64 ± 63.
fn symmetric(values: &[f32]) -> Row {
    let max = largest(values);
    let factor = ACTIVATION_MAX / max;
    let integers = values.iter().map(|v| round(v * factor) + ACTIVATION_ZERO).collect();
    Row { integers, scale: max / ACTIVATION_MAX }
}

/// y = ((Σ a·w − correction) · scale) · row scale + bias.
fn linear(linear: &Linear, row: &Row) -> Vec<f32> {
    let output = |o: usize| {
        let weights = &linear.weights[o * linear.inputs..][..linear.inputs];
        let sum: i32 = row.integers.iter().zip(weights).map(|(a, &w)| a * i32::from(w)).sum();
        ((sum - linear.correction[o]) as f32 * linear.scale[o]) * row.scale + linear.bias[o]
    };
    (0..linear.outputs).map(output).collect()
}

/// The hidden layer behind its GELU, rounded to 0 … 127. In 16-bit fixed point.
fn hidden(layer: &Layer, row: &Row) -> Row {
    let saturated = |v: f32| round(v).clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
    let outputs = linear(&layer.expand, row);
    let values: Vec<i16> = outputs.iter().map(|&v| gelu_shifted(saturated(v), layer.fraction_bits)).collect();
    let max = *values.iter().max().expect("a layer has features");
    let factor = ((HIDDEN_MAX * 32768.0 / f32::from(max)) as i32).min(i32::from(i16::MAX)) as i16;
    let integers = values.iter().map(|&v| i32::from(mul_q15(v, factor))).collect();
    let unit = 32768.0 / (1u32 << layer.fraction_bits) as f32;
    Row { integers, scale: unit / f32::from(factor) }
}

/// Rounds queries, keys and values for each head.
fn attended(qkv: &[f32], shape: &Shape) -> Attended {
    let rounded = |part: usize, max: f32| -> (Vec<i8>, Vec<f32>) {
        let heads = qkv[part * shape.width..][..shape.width].chunks_exact(shape.head_dim);
        let largest = heads.clone().map(largest);
        let values = heads.zip(largest.clone()).flat_map(|(head, largest)| {
            let factor = max / largest;
            head.iter().map(move |v| round(v * factor) as i8)
        });
        (values.collect(), largest.map(|l| l / max).collect())
    };
    let (queries, query_scale) = rounded(0, QUERY_MAX);
    let (keys, key_scale) = rounded(1, QUERY_MAX);
    let (values, value_scale) = rounded(2, VALUE_MAX);
    let factor = softmax_factor(shape.head_dim);
    let query_scale = query_scale.iter().map(|s| s * factor).collect();
    Attended { queries, keys, values, query_scale, key_scale, value_scale }
}

/// Attention of the last position over all that were seen. The weights, each times its value's
/// scale, are rounded to integers that add up to at most 255.
fn attention(seen: &[Attended], shape: &Shape) -> Vec<f32> {
    let now = seen.last().expect("the position itself is seen");
    let mut mixed = Vec::with_capacity(shape.width);
    for head in 0..shape.heads {
        let features = head * shape.head_dim..(head + 1) * shape.head_dim;
        let query = &now.queries[features.clone()];
        let score = |at: &Attended| {
            let key = &at.keys[features.clone()];
            let dot: i32 = query.iter().zip(key).map(|(&q, &k)| i32::from(q) * i32::from(k)).sum();
            dot as f32 * at.key_scale[head]
        };
        let scores: Vec<f32> = seen.iter().map(score).collect();
        let max = scores.iter().fold(f32::MIN, |m, &s| if s > m { s } else { m });

        let (mut total, mut scaled_total) = (0.0f32, 0.0f32);
        let mut weights = Vec::new();
        for (at, score) in seen.iter().zip(scores) {
            let weight = exp2((score - max) * now.query_scale[head], &EXP2_COARSE);
            let scaled = weight * at.value_scale[head];
            total += weight;
            scaled_total += scaled;
            weights.push(scaled);
        }
        let range = weight_range(seen.len());
        let factor = range / scaled_total;
        let integers: Vec<i32> = weights.iter().map(|w| round(w * factor)).collect();
        let unit = scaled_total / (range * total);
        for i in features {
            let sum: i32 = seen.iter().zip(&integers).map(|(at, w)| w * i32::from(at.values[i])).sum();
            mixed.push(sum as f32 * unit);
        }
    }
    mixed
}

/// What the rounded weights of `positions` positions add up to before rounding: rounding adds at
/// most ½ to each, and together they stay within 255, so that their sum with values of ±127 fits
/// 16 bits.
pub(crate) fn weight_range(positions: usize) -> f32 {
    (255 - positions.div_ceil(2)) as f32
}

/// Logits in bits.
fn logits(head: &Head, stream: &[f32]) -> Vec<f32> {
    let (centred, rstd) = centred(stream);
    let max = largest(&centred);
    let factor = HEAD_MAX / max;
    let integers: Vec<i32> = centred.iter().map(|v| round(v * factor)).collect();
    let scale = (max / HEAD_MAX) * rstd;
    let logit = |o: usize| {
        let weights = &head.weights[o * head.inputs..][..head.inputs];
        let sum: i32 = integers.iter().zip(weights).map(|(a, &w)| a * i32::from(w)).sum();
        (sum as f32 * head.scale[o]) * scale + head.bias[o]
    };
    (0..head.bias.len()).map(logit).collect()
}

/// What probabilities are proportional to: 1 for the likeliest symbol.
fn weights(logits: &[f32]) -> Vec<f32> {
    let max = logits.iter().fold(f32::MIN, |m, &l| if l > m { l } else { m });
    logits.iter().map(|logit| exp2(logit - max, &EXP2_FINE)).collect()
}

/// From weights to the left end of each symbol's slots: every symbol keeps at least one of 2^20.
fn cumulative(weights: &[f32]) -> Vec<u32> {
    let mut total = 0.0f32;
    let mut before = Vec::new();
    for weight in weights {
        before.push(total);
        total += weight;
    }
    let factor = ((1 << PRECISION) - weights.len()) as f32 / total;
    let slots = before.iter().enumerate();
    slots.map(|(symbol, &left)| (left * factor) as u32 + symbol as u32).collect()
}
