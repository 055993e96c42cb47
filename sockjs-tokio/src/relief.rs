//! Keeps a handler that blocks its thread from holding up everybody else.
//!
//! Of tokio's idle workers one waits for sockets and timers, the others to be called. When a task
//! that came from a socket wakes a handler, the handler runs next on that very worker, and none is
//! called for it. If the handler then blocks, nobody waits for sockets any more until it returns:
//! a few lines of an application stop the server, while processors are idle.
//!
//! A thread looks now and then whether a worker has been at work for long. If so it calls another
//! one, which finds nothing to do and so takes the waiting over. It costs a busy server one empty
//! task in each period, and an idle one nothing but the look.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use tokio::runtime::Handle;

/// Between two looks. Whoever blocks for less is not noticed, nor much felt.
const PERIOD: Duration = Duration::from_millis(50);

/// Looks after the runtime until it is dropped.
#[derive(Debug)]
pub(crate) struct Relief {
    _stop: Option<Sender<()>>,
}

impl Relief {
    /// For the runtime in whose context this is called. Without a second worker nobody could take
    /// over, and without a thread nobody looks.
    pub(crate) fn start() -> Self {
        let runtime = Handle::current();
        if runtime.metrics().num_workers() < 2 {
            return Self { _stop: None };
        }
        let (stop, stopped) = mpsc::channel();
        let thread = thread::Builder::new().name("sockjs-relief".into());
        let started = thread.spawn(move || look_after(&runtime, &stopped));
        Self { _stop: started.is_ok().then_some(stop) }
    }
}

fn look_after(runtime: &Handle, stopped: &Receiver<()>) {
    let metrics = runtime.metrics();
    let mut seen = vec![0; metrics.num_workers()];
    while stopped.recv_timeout(PERIOD) == Err(RecvTimeoutError::Timeout) {
        let mut is_any_long_at_work = false;
        for (worker, seen) in seen.iter_mut().enumerate() {
            let count = metrics.worker_park_unpark_count(worker);
            // Even while it is at work.
            is_any_long_at_work |= count == *seen && count.is_multiple_of(2);
            *seen = count;
        }
        if is_any_long_at_work {
            runtime.spawn(async {});
        }
    }
}
