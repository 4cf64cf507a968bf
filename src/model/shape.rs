//! The dimensions of a GPT as computations take them.

/// Dimensions of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub layers: usize,
    pub heads: usize,
    /// Features of the residual stream.
    pub width: usize,
    /// Features of a head.
    pub head_dim: usize,
    /// Positions.
    pub block_size: usize,
    /// Symbols of the vocabulary.
    pub vocab: usize,
}

impl Shape {
    /// Features of the MLP's hidden layer, before any are left out.
    pub fn inner(&self) -> usize {
        4 * self.width
    }
}
