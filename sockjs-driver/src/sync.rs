//! Locks and atomics: the standard library's. With `--cfg sockjs_shuttle` they are shuttle's, which
//! runs the models of `tests/interleavings` under thousands of schedules.

#[cfg(sockjs_shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(sockjs_shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};
