//! The exact network on a GPU: the same integers as the scalar definition, bit for bit.
//!
//! `kernels.cu` has the kernels and `kernels.ptx` what `build.sh` makes of them; `layout` lays a model out for
//! them, `driver` talks to the CUDA driver, which it loads at run time, and `known` runs known lines. The tests
//! compile `kernels.cu` for the CPU and compare it with the definition, so the arithmetic and the layout are
//! proved without a device (`docs/gpu.md`).

mod driver;
mod known;
mod layout;
#[cfg(test)]
mod tests;

pub(crate) use known::KnownLines;

use super::ExactModel;
use crate::{Error, Result};
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

/// Where the exact network is to run. The bytes do not depend on it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceChoice {
    /// The first CUDA device, if there is one that serves, otherwise the CPU.
    #[default]
    Auto,
    /// The CPU.
    Cpu,
    /// The CUDA device of this number, from 0.
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        let number = |text: &str| text.parse().ok();
        let choice = match name {
            "auto" => Some(Self::Auto),
            "cpu" => Some(Self::Cpu),
            "cuda" => Some(Self::Cuda(0)),
            _ => name.strip_prefix("cuda:").and_then(number).map(Self::Cuda),
        };
        choice
            .ok_or_else(|| Error::invalid(format!("unknown device '{name}': use auto, cpu, cuda or cuda:N")))
    }
}

/// Where the exact network runs.
#[derive(Clone, Default)]
pub struct Device(Option<Arc<Cuda>>);

struct Cuda {
    driver: driver::Driver,
    failure: OnceLock<String>,
}

impl Device {
    /// The CPU.
    pub const CPU: Self = Self(None);

    /// Opens the device of a choice; [`DeviceChoice::Auto`] takes the CPU where there is no other.
    ///
    /// # Errors
    /// [`Error::Device`] if a CUDA device was asked for and is not there or does not serve.
    pub fn open(choice: DeviceChoice) -> Result<Self> {
        let cuda = |ordinal| {
            driver::Driver::open(ordinal).map(|driver| {
                Self(Some(Arc::new(Cuda {
                    driver,
                    failure: OnceLock::new(),
                })))
            })
        };
        match choice {
            DeviceChoice::Cpu => Ok(Self::CPU),
            DeviceChoice::Cuda(ordinal) => cuda(ordinal),
            DeviceChoice::Auto => Ok(cuda(0).unwrap_or_default()),
        }
    }

    /// Why it failed, if it did: what it was to do was then done on the CPU.
    pub fn failure(&self) -> Option<&str> {
        self.0.as_ref()?.failure.get().map(String::as_str)
    }

    pub(crate) fn failed(&self, error: &Error) {
        if let Some(cuda) = &self.0 {
            // The first failure tells most.
            let _ = cuda.failure.set(error.to_string());
        }
    }

    /// A model on this device, for known lines; none on the CPU.
    ///
    /// # Errors
    /// [`Error::Device`] if it does not fit, [`Error::Model`] if there is no kernel for its shape.
    pub(crate) fn known_lines(&self, model: &ExactModel) -> Result<Option<KnownLines>> {
        let cuda = self.0.as_ref();
        cuda.map(|cuda| KnownLines::new(&cuda.driver, model)).transpose()
    }
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            None => f.write_str("CPU"),
            Some(cuda) => write!(f, "CUDA ({})", cuda.driver.name),
        }
    }
}

impl std::fmt::Debug for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Device({self})")
    }
}
