//! Work on many threads, results in order.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

/// Threads that turn `In` into `Out`, and what they have been given so far, in order. At most two
/// pieces of work a thread are under way, so memory is bounded.
pub(super) struct Pipeline<In, Out> {
    jobs: Option<Sender<(In, SyncSender<Out>)>>,
    pending: VecDeque<Receiver<Out>>,
    workers: Vec<JoinHandle<()>>,
}

/// A worker's function, and what it keeps between two calls, live on its own thread.
pub(super) trait Work<In, Out>: Send + Sync + 'static {
    /// Handles pieces of work as `next` gives them until it gives no more.
    fn run(&self, next: &mut dyn FnMut() -> Option<In>, done: &mut dyn FnMut(Out));
}

impl<In: Send + 'static, Out: Send + 'static> Pipeline<In, Out> {
    /// Starts `threads` threads (at least one).
    pub fn new(threads: usize, work: impl Work<In, Out>) -> Self {
        let (jobs, queue) = channel::<(In, SyncSender<Out>)>();
        let (queue, work) = (Arc::new(Mutex::new(queue)), Arc::new(work));
        let worker = |_| {
            let (queue, work) = (Arc::clone(&queue), Arc::clone(&work));
            std::thread::spawn(move || {
                let reply = std::cell::RefCell::new(None::<SyncSender<Out>>);
                let mut next = || {
                    let (job, to) = queue.lock().ok()?.recv().ok()?;
                    *reply.borrow_mut() = Some(to);
                    Some(job)
                };
                // Nobody waits for the result if the pipeline was dropped.
                let mut done = |out| drop(reply.take().map(|to| to.send(out)));
                work.run(&mut next, &mut done);
            })
        };
        let workers = (0..threads.max(1)).map(worker).collect();
        Self {
            jobs: Some(jobs),
            pending: VecDeque::new(),
            workers,
        }
    }

    /// Whether as much work is under way as there may be.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= 2 * self.workers.len()
    }

    /// Whether something is under way.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Hands out a piece of work. Call [`Pipeline::take`] first if the pipeline is full.
    pub fn give(&mut self, job: In) {
        let (reply, result) = sync_channel(1);
        let jobs = self.jobs.as_ref().expect("open until dropped");
        // A worker that died shows when its result is taken.
        let _ = jobs.send((job, reply));
        self.pending.push_back(result);
    }

    /// Hands on a result that needs no work, in its place among the others.
    pub fn give_done(&mut self, out: Out) {
        let (reply, result) = sync_channel(1);
        let _ = reply.send(out);
        self.pending.push_back(result);
    }

    /// Waits for the oldest result; none if nothing is under way.
    ///
    /// # Panics
    /// If the worker that had it panicked.
    pub fn take(&mut self) -> Option<Out> {
        let result = self.pending.pop_front()?;
        Some(result.recv().expect("a worker thread panicked"))
    }
}

impl<In, Out> Drop for Pipeline<In, Out> {
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A panic was reported when its result was taken.
            let _ = worker.join();
        }
    }
}
