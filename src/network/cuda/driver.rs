//! The few calls of the CUDA driver that the host needs, with errors that say what failed.
//!
//! The driver's library is loaded at run time, when a device is first asked for.

use std::ffi::{CString, c_void};
use std::sync::{Mutex, PoisonError};

use cudarc::driver::{DriverError, result, sys};

use crate::{Error, Result};

/// The oldest compute capability that the PTX is for.
const LEAST_CAPABILITY: i32 = 8;
/// The kernels of each preset. The driver compiles what it loads, so it loads what is needed.
pub(super) const PTX: [(&str, &str); 5] = [
    ("pico", concat!(include_str!("ptx/pico.ptx"), "\0")),
    ("tiny", concat!(include_str!("ptx/tiny.ptx"), "\0")),
    ("nano", concat!(include_str!("ptx/nano.ptx"), "\0")),
    ("micro", concat!(include_str!("ptx/micro.ptx"), "\0")),
    ("mini", concat!(include_str!("ptx/mini.ptx"), "\0")),
];

/// Says what failed.
fn failed(what: &str) -> impl Fn(DriverError) -> Error + '_ {
    move |error| Error::Device(format!("{what}: {error:?}"))
}

/// Whether the driver's library can be loaded. With candle's CUDA the program is linked against it instead.
fn library_is_there() -> bool {
    #[cfg(feature = "cuda")]
    let there = true;
    // SAFETY: loading the driver's library runs nothing but its own initialisers.
    #[cfg(not(feature = "cuda"))]
    let there = unsafe { sys::is_culib_present() };
    there
}

/// A device, its context and the kernels.
pub(super) struct Driver {
    pub name: String,
    pub multiprocessors: usize,
    /// Shared memory that a block may have, bytes.
    pub shared_bytes: usize,
    context: sys::CUcontext,
    /// Of the presets whose kernels were needed so far.
    modules: Mutex<Vec<(&'static str, sys::CUmodule)>>,
}

// SAFETY: contexts and modules are the driver's handles, which any thread may use; a thread makes the context its own
// before it calls anything (`Driver::enter`).
unsafe impl Send for Driver {}
// SAFETY: as above.
unsafe impl Sync for Driver {}

impl Driver {
    /// Opens a device.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no driver, no such device, or it is too old.
    pub fn open(ordinal: usize) -> Result<Self> {
        // The driver's library is initialised once, by one thread.
        static OPENING: Mutex<()> = Mutex::new(());
        let _one = OPENING.lock();
        if !library_is_there() {
            return Err(Error::Device(
                "there is no CUDA driver on this machine: libcuda was not found".into(),
            ));
        }
        result::init().map_err(failed("the CUDA driver does not start"))?;
        let count = result::device::get_count().map_err(failed("cannot count CUDA devices"))?;
        if ordinal >= usize::try_from(count).unwrap_or(0) {
            return Err(Error::Device(format!(
                "there is no CUDA device {ordinal}: the driver has {count}"
            )));
        }
        let open = || -> Result<(Self, i32), DriverError> {
            let device = result::device::get(ordinal as i32)?;
            // SAFETY: the device is one of the driver's.
            let attribute = |which| unsafe { result::device::get_attribute(device, which) };
            use sys::CUdevice_attribute::*;
            let capability = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
            let multiprocessors = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let shared = attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
            let driver = Self {
                name: result::device::get_name(device)?,
                multiprocessors: multiprocessors as usize,
                shared_bytes: shared as usize,
                // SAFETY: as above.
                context: unsafe { result::primary_ctx::retain(device)? },
                modules: Mutex::default(),
            };
            driver.enter()?;
            Ok((driver, capability))
        };
        let (driver, capability) = open().map_err(failed(&format!("cannot open CUDA device {ordinal}")))?;
        if capability < LEAST_CAPABILITY {
            return Err(Error::Device(format!(
                "CUDA device {ordinal} ({}) is older than compute capability {LEAST_CAPABILITY}.0",
                driver.name
            )));
        }
        Ok(driver)
    }

    /// Makes the context this thread's.
    fn enter(&self) -> Result<(), DriverError> {
        // SAFETY: the primary context is retained for as long as the program runs.
        unsafe { result::ctx::set_current(self.context) }
    }

    /// A stream of work.
    pub fn stream(&self) -> Result<Stream> {
        let create = || {
            self.enter()?;
            result::stream::create(result::stream::StreamKind::NonBlocking)
        };
        create().map(Stream).map_err(failed("cannot make a CUDA stream"))
    }

    /// A preset's kernel of a kind, which takes so much shared memory.
    pub fn kernel(&self, preset: &'static str, kind: &str, shared_bytes: usize) -> Result<Kernel> {
        let name = format!("{preset}_{kind}");
        let name_of = CString::new(name.clone()).expect("names of kernels have no zeros");
        let get = || {
            self.enter()?;
            let module = self.module(preset)?;
            use sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the module is loaded, and the function its own.
            unsafe {
                let function = result::module::get_function(module, name_of)?;
                let attribute = CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                result::function::set_function_attribute(function, attribute, shared_bytes as i32)?;
                Ok(function)
            }
        };
        let function = get().map_err(failed(&format!("the GPU kernel {name}")))?;
        Ok(Kernel {
            function,
            shared_bytes,
        })
    }

