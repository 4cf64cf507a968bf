//! Where a run computes.

use candle_core::Device;
use candle_core::utils::cuda_is_available;

use crate::network::DeviceChoice;
use crate::{Error, Result};

/// Opens the device of a choice.
///
/// # Errors
/// [`Error::Training`] if that is CUDA and this build or machine has none.
pub(super) fn open(choice: DeviceChoice) -> Result<Device> {
    let cuda = |ordinal| {
        Device::new_cuda(ordinal).map_err(|e| Error::Training(format!("the CUDA device {ordinal}: {e}")))
    };
    match (choice, cuda_is_available()) {
        (DeviceChoice::Cpu | DeviceChoice::Auto, _) => Ok(Device::Cpu),
        (DeviceChoice::Cuda(ordinal), true) => cuda(ordinal),
        (DeviceChoice::Cuda(_), false) => Err(Error::Training(
            "this build of the program has no CUDA: train on the CPU, or build it with --features cuda (docs/gpu.md)"
                .into(),
        )),
    }
}
