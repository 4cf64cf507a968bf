//! The quantised parameters as the GPU's crate takes them.

use surprisal_cuda::{Embedding, Gelu, Head, Layer, Linear, Network, Shape};

use crate::network::math::gelu;
use crate::network::parameters::{self, Parameters};
use crate::network::quantize::softmax_factor;

impl Parameters {
    /// As slices for the GPU.
    pub(super) fn network(&self) -> Network<'_> {
        let crate::model::Shape { layers, heads, width, block_size, vocab, .. } = self.shape;
        Network {
            shape: Shape { layers, heads, width, block_size, vocab },
            embeddings: self.embedded.iter().map(embedding).collect(),
            layers: self.layers.iter().map(layer).collect(),
            head: Head {
                inputs: self.head.inputs,
                weights: &self.head.weights,
                scale: &self.head.scale,
                bias: &self.head.bias,
            },
            softmax_factor: softmax_factor(self.shape.head_dim),
        }
    }
}

fn embedding(embedded: &parameters::Embedded) -> Embedding<'_> {
    let attended = &embedded.attended;
    Embedding {
        stream: &embedded.stream,
        queries: &attended.queries,
        keys: &attended.keys,
        values: &attended.values,
        query_scale: &attended.query_scale,
        key_scale: &attended.key_scale,
        value_scale: &attended.value_scale,
    }
}

fn layer(layer: &parameters::Layer) -> Layer<'_> {
    Layer {
        qkv: layer.qkv.as_ref().map(linear),
        projection: linear(&layer.projection),
        expand: linear(&layer.expand),
        gelu: Gelu {
            fraction_bits: layer.fraction_bits,
            clamp: gelu::clamp(layer.fraction_bits),
            coefficients: gelu::coefficients(layer.fraction_bits),
        },
        contract: linear(&layer.contract),
    }
}

fn linear(linear: &parameters::Linear) -> Linear<'_> {
    Linear {
        inputs: linear.inputs,
        outputs: linear.outputs,
        weights: &linear.weights,
        correction: &linear.correction,
        scale: &linear.scale,
        bias: &linear.bias,
    }
}
