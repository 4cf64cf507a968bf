//! The few calls of the CUDA driver that the host needs, with errors that say what failed.
//!
//! The driver's library is loaded at run time, when a device is first asked for.

#![allow(unsafe_code, reason = "the CUDA driver is a library of C")]

use std::ffi::{CString, c_void};
use std::sync::{Mutex, PoisonError};

use bytemuck::{Pod, Zeroable};
use cudarc::driver::{DriverError, result, sys};

use crate::packed_model::PRESETS;
use crate::{Error, Result};

/// The oldest compute capability that the PTX is for.
const LEAST_CAPABILITY: i32 = 8;
/// The kernels of each of [`PRESETS`], packed by zstd. The driver compiles what it loads, so it loads what is needed.
const PTX: [&[u8]; PRESETS.len()] = [
    include_bytes!("../ptx/pico.ptx.zst"),
    include_bytes!("../ptx/tiny.ptx.zst"),
    include_bytes!("../ptx/nano.ptx.zst"),
    include_bytes!("../ptx/micro.ptx.zst"),
    include_bytes!("../ptx/mini.ptx.zst"),
];
/// More than the PTX of a preset has, bytes.
const PTX_LIMIT: usize = 2 << 20;

/// The kernels of a preset as text; none if it has no kernels.
pub fn ptx(preset: &str) -> Option<String> {
    let index = PRESETS.iter().position(|(name, ..)| *name == preset)?;
    let text = zstd::bulk::decompress(PTX[index], PTX_LIMIT).expect("the packed PTX is whole");
    Some(String::from_utf8(text).expect("PTX is text"))
}

/// Says what failed.
fn failed(what: &str) -> impl Fn(DriverError) -> Error + '_ {
    move |error| Error::Device(format!("{what}: {error:?}"))
}

/// Whether the driver's library can be loaded.
fn library_is_there() -> bool {
    #[cfg(feature = "linked")]
    let there = true;
    // SAFETY: loading the driver's library runs nothing but its own initialisers.
    #[cfg(not(feature = "linked"))]
    let there = unsafe { sys::is_culib_present() };
    there
}

/// A device, its context and the kernels.
pub struct Gpu {
    name: String,
    pub(crate) multiprocessors: usize,
    /// Shared memory that a block may have, bytes.
    pub(crate) shared_bytes: usize,
    context: sys::CUcontext,
    /// Of the presets whose kernels were needed so far.
    modules: Mutex<Vec<(&'static str, sys::CUmodule)>>,
}

// SAFETY: contexts and modules are the driver's handles, which any thread may use; a thread makes the context its own
// before it calls anything (`Gpu::enter`).
unsafe impl Send for Gpu {}
// SAFETY: as above.
unsafe impl Sync for Gpu {}

impl Gpu {
    /// Opens the device of a number, from 0.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no driver, no such device, or it is too old.
    pub fn open(ordinal: usize) -> Result<Self> {
        // The driver's library is initialised once, by one thread.
        static OPENING: Mutex<()> = Mutex::new(());
        let _guard = OPENING.lock();
        if !library_is_there() {
            return Err(Error::Device(
                "there is no CUDA driver on this machine: libcuda was not found".into(),
            ));
        }
        result::init().map_err(failed("the CUDA driver does not start"))?;
        let count = result::device::get_count().map_err(failed("cannot count CUDA devices"))?;
        if ordinal >= usize::try_from(count).unwrap_or(0) {
            return Err(Error::Device(format!("there is no CUDA device {ordinal}: the driver has {count}")));
        }
        let open = || -> Result<(Self, i32), DriverError> {
            let device = result::device::get(ordinal as i32)?;
            // SAFETY: the device is one of the driver's.
            let attribute = |which| unsafe { result::device::get_attribute(device, which) };
            use sys::CUdevice_attribute::*;
            let capability = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
            let multiprocessors = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let shared = attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
            let gpu = Self {
                name: result::device::get_name(device)?,
                multiprocessors: multiprocessors as usize,
                shared_bytes: shared as usize,
                // SAFETY: as above.
                context: unsafe { result::primary_ctx::retain(device)? },
                modules: Mutex::default(),
            };
            gpu.enter()?;
            Ok((gpu, capability))
        };
        let (gpu, capability) = open().map_err(failed(&format!("cannot open CUDA device {ordinal}")))?;
        if capability < LEAST_CAPABILITY {
            return Err(Error::Device(format!(
                "CUDA device {ordinal} ({}) is older than compute capability {LEAST_CAPABILITY}.0",
                gpu.name
            )));
        }
        Ok(gpu)
    }

    /// The device's name by its driver.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Makes the context this thread's.
    fn enter(&self) -> Result<(), DriverError> {
        // SAFETY: the primary context is retained for as long as the program runs.
        unsafe { result::ctx::set_current(self.context) }
    }

    /// A stream of work.
    pub(crate) fn stream(&self) -> Result<Stream> {
        let create = || {
            self.enter()?;
            result::stream::create(result::stream::StreamKind::NonBlocking)
        };
        create().map(Stream).map_err(failed("cannot make a CUDA stream"))
    }

    /// A preset's kernel of a kind.
    pub(crate) fn kernel(&self, preset: &'static str, kind: &str) -> Result<Kernel> {
        let name = format!("{preset}_{kind}");
        let name_of = CString::new(name.clone()).expect("names of kernels have no zeros");
        let get = || {
            self.enter()?;
            let module = self.module(preset)?;
            use sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the module is loaded, and the function its own.
            unsafe {
                let function = result::module::get_function(module, name_of)?;
                // All models of a preset share the function, so each allows the most.
                let attribute = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                result::function::set_function_attribute(function, attribute, self.shared_bytes as i32)?;
                Ok(function)
            }
        };
        get().map(Kernel).map_err(failed(&format!("the GPU kernel {name}")))
    }

