//! Locks and atomics: the standard library's. With `--cfg sockjs_shuttle` they are shuttle's, which
//! runs the models of `tests/interleavings` under thousands of schedules.

#[cfg(sockjs_shuttle)]
pub(crate) use shuttle::sync::{Mutex, MutexGuard, atomic};
#[cfg(not(sockjs_shuttle))]
pub(crate) use std::sync::{Mutex, MutexGuard, atomic};

/// Locks, whatever became of the last holder: what our locks guard is changed in single steps, so a panic
/// elsewhere leaves nothing half done.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
