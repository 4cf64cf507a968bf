//! Where the exact network runs: the CPU, or a GPU by the crate `surprisal-cuda` (feature `gpu`).

mod choice;
#[cfg(not(feature = "gpu"))]
mod no_gpu;
#[cfg(feature = "gpu")]
mod parameters;
#[cfg(all(test, feature = "gpu"))]
pub(super) mod tests;

use std::fmt;
use std::sync::{Arc, OnceLock};

pub use choice::DeviceChoice;
#[cfg(not(feature = "gpu"))]
use no_gpu as surprisal_cuda;
pub(crate) use surprisal_cuda::{CodedLines, KnownLines, TILE_LINES};

use super::ExactModel;
use crate::{Error, Result};

/// Where the exact network runs.
#[derive(Clone, Default)]
pub struct Device {
    gpu: Option<Arc<Gpu>>,
}

struct Gpu {
    device: surprisal_cuda::Gpu,
    failure: OnceLock<String>,
}

impl Device {
    /// The CPU.
    pub const CPU: Self = Self { gpu: None };

    /// Opens the device of a choice. [`DeviceChoice::Auto`] is the CPU: where a GPU is faster depends on how much there is to
    /// code, which only the caller knows (docs/gpu.md).
    ///
    /// # Errors
    /// [`Error::Device`] if a CUDA device was asked for and is not there or does not serve.
    pub fn open(choice: DeviceChoice) -> Result<Self> {
        let DeviceChoice::Cuda(ordinal) = choice else {
            return Ok(Self::CPU);
        };
        let device = surprisal_cuda::Gpu::open(ordinal)
            .map_err(|error| Error::Device(format!("{error}: use --device cpu")))?;
        Ok(Self { gpu: Some(Arc::new(Gpu { device, failure: OnceLock::new() })) })
    }

    /// Whether it is the CPU.
    pub fn is_cpu(&self) -> bool {
        self.gpu.is_none()
    }

    /// Why it failed, if it did: the CPU then did its work.
    pub fn failure(&self) -> Option<&str> {
        self.gpu.as_ref()?.failure.get().map(String::as_str)
    }

    /// Notes a failure. The first tells most, so later ones are dropped.
    pub(crate) fn failed(&self, error: &impl fmt::Display) {
        if let Some(gpu) = &self.gpu {
            let _ = gpu.failure.set(error.to_string());
        }
    }

    /// What `make` makes of a model on this device; none if it is the CPU, has failed, or `make` fails, which is noted.
    pub(crate) fn place<T>(
        &self,
        model: &ExactModel,
        make: impl FnOnce(&surprisal_cuda::Gpu, &surprisal_cuda::Network) -> Result<T>,
    ) -> Option<T> {
        let gpu = self.gpu.as_ref().filter(|gpu| gpu.failure.get().is_none())?;
        let made = make(&gpu.device, &model.parameters.network());
        made.inspect_err(|error| self.failed(error)).ok()
    }
}

impl From<surprisal_cuda::Error> for Error {
    fn from(error: surprisal_cuda::Error) -> Self {
        match error {
            surprisal_cuda::Error::Device(what) => Self::Device(what),
            surprisal_cuda::Error::Network(what) => Self::model(what),
        }
    }
}

/// As `-v` tells it.
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.gpu {
            Some(gpu) => write!(f, "CUDA ({})", gpu.device.name()),
            None => f.write_str("CPU"),
        }
    }
}

impl fmt::Debug for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Device({self})")
    }
}
