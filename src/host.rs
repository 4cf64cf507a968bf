//! What a machine may lack, in one place: threads and a clock of the standard library, which WebAssembly in a browser
//! has not. What computes in parallel there computes on the caller's thread.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) use std::time::Instant;

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) use web_time::Instant;

use crate::Result;

/// Whether threads can be started.
pub(crate) const HAS_THREADS: bool = cfg!(not(target_family = "wasm"));

/// Threads of one's own for what rayon runs in parallel; where there are none, the caller's, on which rayon then works.
pub(crate) struct Threads(Option<rayon::ThreadPool>);

impl Threads {
    /// So many.
    ///
    /// # Errors
    /// [`crate::Error::Io`] if they cannot be started.
    pub fn new(threads: usize) -> Result<Self> {
        if !HAS_THREADS {
            return Ok(Self(None));
        }
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        Ok(Self(Some(pool.map_err(std::io::Error::other)?)))
    }

    /// Runs something on them.
    pub fn install<R: Send>(&self, work: impl FnOnce() -> R + Send) -> R {
        match &self.0 {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}
