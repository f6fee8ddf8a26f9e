//! Where pictures are decoded: away from the threads that answer, few at a time, in bounded memory.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon_core::ThreadPool;
use tokio::sync::{Semaphore, oneshot};
use tracing::Span;

/// A bounded number of workers that share a bounded amount of memory.
#[derive(Debug)]
pub struct Pool {
    /// Threads of their own, since a thread once made to yield may not be raised again.
    threads: ThreadPool,
    seats: Arc<Semaphore>,
    /// In MiB: a semaphore counts no further than 32 bits.
    memory: Arc<Semaphore>,
    most_memory: u32,
    waiting: AtomicUsize,
    most_waiting: usize,
}

/// The pool has as much to do as it may put off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Busy;

impl Pool {
    /// So many workers, so many bytes for all of them. Twice eight requests a worker may wait.
    ///
    /// # Errors
    /// When the system gives no threads.
    pub fn new(workers: usize, memory: u64) -> Result<Pool, std::io::Error> {
        let most_memory = mebibytes(memory).max(1);
        let threads = rayon_core::ThreadPoolBuilder::new()
            .num_threads(workers.max(1))
            .thread_name(|i| format!("pictures-{i}"))
            .start_handler(|_| yield_to_others())
            .build()
            .map_err(std::io::Error::other)?;
        Ok(Pool {
            threads,
            seats: Arc::new(Semaphore::new(workers.max(1))),
            memory: Arc::new(Semaphore::new(most_memory as usize)),
            most_memory,
            waiting: AtomicUsize::new(0),
            most_waiting: 16 * workers.max(1),
        })
    }

    /// Runs `work`, which takes at most so many bytes, in the caller's span.
    ///
    /// Memory is taken before a seat, so that one who waits for memory keeps nobody from working.
    /// When the caller goes away before it began, it never runs; afterwards it ends unheard, and
    /// keeps its seat and its memory until then. A panic of `work` is the caller's.
    ///
    /// # Errors
    /// When too many wait already.
    pub async fn run<T: Send + 'static>(
        &self,
        bytes: u64,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Busy> {
        let waiting = Waiting::enter(&self.waiting);
        if waiting.before >= self.most_waiting {
            return Err(Busy);
        }
        let share = mebibytes(bytes).clamp(1, self.most_memory);
        // Semaphores are never closed.
        let memory = self.memory.clone().acquire_many_owned(share).await;
        let seat = self.seats.clone().acquire_owned().await;
        drop(waiting);
        let span = Span::current();
        let dispatch = tracing::dispatcher::get_default(Clone::clone);
        let (tell, told) = oneshot::channel();
        self.threads.spawn(move || {
            let taken = (memory, seat);
            // Whatever it left behind is dropped here, before its caller hears of it.
            let done = catch_unwind(AssertUnwindSafe(|| {
                tracing::dispatcher::with_default(&dispatch, || span.in_scope(work))
            }));
            drop((dispatch, span));
            drop(taken);
            // The caller may be gone.
            let _ = tell.send(done);
        });
        match told.await {
            Ok(Ok(done)) => Ok(done),
            // The request fails as the work did.
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => Err(Busy),
        }
    }
}

/// The workers take what the threads that answer leave of the cores. A short link that needs a core for
/// a tenth of a millisecond has it at once, where a lower `nice` alone still lets a worker end its time
/// slice of about three milliseconds: the reason is Linux's "protected slice", which only `SCHED_IDLE`
/// does not have. A system without that policy treats them as others, which costs only that.
fn yield_to_others() {
    #[cfg(target_os = "linux")]
    {
        use thread_priority::unix::{
            NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
            thread_native_id,
        };
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let lowest = thread_priority::ThreadPriority::Min;
        let _ = set_thread_priority_and_policy(thread_native_id(), lowest, idle);
    }
}

fn mebibytes(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX >> 4)
}

struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn enter(count: &'a AtomicUsize) -> Waiting<'a> {
        Waiting {
            before: count.fetch_add(1, Ordering::Relaxed),
            count,
        }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::AtomicU64;
    use std::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn memory_and_workers_are_bounded_whatever_comes() {
        let pool = Arc::new(Pool::new(3, 100 << 20).unwrap());
        let (now, peak) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let jobs = (0..40u64).map(|i| {
            let (pool, now, peak) = (pool.clone(), now.clone(), peak.clone());
            let share = 1 + i * 7 % 60;
            tokio::spawn(async move {
                pool.run(share << 20, move || {
                    let sum = now.fetch_add(share, Ordering::SeqCst) + share;
                    peak.fetch_max(sum, Ordering::SeqCst);
                    std::thread::yield_now();
                    now.fetch_sub(share, Ordering::SeqCst);
                })
                .await
            })
        });
        for job in jobs.collect::<Vec<_>>() {
            assert_eq!(job.await.unwrap(), Ok(()));
        }
        let peak = peak.load(Ordering::SeqCst);
        assert!((1..=100).contains(&peak), "{peak} MiB at once");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_would_wait_too_long_is_told_so_at_once() {
        let pool = Arc::new(Pool::new(1, 1 << 20).unwrap());
        let (open, gate) = mpsc::channel::<()>();
        let gate = Arc::new(Mutex::new(gate));
        // One works and sixteen wait; each waits for a word.
        let work = {
            let gate = gate.clone();
            move || {
                let gate = gate.clone();
                move || gate.lock().unwrap().recv().unwrap()
            }
        };
        let jobs: Vec<_> = (0..17)
            .map(|_| {
                let (pool, work) = (pool.clone(), work());
                tokio::spawn(async move { pool.run(1, work).await })
            })
            .collect();
        while pool.waiting.load(Ordering::SeqCst) < 16 {
            tokio::task::yield_now().await;
        }
        assert_eq!(pool.run(1, || ()).await, Err(Busy));
        for _ in 0..17 {
            open.send(()).unwrap();
        }
        for job in jobs {
            assert_eq!(job.await.unwrap(), Ok(()));
        }
        assert_eq!(pool.run(1, || 5).await, Ok(5));
    }
}
