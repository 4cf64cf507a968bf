//! Where a model runs: the CPU, or a GPU in a build with the feature `gpu`.

use std::ffi::CString;
use std::sync::{Mutex, PoisonError};

use pyo3::exceptions::{PyRuntimeWarning, PyValueError};
use pyo3::prelude::*;
use surprisal::network::{Device, DeviceChoice};

use crate::errors::from_codec;

/// GPUs that are in use: opening one takes a third of a second.
static OPEN: Mutex<Vec<(DeviceChoice, Device)>> = Mutex::new(Vec::new());

/// The device of a name: "cpu", "cuda" or "cuda:N".
pub fn device_of(py: Python<'_>, name: &str) -> PyResult<Device> {
    let choice = match name.parse() {
        Ok(DeviceChoice::Cpu) => return Ok(Device::CPU),
        Ok(choice @ DeviceChoice::Cuda(_)) => choice,
        _ => {
            return Err(PyValueError::new_err(format!(
                "device must be \"cpu\", \"cuda\" or \"cuda:N\", not {name:?}"
            )));
        }
    };
    py.detach(|| {
        let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
        // One that has failed is opened anew.
        open.retain(|(_, device)| device.failure().is_none());
        if let Some((_, device)) = open.iter().find(|(known, _)| *known == choice) {
            return Ok(device.clone());
        }
        let device = Device::open(choice).map_err(from_codec)?;
        open.push((choice, device.clone()));
        Ok(device)
    })
}

/// As [`device_of`], for what may learn while coding, which only the CPU does.
pub fn device_unless(py: Python<'_>, learns: bool, name: &str) -> PyResult<Device> {
    if learns && name != "cpu" {
        return Err(PyValueError::new_err("learn runs on the CPU: leave device out"));
    }
    device_of(py, name)
}

/// Warns if a GPU failed and the CPU did its work.
pub fn tell_failure(py: Python<'_>, device: &Device) -> PyResult<()> {
    let Some(why) = device.failure() else { return Ok(()) };
    let text = CString::new(format!("the GPU failed, and the CPU did its work: {why}"))?;
    PyErr::warn(py, &py.get_type::<PyRuntimeWarning>(), &text, 1)
}
