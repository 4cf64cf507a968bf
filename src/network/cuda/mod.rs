//! The exact network on a GPU: the same integers as the scalar definition, bit for bit.
//!
//! `kernels.cu` has the kernels and `ptx/` what `build.sh` makes of them; `layout` lays a model out for them,
//! `driver` talks to the CUDA driver, which it loads at run time. `known` runs lines that are known, to code
//! them; `steps` runs many groups of lines position by position, to decode them. The tests compile the kernels
//! for the CPU and compare them with the definition, so the arithmetic and the layout are proved without a
//! device (`docs/gpu.md`).

mod choice;
mod driver;
mod known;
mod layout;
mod placed;
#[cfg(test)]
mod speed;
mod steps;
#[cfg(test)]
mod tests;

pub use choice::DeviceChoice;
pub(crate) use known::KnownLines;
pub(crate) use steps::Steps;

use super::ExactModel;
use crate::{Error, Result};
use std::sync::{Arc, OnceLock};

/// Where the exact network runs.
#[derive(Clone, Default)]
pub struct Device {
    cuda: Option<Arc<Cuda>>,
    /// Why it is the CPU although a GPU would have been taken.
    why: Option<Arc<str>>,
}

struct Cuda {
    driver: driver::Driver,
    failure: OnceLock<String>,
}

impl Device {
    /// The CPU.
    pub const CPU: Self = Self {
        cuda: None,
        why: None,
    };

    /// Opens the device of a choice; [`DeviceChoice::Auto`] takes the CPU where there is no other.
    ///
    /// # Errors
    /// [`Error::Device`] if a CUDA device was asked for and is not there or does not serve.
    pub fn open(choice: DeviceChoice) -> Result<Self> {
        let cuda = |ordinal| -> Result<Self> {
            Ok(Self {
                cuda: Some(Arc::new(Cuda {
                    driver: driver::Driver::open(ordinal)?,
                    failure: OnceLock::new(),
                })),
                why: None,
            })
        };
        match choice {
            DeviceChoice::Cpu => Ok(Self::CPU),
            DeviceChoice::Cuda(ordinal) => {
                cuda(ordinal).map_err(|error| Error::Device(format!("{error}: use --device cpu or auto")))
            }
            DeviceChoice::Auto => Ok(cuda(0).unwrap_or_else(|error| Self {
                cuda: None,
                why: Some(error.to_string().into()),
            })),
        }
    }

    /// Whether it is the CPU.
    pub fn is_cpu(&self) -> bool {
        self.cuda.is_none()
    }

    /// Why it failed, if it did: what it was to do was then done on the CPU.
    pub fn failure(&self) -> Option<&str> {
        self.cuda.as_ref()?.failure.get().map(String::as_str)
    }

    pub(crate) fn failed(&self, error: &Error) {
        if let Some(cuda) = &self.cuda {
            // The first failure tells most.
            let _ = cuda.failure.set(error.to_string());
        }
    }

    /// A model on this device, for known lines; none on the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] if it does not fit, [`Error::Model`] if there is no kernel for its shape.
    pub(crate) fn known_lines(&self, model: &ExactModel) -> Result<Option<KnownLines>> {
        let cuda = self.cuda.as_ref();
        cuda.map(|cuda| KnownLines::new(&cuda.driver, model)).transpose()
    }

    /// A model on this device, for so many groups of lines that are decoded; none on the CPU.
    ///
    /// # Errors
    /// As [`Device::known_lines`].
    pub(crate) fn steps(&self, model: &ExactModel, groups: usize, lines: usize) -> Result<Option<Steps>> {
        let cuda = self.cuda.as_ref();
        cuda.map(|cuda| Steps::new(&cuda.driver, model, groups, lines))
            .transpose()
    }
}

/// As `-v` tells it.
impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (&self.cuda, &self.why) {
            (Some(cuda), _) => write!(f, "CUDA ({})", cuda.driver.name),
            (None, Some(why)) => write!(f, "CPU ({why})"),
            (None, None) => f.write_str("CPU"),
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({self})")
    }
}
