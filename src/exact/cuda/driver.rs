//! The few calls of the CUDA driver that the host needs, with errors that say what failed.
//!
//! The driver's library is loaded at run time, when a device is first asked for.

use std::ffi::{CString, c_void};
use std::sync::Mutex;

use cudarc::driver::{DriverError, result, sys};

use crate::{Error, Result};

/// The oldest compute capability that the PTX is for.
const LEAST_CAPABILITY: i32 = 8;
const PTX: &str = concat!(include_str!("kernels.ptx"), "\0");

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
    module: sys::CUmodule,
}

// SAFETY: contexts and modules are the driver's handles, which any thread may use; a thread makes the context its own
// before it calls anything (`Driver::enter`).
unsafe impl Send for Driver {}
// SAFETY: as above.
unsafe impl Sync for Driver {}

impl Driver {
    /// Opens a device and loads the kernels into it.
    ///
    /// # Errors
    /// [`Error::Device`] if there is no driver, no such device, or it is too old.
    pub fn open(ordinal: usize) -> Result<Self> {
        // The driver's library is initialised once, by one thread.
        static OPENING: Mutex<()> = Mutex::new(());
        let _one = OPENING.lock();
        if !library_is_there() {
            return Err(Error::Device(
                "there is no CUDA driver on this machine (libcuda was not found): use --device cpu".into(),
            ));
        }
        result::init().map_err(failed("the CUDA driver does not start"))?;
        let count = result::device::get_count().map_err(failed("cannot count CUDA devices"))?;
        if ordinal >= usize::try_from(count).unwrap_or(0) {
            return Err(Error::Device(format!(
                "there is no CUDA device {ordinal} (the driver has {count}): use another number or --device cpu"
            )));
        }
        let open = || -> Result<Self, DriverError> {
            let device = result::device::get(ordinal as i32)?;
            // SAFETY: the device is one of the driver's.
            let attribute = |which| unsafe { result::device::get_attribute(device, which) };
            use sys::CUdevice_attribute::*;
            let capability = attribute(CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
            let multiprocessors = attribute(CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
            let shared = attribute(CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
            // SAFETY: as above.
            let context = unsafe { result::primary_ctx::retain(device)? };
            let mut driver = Self {
                name: result::device::get_name(device)?,
                multiprocessors: multiprocessors as usize,
                shared_bytes: shared as usize,
                context,
                module: std::ptr::null_mut(),
            };
            driver.enter()?;
            if capability >= LEAST_CAPABILITY {
                // SAFETY: the PTX is text that ends in a zero.
                driver.module = unsafe { result::module::load_data(PTX.as_ptr().cast())? };
            }
            Ok(driver)
        };
        let driver = open().map_err(failed(&format!("cannot open CUDA device {ordinal}")))?;
        if driver.module.is_null() {
            return Err(Error::Device(format!(
                "CUDA device {ordinal} ({}) is older than compute capability 8.0: use --device cpu",
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

    /// A kernel that takes so much shared memory.
    pub fn kernel(&self, name: &str, shared_bytes: usize) -> Result<Kernel> {
        let name_of = CString::new(name).expect("names of kernels have no zeros");
        let get = || {
            self.enter()?;
            use sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
            // SAFETY: the module is loaded, and the function its own.
            unsafe {
                let function = result::module::get_function(self.module, name_of.clone())?;
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
        // SAFETY: the memory is filled with zeros, which are a value of `T`, before anybody sees it.
        let pointer = unsafe {
            result::malloc_host(bytes, 0).inspect(|&pointer| pointer.cast::<u8>().write_bytes(0, bytes))
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

/// Work that the device does in order. [`Stream::run`] does all of it at once: what it uses cannot go away before.
pub(super) struct Stream(sys::CUstream);

impl Stream {
    /// Copies to the device and waits.
    pub fn upload(&self, to: &Memory, from: &[u8]) -> Result<()> {
        // SAFETY: `to` has room, as its owner knows, and the copy has ended before `from` can change.
        let copied = unsafe {
            result::memcpy_htod_async(to.0, from, self.0).and_then(|()| result::stream::synchronize(self.0))
        };
        copied.map_err(failed("cannot copy to the GPU"))
    }

    /// Copies in, runs a kernel of `blocks` × `threads` with two arguments, copies out, and waits.
    ///
    /// # Safety
    /// The kernel takes these types, and what they point to has the sizes that it expects.
    pub unsafe fn run<A, B, T, U>(
        &self,
        (kernel, blocks, threads): (&Kernel, usize, usize),
        (mut first, mut second): (A, B),
        inputs: &[(&Memory, &[T])],
        (from, output): (&Memory, &mut [U]),
    ) -> Result<()> {
        let mut arguments = [
            (&raw mut first).cast::<c_void>(),
            (&raw mut second).cast::<c_void>(),
        ];
        let mut run = || {
            // SAFETY: as promised by the caller; nothing goes away before the stream has been waited for.
            unsafe {
                for (to, input) in inputs {
                    result::memcpy_htod_async(to.0, input, self.0)?;
                }
                let (grid, block) = ((blocks as u32, 1, 1), (threads as u32, 1, 1));
                let shared = kernel.shared_bytes as u32;
                result::launch_kernel(kernel.function, grid, block, shared, self.0, &mut arguments)?;
                result::memcpy_dtoh_async(output, from.0, self.0)
            }
        };
        let done = run();
        // SAFETY: the stream is ours. It is waited for whatever happened, so that the buffers are at rest.
        let waited = unsafe { result::stream::synchronize(self.0) };
        done.and(waited).map_err(failed("the GPU failed"))
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // SAFETY: the stream is ours, and nothing runs on it between two calls.
        let _ = unsafe { result::stream::destroy(self.0) };
    }
}
