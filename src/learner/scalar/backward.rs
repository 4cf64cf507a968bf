//! The definition of the gradient.

use std::ops::Range;

use super::{Kept, Line, Lines, Norm, add, affine, dots, mix, product, product_transposed, sum};
use crate::learner::kernel::Targets;
use crate::learner::layout::{LayerPlaces, NormPlaces, Places};
use crate::model::Shape;
use crate::simd::math::tree_sum;
use crate::simd::{LANES, Vector, floats_mut};
use crate::text::Token;

/// Where gradients go: of matrices at once, of vectors for each line by itself.
struct Gradients<'a> {
    parameters: &'a [f32],
    all: &'a mut [f32],
    vectors: Vec<Vec<f32>>,
    first_vector: usize,
}

impl Gradients<'_> {
    fn of(&self, place: &Range<usize>) -> &[f32] {
        &self.parameters[place.clone()]
    }

    /// gradient_oc += dy_o·x_c.
    fn outer(&mut self, place: &Range<usize>, dy: &[f32], x: &[f32]) {
        let rows = self.all[place.clone()].chunks_exact_mut(x.len());
        for (row, d) in rows.zip(dy) {
            row.iter_mut().zip(x).for_each(|(to, x)| *to += d * x);
        }
    }

    fn vector(&mut self, line: usize, place: &Range<usize>, dy: &[f32]) {
        let from = place.start - self.first_vector;
        add(&mut self.vectors[line][from..][..dy.len()], dy);
    }

    /// Through a LayerNorm: adds the gradient of its input to `dx`.
    fn norm(&mut self, line: usize, places: &NormPlaces, norm: &Norm, dy: &[f32], dx: &mut [f32]) {
        let width = dy.len() as f32;
        let by_gain: Vec<f32> = dy.iter().zip(&norm.normal).map(|(d, x)| d * x).collect();
        self.vector(line, &places.gain, &by_gain);
        self.vector(line, &places.bias, dy);
        let d: Vec<f32> = dy.iter().zip(self.of(&places.gain)).map(|(d, g)| d * g).collect();
        let mean = d.iter().fold(0.0, |sum, d| sum + d) / width;
        let along = sum(0.0, d.iter().copied(), norm.normal.iter().copied()) / width;
        for ((dx, d), x) in dx.iter_mut().zip(d).zip(&norm.normal) {
            *dx += norm.r * ((d - mean) - x * along);
        }
    }
}

impl Lines {
    /// The gradient of the lines' surprisal in nats, at each position times its scale. A line that
    /// has ended adds nothing.
    pub fn backward(&mut self, parameters: &[f32], targets: &Targets, scales: &[f32]) {
        let Self { shape, places, lines, gradient, .. } = self;
        gradient.fill(Vector::ZERO);
        let mut g = Gradients {
            parameters,
            all: floats_mut(gradient),
            vectors: vec![vec![0.0; places.len - places.vectors]; LANES],
            first_vector: places.vectors,
        };
        // The gradient of the stream, for each line and position, and that of queries, keys, values.
        let mut dstream = vec![vec![vec![0.0; shape.width]; targets.len()]; LANES];
        let going: Vec<(usize, usize)> = (0..targets.len())
            .flat_map(|position| (0..LANES).map(move |line| (position, line)))
            .filter(|&(position, line)| targets[position][line].is_some())
            .collect();
        for &(position, line) in &going {
            let target = targets[position][line].expect("it is going");
            let scale = scales[position];
            lines[line].head(&mut g, places, line, position, target, scale, &mut dstream[line]);
        }
        for (i, layer) in places.layers.iter().enumerate().rev() {
            for &(position, line) in &going {
                let kept = &lines[line].layers[i][position];
                perceive(&mut g, layer, line, kept, &mut dstream[line][position]);
            }
            let mut dqkv = vec![vec![vec![0.0; 3 * shape.width]; targets.len()]; LANES];
            for &(position, line) in &going {
                let seen = &lines[line].layers[i][..=position];
                attend(&mut g, shape, layer, seen, line, &dstream[line][position], &mut dqkv[line]);
            }
            for &(position, line) in &going {
                let norm = &lines[line].layers[i][position].norm1;
                let dqkv = &dqkv[line][position];
                let normed = affine(parameters, &layer.norm1, norm);
                g.outer(&layer.qkv, dqkv, &normed);
                g.vector(line, &layer.qkv_bias, dqkv);
                let dnormed = product_transposed(g.of(&layer.qkv), &[], dqkv);
                g.norm(line, &layer.norm1, norm, &dnormed, &mut dstream[line][position]);
            }
        }
        for &(position, line) in &going {
            let (c, token) = (shape.width, usize::from(lines[line].tokens[position]));
            let d = &dstream[line][position];
            add(&mut g.all[places.tokens.clone()][token * c..][..c], d);
            add(&mut g.all[places.positions.clone()][position * c..][..c], d);
        }
        for i in 0..places.len - places.vectors {
            g.all[places.vectors + i] = tree_sum(std::array::from_fn(|line| g.vectors[line][i]));
        }
    }
}