    /// A preset's kernels, which the first caller loads; the context is this thread's.
    fn module(&self, preset: &'static str) -> Result<sys::CUmodule, DriverError> {
        // A thread that panicked while it held the lock had changed nothing.
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&(_, module)) = modules.iter().find(|(name, _)| *name == preset) {
            return Ok(module);
        }
        let ptx = ptx(preset).expect("every preset with a kernel has its PTX");
        let ptx = CString::new(ptx).expect("PTX has no zeros");
        // SAFETY: the PTX is text that ends in a zero.
        let module = unsafe { result::module::load_data(ptx.as_ptr().cast())? };
        modules.push((preset, module));
        Ok(module)
    }

    /// Memory of the device.
    pub(crate) fn memory(&self, bytes: usize) -> Result<Memory> {
        // SAFETY: the memory is written before a kernel reads it (`Memory`).
        let pointer = unsafe { result::malloc_sync(bytes.max(16)) };
        let pointer = pointer.map_err(failed(&format!("cannot take {bytes} bytes of the GPU's memory")))?;
        Ok(Memory(pointer))
    }

    /// Pinned memory of the host: zeros.
    pub(crate) fn pinned<T: Zeroable>(&self, len: usize) -> Result<Pinned<T>> {
        let bytes = (len * size_of::<T>()).max(16);
        // SAFETY: the memory is filled with zeros, which are a value of `T`, before it is read.
        let pointer = unsafe {
            result::malloc_host(bytes, sys::CU_MEMHOSTALLOC_PORTABLE)
                .inspect(|&pointer| pointer.cast::<u8>().write_bytes(0, bytes))
        };
        let pointer = pointer.map_err(failed(&format!("cannot pin {bytes} bytes of memory")))?;
        Ok(Pinned { pointer: pointer.cast(), len })
    }
}

/// A kernel.
pub(crate) struct Kernel(sys::CUfunction);

/// How a kernel is launched: blocks, threads of each, and bytes of shared memory of each.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Grid {
    pub blocks: usize,
    pub threads: usize,
    pub shared_bytes: usize,
}

/// Memory of the device.
pub(crate) struct Memory(pub sys::CUdeviceptr);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: the memory is ours, and its stream was waited for before.
        let _ = unsafe { result::free_sync(self.0) };
    }
}

/// Pinned memory of the host, which the device copies from and to by itself.
pub(crate) struct Pinned<T> {
    pointer: *mut T,
    len: usize,
}

impl<T> std::ops::Deref for Pinned<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: it is ours, of this length, and holds values.
        unsafe { std::slice::from_raw_parts(self.pointer, self.len) }
    }
}

impl<T> std::ops::DerefMut for Pinned<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.pointer, self.len) }
    }
}

impl<T> Drop for Pinned<T> {
    fn drop(&mut self) {
        // SAFETY: as for `Memory`.
        let _ = unsafe { result::free_host(self.pointer.cast()) };
    }
}

/// Work that the device does in order. Dropping it waits.
pub(crate) struct Stream(sys::CUstream);

impl Stream {
    /// Copies to the device and waits.
    pub fn upload(&self, to: &Memory, from: &[u8]) -> Result<()> {
        // SAFETY: the caller made `to` of this length, and the copy has ended before `from` can change.
        let copied = unsafe { self.copy_in(to, from) };
        copied.and(self.wait())
    }

    /// Queues a copy to the device.
    ///
    /// # Safety
    /// There is room, and both stay as they are until the stream was waited for.
    pub unsafe fn copy_in<T: Pod>(&self, to: &Memory, from: &[T]) -> Result<()> {
        // SAFETY: as promised by the caller.
        let copied = unsafe { result::memcpy_htod_async(to.0, from, self.0) };
        copied.map_err(failed("cannot copy to the GPU"))
    }

    /// Queues a copy from an address of the device's memory.
    ///
    /// # Safety
    /// As [`Stream::copy_in`].
    pub unsafe fn copy_out<T: Pod>(&self, to: &mut [T], from: sys::CUdeviceptr) -> Result<()> {
        // SAFETY: as promised by the caller.
        let copied = unsafe { result::memcpy_dtoh_async(to, from, self.0) };
        copied.map_err(failed("cannot copy from the GPU"))
    }

    /// Queues a kernel with two arguments.
    ///
    /// # Safety
    /// The kernel takes these types. What they point to has the sizes that it expects and is left alone until the
    /// stream was waited for.
    pub unsafe fn launch<A: Copy, B: Copy>(
        &self,
        kernel: &Kernel,
        Grid { blocks, threads, shared_bytes }: Grid,
        (mut first, mut second): (A, B),
    ) -> Result<()> {
        let mut arguments = [(&raw mut first).cast::<c_void>(), (&raw mut second).cast::<c_void>()];
        let (grid, block) = ((blocks as u32, 1, 1), (threads as u32, 1, 1));
        let shared = shared_bytes as u32;
        // SAFETY: as promised by the caller; the driver copies the arguments themselves at once.
        let launched =
            unsafe { result::launch_kernel(kernel.0, grid, block, shared, self.0, &mut arguments) };
        launched.map_err(failed("the GPU does not run"))
    }

    /// Waits until all of it is done.
    pub fn wait(&self) -> Result<()> {
        // SAFETY: the stream is ours.
        let waited = unsafe { result::stream::synchronize(self.0) };
        waited.map_err(failed("the GPU failed"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // An error was returned before, or nothing waits for this work.
        let _ = self.wait();
        // SAFETY: the stream is ours, and nothing runs on it any more.
        let _ = unsafe { result::stream::destroy(self.0) };
    }
}
