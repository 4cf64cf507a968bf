//! A network in a GPU's memory, ready for one of its kernels.

use crate::gpu::{Gpu, Grid, Kernel, Memory, Stream};
use crate::packed_model::{Header, PackedModel};
use crate::{Error, Network, Result, TILE_LINES};

/// Up to this width the weights go to shared memory; those of wider networks come through the cache.
const STAGED_WIDTH: usize = 48;

/// As the kernels' `Model`.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct ModelArgument {
    bytes: u64,
    header: Header,
}

/// The most warps of a block: as many as the kernels are compiled for, which is those for which there are registers.
fn most_warps(width: usize) -> usize {
    match width {
        ..=32 => 24,
        33..=STAGED_WIDTH => 16,
        _ => 8,
    }
}

/// A network's bytes in a GPU's memory, and a kernel.
pub(crate) struct DeviceModel {
    pub kernel: Kernel,
    header: Header,
    /// The most warps of a block, each of which takes a tile.
    pub most_warps: usize,
    /// Shared memory of a block beside that of its warps, bytes.
    staged: usize,
    /// Bytes of what the layers remember of a tile: the first one a word for each position and line, the others keys and
    /// values.
    pub memory_bytes: usize,
    bytes: Memory,
}

impl DeviceModel {
    /// Uploads a network, for the kernel `kind`, which needs so many warps of a block.
    ///
    /// # Errors
    /// [`Error::Device`] if it does not fit, [`Error::Network`] if there is no kernel for its shape.
    pub fn new(
        gpu: &Gpu,
        stream: &Stream,
        network: &Network,
        kind: &str,
        least_warps: usize,
    ) -> Result<Self> {
        let packed = PackedModel::new(network)?;
        let (header, shape) = (packed.header, &network.shape);
        let staged = if shape.width <= STAGED_WIDTH { header.staged as usize } else { 0 };
        let room = gpu.shared_bytes.saturating_sub(staged) / header.warp_bytes as usize;
        let most_warps = room.min(most_warps(shape.width));
        if most_warps < least_warps {
            let name = gpu.name();
            return Err(Error::Device(format!("the model needs more shared memory than {name} has")));
        }
        let bytes = gpu.memory(packed.bytes.len())?;
        stream.upload(&bytes, &packed.bytes)?;
        // Values are read four positions at a time.
        let positions = shape.block_size.next_multiple_of(4);
        let cached_bytes = (shape.layers - 1) * (2 * shape.width + 8 * shape.heads);
        Ok(Self {
            kernel: gpu.kernel(packed.preset, kind)?,
            header,
            most_warps,
            staged,
            memory_bytes: positions * TILE_LINES * (4 + cached_bytes),
            bytes,
        })
    }

    /// So many blocks of so many warps.
    pub fn grid(&self, blocks: usize, warps: usize) -> Grid {
        let shared_bytes = self.staged + warps * self.header.warp_bytes as usize;
        Grid { blocks, threads: 32 * warps, shared_bytes }
    }

    /// Positions of a line.
    pub fn block_size(&self) -> usize {
        self.header.block as usize
    }

    /// The kernels' first argument.
    pub fn argument(&self) -> ModelArgument {
        ModelArgument { bytes: self.bytes.0, header: self.header }
    }
}

#[cfg(test)]
mod tests {
    use super::most_warps;
    use crate::packed_model::PRESETS;
    use crate::ptx;

    /// A driver does not launch a kernel with more threads than it was compiled for.
    #[test]
    fn kernels_take_as_many_threads_as_they_are_launched_with() {
        for ((preset, width, _), kind) in
            PRESETS.iter().flat_map(|preset| [(preset, "known"), (preset, "decode")])
        {
            let text = ptx(preset).expect("each preset has its PTX");
            let (_, kernel) = text.split_once(&format!(".entry {preset}_{kind}(")).expect("its kernel");
            let (_, bound) = kernel.split_once(".maxntid ").expect("its launch bounds");
            let threads: usize = bound.split([',', '\n']).next().unwrap().trim().parse().unwrap();
            assert_eq!(threads, 32 * most_warps(*width), "{preset}_{kind}");
        }
    }
}