impl Line {
    /// Through the softmax, the head and the last LayerNorm.
    #[expect(clippy::too_many_arguments, reason = "each is one thing of the loop above")]
    fn head(
        &self,
        g: &mut Gradients,
        places: &Places,
        line: usize,
        position: usize,
        target: Token,
        scale: f32,
        dstream: &mut [Vec<f32>],
    ) {
        let p = self.powers[position].iter().map(|e| e * self.shares[position]);
        let mut dlogits: Vec<f32> = p.collect();
        dlogits[usize::from(target)] -= 1.0;
        dlogits.iter_mut().for_each(|d| *d *= scale);
        let norm = &self.norms[position];
        g.outer(&places.head, &dlogits, &affine(g.parameters, &places.norm, norm));
        let dnormed = product_transposed(g.of(&places.head), &[], &dlogits);
        g.norm(line, &places.norm, norm, &dnormed, &mut dstream[position]);
    }
}

/// Through the MLP half of a layer.
fn perceive(g: &mut Gradients, places: &LayerPlaces, line: usize, kept: &Kept, dstream: &mut [f32]) {
    g.outer(&places.contract, &kept.active, dstream);
    g.vector(line, &places.contract_bias, dstream);
    let mut dhidden = product(g.of(&places.contract), &[], dstream);
    dhidden.iter_mut().zip(&kept.slopes).for_each(|(d, s)| *d *= s);
    g.outer(&places.expand, &dhidden, &affine(g.parameters, &places.norm2, &kept.norm2));
    g.vector(line, &places.expand_bias, &dhidden);
    let dnormed = product_transposed(g.of(&places.expand), &[], &dhidden);
    g.norm(line, &places.norm2, &kept.norm2, &dnormed, dstream);
}

/// Through the projection and the attention of the last position that was seen.
fn attend(
    g: &mut Gradients,
    shape: &Shape,
    places: &LayerPlaces,
    seen: &[Kept],
    line: usize,
    dstream: &[f32],
    dqkv: &mut [Vec<f32>],
) {
    let now = seen.last().expect("the position itself is seen");
    g.outer(&places.projection, dstream, &now.mixed);
    g.vector(line, &places.projection_bias, dstream);
    let dmixed = product_transposed(g.of(&places.projection), &[], dstream);
    let rows: Vec<&[f32]> = seen.iter().map(|kept| &kept.qkv[..]).collect();
    let scale = shape.score_scale();
    for head in 0..shape.heads {
        let weights = &now.weights[head];
        let dmixed = &dmixed[shape.features(0, head)];
        let mut slopes = dots(dmixed, &rows, &shape.features(2, head));
        let along = sum(0.0, weights.iter().copied(), slopes.iter().copied());
        slopes.iter_mut().zip(weights).for_each(|(s, a)| *s = a * (*s - along));
        let query = &now.qkv[shape.features(0, head)];
        for (j, (weight, slope)) in weights.iter().zip(&slopes).enumerate() {
            let dvalue = &mut dqkv[j][shape.features(2, head)];
            dvalue.iter_mut().zip(dmixed).for_each(|(to, d)| *to += weight * d);
            let slope = slope * scale;
            let dkey = &mut dqkv[j][shape.features(1, head)];
            dkey.iter_mut().zip(query).for_each(|(to, q)| *to += slope * q);
        }
        let dquery = mix(&slopes, &rows, shape.features(1, head));
        let to = &mut dqkv[seen.len() - 1][shape.features(0, head)];
        to.iter_mut().zip(dquery).for_each(|(to, d)| *to = d * scale);
    }
}
