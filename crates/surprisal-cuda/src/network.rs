//! What a network in integers is, as plain slices.

/// Dimensions of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Layers, each of attention and a hidden layer.
    pub layers: usize,
    /// Heads of attention.
    pub heads: usize,
    /// Features of the residual stream; a multiple of `heads`.
    pub width: usize,
    /// Positions of a line.
    pub block_size: usize,
    /// Symbols, 255 at most.
    pub vocab: usize,
}

impl Shape {
    /// Features of a head.
    pub fn head_dim(&self) -> usize {
        self.width / self.heads
    }

    /// 32-bit words of a row of cumulative probabilities: the vocabulary, rounded up to eights.
    pub fn cdf_stride(&self) -> usize {
        self.vocab.next_multiple_of(8)
    }
}

/// A product with 8-bit weights: y = ((Σ a·w − correction) · scale) · row scale + bias.
#[derive(Clone, Copy, Debug)]
pub struct Linear<'a> {
    /// Inputs of a row of `weights`.
    pub inputs: usize,
    /// Outputs.
    pub outputs: usize,
    /// (outputs, inputs), and whatever rows follow.
    pub weights: &'a [i8],
    /// What the activations' zero adds to every sum, (outputs).
    pub correction: &'a [i32],
    /// (outputs).
    pub scale: &'a [f32],
    /// (outputs).
    pub bias: &'a [f32],
}

/// The last product, with weights of 11 bits; logits in bits.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Inputs of a row of `weights`.
    pub inputs: usize,
    /// (vocab, inputs), and whatever rows follow.
    pub weights: &'a [i16],
    /// (vocab).
    pub scale: &'a [f32],
    /// (vocab).
    pub bias: &'a [f32],
}

/// A token at a position: where the residual stream begins, and the first layer's queries, keys and values.
#[derive(Clone, Copy, Debug)]
pub struct Embedding<'a> {
    /// (width).
    pub stream: &'a [f32],
    /// (heads, head_dim).
    pub queries: &'a [i8],
    /// (heads, head_dim).
    pub keys: &'a [i8],
    /// (heads, head_dim).
    pub values: &'a [i8],
    /// (heads); the softmax's factor is in it.
    pub query_scale: &'a [f32],
    /// (heads).
    pub key_scale: &'a [f32],
    /// (heads).
    pub value_scale: &'a [f32],
}

/// GELU in fixed point: a polynomial of |x| up to a clamp.
#[derive(Clone, Copy, Debug)]
pub struct Gelu {
    /// Fraction bits of the hidden layer's inputs, 13 at most.
    pub fraction_bits: u32,
    /// Largest |x| for which the polynomial is computed.
    pub clamp: u16,
    /// Coefficients, the highest power first.
    pub coefficients: [i16; 5],
}

/// A layer.
#[derive(Clone, Copy, Debug)]
pub struct Layer<'a> {
    /// To queries, keys and values; none in the first layer, whose are in the embeddings.
    pub qkv: Option<Linear<'a>>,
    /// From attention back to the residual stream.
    pub projection: Linear<'a>,
    /// To the hidden layer.
    pub expand: Linear<'a>,
    /// What the hidden layer does with its inputs.
    pub gelu: Gelu,
    /// From the hidden layer back to the residual stream.
    pub contract: Linear<'a>,
}

/// A network.
#[derive(Clone, Debug)]
pub struct Network<'a> {
    /// Its dimensions.
    pub shape: Shape,
    /// (block_size · vocab), position-major.
    pub embeddings: Vec<Embedding<'a>>,
    /// (layers).
    pub layers: Vec<Layer<'a>>,
    /// The last product.
    pub head: Head<'a>,
    /// log₂ e / √head_dim.
    pub softmax_factor: f32,
}
