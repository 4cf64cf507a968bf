//! Work on many threads, results in order. Where there are no threads, the caller does the work when it takes a result.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crate::host::HAS_THREADS;

/// Threads that turn `In` into `Out`, and what they have been given so far, in order. What is under way is
/// bounded, and so is memory.
pub(super) struct Pipeline<In, Out> {
    jobs: Option<Sender<(In, Reply<Out>)>>,
    queue: Arc<Queue<In, Out>>,
    pending: VecDeque<Receiver<Out>>,
    most: usize,
    workers: Vec<JoinHandle<()>>,
    /// What a thread runs.
    work: Arc<Work<In, Out>>,
}

type Work<In, Out> = dyn Fn(Jobs<In, Out>) + Send + Sync;

struct Queue<In, Out> {
    jobs: Mutex<Receiver<(In, Reply<Out>)>>,
    is_abandoned: AtomicBool,
}

/// How long a worker waits for more jobs to take together: what reads them takes less for each.
const SOON: Duration = Duration::from_millis(5);

/// The jobs that no worker has taken yet: an iterator that waits for the next, or ends with the last one where only the
/// caller could add another.
pub(super) struct Jobs<In, Out>(Arc<Queue<In, Out>>);

impl<In, Out> Iterator for Jobs<In, Out> {
    type Item = (In, Reply<Out>);

    fn next(&mut self) -> Option<Self::Item> {
        let jobs = self.0.jobs.lock().ok()?;
        let job = if HAS_THREADS { jobs.recv().ok() } else { jobs.try_recv().ok() };
        self.taken(job)
    }
}

impl<In, Out> Jobs<In, Out> {
    /// Jobs to do together, `most` at most: the next, for which it waits unless the worker `is_busy`, and those that come within
    /// [`SOON`] of one another. A busy worker leaves them to one that is not.
    pub fn next_few(&self, most: usize, is_busy: bool) -> Vec<(In, Reply<Out>)> {
        // Whoever waits for jobs holds the lock.
        let jobs = if is_busy { self.0.jobs.try_lock().ok() } else { self.0.jobs.lock().ok() };
        let Some(jobs) = jobs else {
            return Vec::new();
        };
        let mut few = Vec::new();
        while few.len() < most {
            let waits = HAS_THREADS && few.is_empty() && !is_busy;
            let job = if waits { jobs.recv().ok() } else { jobs.recv_timeout(SOON).ok() };
            match self.taken(job) {
                Some(job) => few.push(job),
                None => break,
            }
        }
        few
    }

    /// A job that came off the queue, if its result is still wanted.
    fn taken(&self, job: Option<(In, Reply<Out>)>) -> Option<(In, Reply<Out>)> {
        let job = job?;
        (!self.is_abandoned()).then_some(job)
    }

    /// Whether the pipeline was dropped, so that no result is wanted any more.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_abandoned.load(Ordering::Relaxed)
    }
}

/// Where the result of a job goes.
pub(super) struct Reply<Out>(SyncSender<Out>);

impl<Out> Reply<Out> {
    /// Hands it on.
    pub fn give(self, out: Out) {
        // It cannot be sent if the pipeline was dropped.
        let _ = self.0.send(out);
    }
}

impl<In: Send + 'static, Out: Send + 'static> Pipeline<In, Out> {
    /// Starts `threads` threads (at least one), each of which holds so many jobs at a time; one more for each may wait.
    /// `work` runs once on each thread and does the jobs: what it keeps from one to the next are its local variables.
    pub fn new(threads: usize, held: usize, work: impl Fn(Jobs<In, Out>) + Send + Sync + 'static) -> Self {
        let threads = threads.max(1);
        let (jobs, queue) = channel();
        let queue = Arc::new(Queue { jobs: Mutex::new(queue), is_abandoned: AtomicBool::new(false) });
        let work: Arc<Work<In, Out>> = Arc::new(work);
        let worker = |_| {
            let (jobs, work) = (Jobs(Arc::clone(&queue)), Arc::clone(&work));
            std::thread::spawn(move || work(jobs))
        };
        Self {
            workers: (0..if HAS_THREADS { threads } else { 0 }).map(worker).collect(),
            jobs: Some(jobs),
            queue,
            pending: VecDeque::new(),
            most: threads * (held + 1),
            work,
        }
    }

    /// Whether as much work is under way as there may be.
    pub fn is_full(&self) -> bool {
        self.pending.len() >= self.most
    }

    /// Whether something is under way.
    pub fn is_busy(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Hands out a job. Call [`Pipeline::take`] first if the pipeline is full.
    pub fn give(&mut self, job: In) {
        let (reply, result) = sync_channel(1);
        let jobs = self.jobs.as_ref().expect("open until dropped");
        // A worker that died shows when its result is taken.
        let _ = jobs.send((job, Reply(reply)));
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
        if !HAS_THREADS {
            (self.work)(Jobs(Arc::clone(&self.queue)));
        }
        Some(result.recv().expect("a worker thread panicked"))
    }
}

impl<In, Out> Drop for Pipeline<In, Out> {
    fn drop(&mut self) {
        self.queue.is_abandoned.store(true, Ordering::Relaxed);
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A panic was reported when its result was taken.
            let _ = worker.join();
        }
    }
}
