//! The same network in f64, with the library's exp and tanh: what gradients are held to.

use crate::learner::layout::NormPlaces;
use crate::model::Shape;

/// The lines' surprisal in nats. `lines` are tokens, the start and the end among them.
pub fn surprisal(shape: &Shape, parameters: &[f64], lines: &[Vec<u8>]) -> f64 {
    lines.iter().map(|line| of_line(shape, parameters, line)).sum()
}

fn linear(w: &[f64], b: Option<&[f64]>, x: &[f64]) -> Vec<f64> {
    let rows = w.chunks_exact(x.len()).enumerate();
    rows.map(|(o, row)| b.map_or(0.0, |b| b[o]) + row.iter().zip(x).map(|(w, x)| w * x).sum::<f64>())
        .collect()
}

fn norm(parameters: &[f64], places: &NormPlaces, x: &[f64]) -> Vec<f64> {
    let width = x.len() as f64;
    let mean = x.iter().sum::<f64>() / width;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / width;
    let affine = parameters[places.gain.clone()].iter().zip(&parameters[places.bias.clone()]);
    let normal = x.iter().map(|x| (x - mean) / (variance + 1e-5).sqrt());
    normal.zip(affine).map(|(x, (g, b))| x * g + b).collect()
}

fn gelu(x: f64) -> f64 {
    let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
    0.5 * x * (1.0 + inner.tanh())
}

fn softmax(scores: &[f64]) -> Vec<f64> {
    let max = scores.iter().copied().fold(f64::MIN, f64::max);
    let e: Vec<f64> = scores.iter().map(|s| (s - max).exp()).collect();
    let total: f64 = e.iter().sum();
    e.iter().map(|e| e / total).collect()
}

/// Columns to rows of `width`.
fn transposed(w: &[f64], width: usize) -> Vec<f64> {
    let rows = w.len() / width;
    (0..w.len()).map(|i| w[(i % rows) * width + i / rows]).collect()
}

fn of_line(shape: &Shape, parameters: &[f64], line: &[u8]) -> f64 {
    let (c, places) = (shape.width, shape.places());
    let of = |place: &std::ops::Range<usize>| &parameters[place.clone()];
    let mut seen = vec![Vec::new(); shape.layers];
    let mut nats = 0.0;
    for (position, pair) in line.windows(2).enumerate() {
        let token = &of(&places.tokens)[usize::from(pair[0]) * c..][..c];
        let place = &of(&places.positions)[position * c..][..c];
        let mut stream: Vec<f64> = token.iter().zip(place).map(|(t, p)| t + p).collect();
        for (layer, seen) in places.layers.iter().zip(&mut seen) {
            let normed = norm(parameters, &layer.norm1, &stream);
            seen.push(linear(of(&layer.qkv), Some(of(&layer.qkv_bias)), &normed));
            let mixed = attention(shape, seen);
            let update = linear(of(&layer.projection), Some(of(&layer.projection_bias)), &mixed);
            stream.iter_mut().zip(update).for_each(|(s, u)| *s += u);
            let normed = norm(parameters, &layer.norm2, &stream);
            let mut hidden = linear(of(&layer.expand), Some(of(&layer.expand_bias)), &normed);
            hidden.iter_mut().for_each(|h| *h = gelu(*h));
            let contract = transposed(of(&layer.contract), c);
            let update = linear(&contract, Some(of(&layer.contract_bias)), &hidden);
            stream.iter_mut().zip(update).for_each(|(s, u)| *s += u);
        }
        let logits = linear(of(&places.head), None, &norm(parameters, &places.norm, &stream));
        nats -= softmax(&logits)[usize::from(pair[1])].ln();
    }
    nats
}

fn attention(shape: &Shape, seen: &[Vec<f64>]) -> Vec<f64> {
    let (c, dim) = (shape.width, shape.head_dim);
    let now = seen.last().expect("itself");
    let mut mixed = Vec::new();
    for head in 0..shape.heads {
        let at = head * dim;
        let dot = |row: &Vec<f64>| (0..dim).map(|i| now[at + i] * row[c + at + i]).sum::<f64>();
        let scores: Vec<f64> = seen.iter().map(|row| dot(row) / (dim as f64).sqrt()).collect();
        let weights = softmax(&scores);
        for i in 0..dim {
            let values = seen.iter().map(|row| row[2 * c + at + i]);
            mixed.push(weights.iter().zip(values).map(|(w, v)| w * v).sum());
        }
    }
    mixed
}
