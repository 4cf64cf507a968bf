//! A model on a device, ready for one of the kernels.

use super::driver::{Driver, Kernel, Memory, Stream};
use super::layout::{Header, LINES, Laid};
use crate::network::ExactModel;
use crate::{Error, Result};

/// As the kernels' `Model`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(super) struct ModelArgument {
    bytes: u64,
    header: Header,
}

/// A model's bytes on a device, and a kernel with as much shared memory as it needs.
pub(super) struct Placed {
    pub kernel: Kernel,
    pub header: Header,
    /// Warps of a block.
    pub warps: usize,
    /// Bytes of what a tile remembers of all positions.
    pub cache_bytes: usize,
    bytes: Memory,
}

impl Placed {
    /// Puts a model on a device, for the kernel of this kind with at most so many warps a block.
    ///
    /// # Errors
    /// [`Error::Device`] if it does not fit, [`Error::Model`] if there is no kernel for its shape.
    pub fn new(
        driver: &Driver,
        stream: &Stream,
        model: &ExactModel,
        kind: &str,
        most_warps: usize,
    ) -> Result<Self> {
        let laid = Laid::new(&model.parameters)?;
        let (header, shape) = (laid.header, &model.parameters.shape);
        let staged = match shape.width <= 48 {
            true => header.staged as usize,
            false => 0,
        };
        let room = driver.shared_bytes.saturating_sub(staged) / header.warp_bytes as usize;
        let warps = room.min(most_warps);
        if warps == 0 {
            let name = &driver.name;
            return Err(Error::Device(format!(
                "the model needs more shared memory than {name} has"
            )));
        }
        let shared = staged + warps * header.warp_bytes as usize;
        let bytes = driver.memory(laid.bytes.len())?;
        stream.upload(&bytes, &laid.bytes)?;
        let position = LINES * (2 * shape.width + 8 * shape.heads);
        Ok(Self {
            kernel: driver.kernel(laid.kernel, kind, shared)?,
            header,
            warps,
            cache_bytes: (shape.layers - 1) * shape.block_size * position,
            bytes,
        })
    }

    /// The kernels' first argument.
    pub fn argument(&self) -> ModelArgument {
        ModelArgument {
            bytes: self.bytes.0,
            header: self.header,
        }
    }
}
