//! The chunks that were given to hyper and have not left yet, in order.

use std::{ptr, sync::Arc, time::Instant};

/// A longer list is given back after use, so that one burst does not set the size of a connection.
const KEEP_COUNT: usize = 64;

/// The name of a chunk: what its [`Ledger`] knows it by.
pub(crate) trait Chunk: Copy + Send + Unpin + 'static {}

impl<T: Copy + Send + Unpin + 'static> Chunk for T {}

/// Who is told what became of chunks; each chunk exactly once, in the order of handing.
///
/// Called without any lock of this module held, from inside the connection's poll or its drop.
/// May wake that very task.
pub(crate) trait Ledger<C: Chunk>: Send + Sync + 'static {
    /// All bytes of these chunks were taken by the socket, in the poll of that time if it is known.
    fn written(&self, chunks: &[C], at: Option<Instant>);
    /// The connection ended before the bytes of these chunks were flushed.
    fn lost(&self, chunks: &[C]);
}

/// Chunks of several ledgers in one order, so that a flush is one call a ledger and not one a
/// chunk.
pub(super) struct Fifo<C: Chunk> {
    chunks: Vec<C>,
    /// Each run ends before the index given.
    runs: Vec<(Arc<dyn Ledger<C>>, usize)>,
}

impl<C: Chunk> Fifo<C> {
    pub(super) const fn new() -> Self {
        Self { chunks: Vec::new(), runs: Vec::new() }
    }

    pub(super) fn push(&mut self, ledger: Arc<dyn Ledger<C>>, chunk: C) {
        self.chunks.push(chunk);
        let end = self.chunks.len();
        match self.runs.last_mut() {
            Some((last, until)) if ptr::addr_eq(Arc::as_ptr(last), Arc::as_ptr(&ledger)) => {
                *until = end;
            }
            _ => self.runs.push((ledger, end)),
        }
    }

    /// Empties the list into `report`, one call a run.
    pub(super) fn drain(&mut self, report: impl Fn(&dyn Ledger<C>, &[C])) {
        let mut rest = self.chunks.as_slice();
        let mut start = 0;
        for (ledger, end) in self.runs.drain(..) {
            let (run, after) = rest.split_at(end - start);
            report(&*ledger, run);
            (rest, start) = (after, end);
        }
        self.chunks.clear();
        self.chunks.shrink_to(KEEP_COUNT);
        self.runs.shrink_to(KEEP_COUNT);
    }
}
