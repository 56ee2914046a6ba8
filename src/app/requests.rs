//! The runtime of everything except calls: the public HTTP APIs, the operator's commands, messages, eSIM orders,
//! top-ups and the catalogue.
//!
//! Calls (FastAGI, the meter, the manager links, the ledger, the lease, the spool, peers for Asterisk) run on the
//! runtime that the process started with. Work on this runtime has its own threads, at a lower priority, so that no
//! amount of it deprives a call of a thread.

use std::io;
use std::thread::available_parallelism;

use tokio::runtime::{Builder, Handle, Runtime};

/// Minimum worker threads of a runtime, even on a single processor: a busy thread leaves another free.
const MIN_WORKERS: usize = 2;
/// Maximum threads of either runtime for blocking work. On the calls' runtime this is the opening of the spool and the
/// resolution of host names; on this runtime also password hashing and deck compilation, each with its own limit.
const MAX_BLOCKING: usize = 16;
/// Niceness of the threads of this runtime: about a third of the share of a call's busy thread.
const NICENESS: i32 = 5;

/// Returns the number of worker threads of a runtime.
fn workers() -> usize {
    available_parallelism().map_or(MIN_WORKERS, |processors| processors.get().max(MIN_WORKERS))
}

/// Builds the runtime that a process starts with and that its calls run on.
pub fn for_calls() -> io::Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(workers())
        .max_blocking_threads(MAX_BLOCKING)
        .thread_name("calls")
        .enable_all()
        .build()
}

/// The runtime of requests. On drop it ends in the background: nothing waits for its remaining tasks.
#[derive(Debug)]
pub struct Requests(Option<Runtime>, Handle);

impl Requests {
    /// Starts its threads.
    pub fn start() -> io::Result<Self> {
        let runtime = Builder::new_multi_thread()
            .worker_threads(workers())
            .max_blocking_threads(MAX_BLOCKING)
            .thread_name("requests")
            .on_thread_start(lower_priority)
            .enable_all()
            .build()?;
        let handle = runtime.handle().clone();
        Ok(Self(Some(runtime), handle))
    }

    /// Returns the handle for spawning tasks.
    pub const fn handle(&self) -> &Handle {
        &self.1
    }
}

impl Drop for Requests {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Lowers the priority of this thread and of the threads that it starts: the database's readers for requests.
fn lower_priority() {
    let lowered = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS);
    if let Err(error) = lowered {
        // They remain separate threads all the same.
        tracing::debug!(%error, "the priority of a thread for requests could not be lowered");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn niceness() -> i32 {
        rustix::process::getpriority_process(Some(rustix::thread::gettid())).unwrap()
    }

    #[tokio::test]
    async fn requests_run_at_a_lower_priority_than_calls() {
        let before = niceness();
        let requests = Requests::start().unwrap();
        let on_a_worker = requests.handle().spawn(async { niceness() }).await.unwrap();
        let blocking = requests.handle().spawn_blocking(niceness).await.unwrap();
        let inherited =
            requests.handle().spawn_blocking(|| std::thread::spawn(niceness).join().unwrap()).await.unwrap();
        assert_eq!([on_a_worker, blocking, inherited], [NICENESS.max(before); 3]);
        assert_eq!(niceness(), before);
    }

    #[tokio::test]
    async fn what_blocks_on_a_runtime_has_a_bounded_number_of_threads() {
        use std::sync::atomic::{AtomicUsize, Ordering};
        static AT_ONCE: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let requests = Requests::start().unwrap();
        let work = (0..4 * MAX_BLOCKING).map(|_| {
            requests.handle().spawn_blocking(|| {
                MOST.fetch_max(AT_ONCE.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(std::time::Duration::from_millis(5));
                AT_ONCE.fetch_sub(1, Ordering::SeqCst);
            })
        });
        for done in work.collect::<Vec<_>>() {
            done.await.unwrap();
        }
        assert!((2..=MAX_BLOCKING).contains(&MOST.load(Ordering::SeqCst)));
    }
}