    /// A preset's kernels, loaded by whoever needs them first; the context is this thread's.
    fn module(&self, preset: &'static str) -> Result<sys::CUmodule, DriverError> {
        // Who panicked with it had changed nothing.
        let mut modules = self.modules.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&(_, module)) = modules.iter().find(|(name, _)| *name == preset) {
            return Ok(module);
        }
        let ptx = PTX.iter().find(|(name, _)| *name == preset);
        let (_, ptx) = ptx.expect("every preset with a kernel has its PTX");
        // SAFETY: the PTX is text that ends in a zero.
        let module = unsafe { result::module::load_data(ptx.as_ptr().cast())? };
        modules.push((preset, module));
        Ok(module)
    }

    /// Memory of the device, of so many bytes.
    pub fn memory(&self, bytes: usize) -> Result<Memory> {
        // SAFETY: the memory is written before a kernel reads it (`Memory`).
        let pointer = unsafe { result::malloc_sync(bytes.max(16)) };
        let pointer = pointer.map_err(failed(&format!("cannot take {bytes} bytes of the GPU's memory")))?;
        Ok(Memory(pointer))
    }

    /// Pinned memory of the host: zeros.
    pub fn pinned<T: Plain>(&self, len: usize) -> Result<Pinned<T>> {
        let bytes = (len * size_of::<T>()).max(16);
        let flags = sys::CU_MEMHOSTALLOC_PORTABLE | sys::CU_MEMHOSTALLOC_DEVICEMAP;
        // SAFETY: the memory is filled with zeros, which are a value of `T`, before anybody sees it.
        let pointer = unsafe {
            result::malloc_host(bytes, flags).inspect(|&pointer| pointer.cast::<u8>().write_bytes(0, bytes))
        };
        let pointer = pointer.map_err(failed(&format!("cannot pin {bytes} bytes of memory")))?;
        Ok(Pinned {
            pointer: pointer.cast(),
            len,
        })
    }
}

/// A kernel and the shared memory that its blocks take.
pub(super) struct Kernel {
    function: sys::CUfunction,
    shared_bytes: usize,
}

/// Memory of the device.
pub(super) struct Memory(pub sys::CUdeviceptr);

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: it is ours, and who drops it has waited for its stream.
        let _ = unsafe { result::free_sync(self.0) };
    }
}

/// Types of which any bits are a value.
pub(super) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for [u32; 2] {}

/// Pinned memory of the host, which the device copies from and to by itself.
pub(super) struct Pinned<T> {
    pointer: *mut T,
    len: usize,
}

impl<T> Pinned<T> {
    /// Where it is for the device: with unified addressing, which every device of our capability has, where it is
    /// for the host.
    pub fn address(&self) -> u64 {
        self.pointer as u64
    }
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
        // SAFETY: it is ours, and who drops it has waited for its stream.
        let _ = unsafe { result::free_host(self.pointer.cast()) };
    }
}

/// Work that the device does in order. Dropping it waits.
pub(super) struct Stream(sys::CUstream);

impl Stream {
    /// Copies to the device and waits.
    pub fn upload(&self, to: &Memory, from: &[u8]) -> Result<()> {
        // SAFETY: `to` has room, as its owner knows, and the copy has ended before `from` can change.
        let copied = unsafe { self.copy_in(to, from) };
        copied.and(self.wait())
    }

    /// Queues a copy to the device.
    ///
    /// # Safety
    /// There is room, and both stay as they are until the stream was waited for.
    pub unsafe fn copy_in<T: Plain>(&self, to: &Memory, from: &[T]) -> Result<()> {
        // SAFETY: as promised by the caller.
        let copied = unsafe { result::memcpy_htod_async(to.0, from, self.0) };
        copied.map_err(failed("cannot copy to the GPU"))
    }

    /// Queues a copy from the device.
    ///
    /// # Safety
    /// As [`Stream::copy_in`].
    pub unsafe fn copy_out<T: Plain>(&self, to: &mut [T], from: &Memory) -> Result<()> {
        // SAFETY: as promised by the caller.
        let copied = unsafe { result::memcpy_dtoh_async(to, from.0, self.0) };
        copied.map_err(failed("cannot copy from the GPU"))
    }

    /// Queues a kernel of `blocks` × `threads` with two arguments.
    ///
    /// # Safety
    /// The kernel takes these types. What they point to has the sizes that it expects and is left alone until the
    /// stream was waited for.
    pub unsafe fn launch<A: Copy, B: Copy>(
        &self,
        (kernel, blocks, threads): (&Kernel, usize, usize),
        (mut first, mut second): (A, B),
    ) -> Result<()> {
        let mut arguments = [
            (&raw mut first).cast::<c_void>(),
            (&raw mut second).cast::<c_void>(),
        ];
        let (grid, block) = ((blocks as u32, 1, 1), (threads as u32, 1, 1));
        let shared = kernel.shared_bytes as u32;
        // SAFETY: as promised by the caller; the driver copies the arguments themselves at once.
        let launched =
            unsafe { result::launch_kernel(kernel.function, grid, block, shared, self.0, &mut arguments) };
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
        // What fails now was told before, or nobody waits for it.
        let _ = self.wait();
        // SAFETY: the stream is ours, and nothing runs on it any more.
        let _ = unsafe { result::stream::destroy(self.0) };
    }
}
