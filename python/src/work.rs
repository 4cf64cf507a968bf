//! Long work beside Python: the GIL is released, other Python threads run, and Ctrl-C ends it.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use pyo3::prelude::*;

use crate::errors::SurprisalError;

/// How often it is asked whether a signal came.
const PATIENCE: Duration = Duration::from_millis(50);

/// Whether nobody waits for the work any more.
#[derive(Clone, Default)]
pub struct Cancelled(Arc<AtomicBool>);

impl Cancelled {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Ends the work that calls it, if nobody waits any more, from within a function that can give no error.
    pub fn check(&self) {
        if self.is_set() {
            // A panic that says nothing: `run` catches it.
            resume_unwind(Box::new("cancelled"));
        }
    }
}

/// Does something on a thread of its own and waits for it. A signal whose handler raises, as that of Ctrl-C does, ends the wait
/// at once; the work is told by [`Cancelled`], and what it still gives is dropped.
pub fn run<T: Send + 'static>(
    py: Python<'_>,
    work: impl FnOnce(&Cancelled) -> PyResult<T> + Send + 'static,
) -> PyResult<T> {
    run_cancelled_by(py, Cancelled::default(), work)
}

fn run_cancelled_by<T: Send + 'static>(
    py: Python<'_>,
    cancelled: Cancelled,
    work: impl FnOnce(&Cancelled) -> PyResult<T> + Send + 'static,
) -> PyResult<T> {
    let (send, mut receive) = sync_channel(1);
    let seen = cancelled.clone();
    std::thread::spawn(move || {
        let result = catch_unwind(AssertUnwindSafe(|| work(&seen)));
        // Nobody waits if it was cancelled.
        let _ = send.send(result);
    });
    loop {
        let (received, back) = py.detach(move || (receive.recv_timeout(PATIENCE), receive));
        receive = back;
        match received {
            Ok(Ok(result)) => return result,
            // PyO3 makes an exception of it.
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvTimeoutError::Timeout) => py.check_signals().inspect_err(|_| {
                cancelled.0.store(true, Ordering::Relaxed);
            })?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(SurprisalError::new_err("a thread of the codec ended without a result"));
            }
        }
    }
}

/// The state of an object whose methods are long work; one of them runs at a time.
pub struct Shared<T> {
    state: Arc<Mutex<Option<T>>>,
    cancelled: Cancelled,
}

impl<T: Send + 'static> Shared<T> {
    /// Shares a state, which is told here how it will know that its work was cancelled.
    pub fn new(state: impl FnOnce(&Cancelled) -> T) -> Self {
        let cancelled = Cancelled::default();
        Self { state: Arc::new(Mutex::new(Some(state(&cancelled)))), cancelled }
    }

    /// Does something with the state. Where that is cancelled, or panics, nobody knows how far it came: the state is given up,
    /// and what is asked later fails.
    pub fn work<U: Send + 'static>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&mut T, &Cancelled) -> PyResult<U> + Send + 'static,
    ) -> PyResult<U> {
        let shared = Arc::clone(&self.state);
        run_cancelled_by(py, self.cancelled.clone(), move |cancelled| {
            let mut guard = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let mut state = guard
                .take()
                .ok_or_else(|| SurprisalError::new_err("an earlier call was interrupted: begin anew"))?;
            let result = work(&mut state, cancelled);
            if !cancelled.is_set() {
                *guard = Some(state);
            }
            result
        })
    }

    /// Gives the state up, and what it holds, such as the lock of a file.
    pub fn close(&self, py: Python<'_>) {
        py.detach(|| drop(self.state.lock().unwrap_or_else(PoisonError::into_inner).take()));
    }

    /// Looks at the state; none if it was given up.
    pub fn look<U: Send>(&self, py: Python<'_>, look: impl FnOnce(&mut T) -> U + Send) -> Option<U> {
        py.detach(|| self.state.lock().unwrap_or_else(PoisonError::into_inner).as_mut().map(look))
    }
}
