//! Where the traces of services go (DESIGN §2, *Trace*).

use std::fmt;
use std::io::{self, Write};
use std::sync::Arc;

use sockjs_core::Seed;
use sockjs_core::trace::{MAGIC, Traced};

use crate::sync::atomic::{AtomicU32, Ordering};
use crate::sync::{Mutex, lock};

/// A trace of all that services are told, to be replayed by [`sockjs_core::trace::replay`]. Several
/// services may share one; a clone is the same recording.
///
/// It is written after each turn of a service, by whichever task took the turn, and without the
/// service's locks: a sink that is slow makes the server slow. Once the sink fails no more is
/// written, and the service goes on.
#[derive(Clone)]
pub struct Recording(Arc<Shared>);

struct Shared {
    is_redacted: bool,
    endpoints: AtomicU32,
    /// Recorded, in order, and not written.
    pending: Mutex<Vec<u8>>,
    sink: Mutex<Sink>,
}

/// Its writer until that fails, then the error until it is asked for.
struct Sink {
    writer: Option<Box<dyn Write + Send>>,
    error: Option<io::Error>,
}

impl Recording {
    /// A recording of everything: texts, session ids, request heads. Whoever can read it can take
    /// over sessions that are still open.
    pub fn new(sink: impl Write + Send + 'static) -> Self {
        Self::to(Box::new(sink), false)
    }

    /// A recording without text, ids, names and addresses, which are replaced by others: see
    /// [`Traced::record`].
    pub fn redacted(sink: impl Write + Send + 'static) -> Self {
        Self::to(Box::new(sink), true)
    }

    fn to(writer: Box<dyn Write + Send>, is_redacted: bool) -> Self {
        Self(Arc::new(Shared {
            is_redacted,
            endpoints: AtomicU32::new(0),
            pending: Mutex::new(MAGIC.to_vec()),
            sink: Mutex::new(Sink { writer: Some(writer), error: None }),
        }))
    }

    /// The error that ended the recording, if one did.
    ///
    /// # Errors
    /// That error; it is told once.
    pub fn check(&self) -> io::Result<()> {
        lock(&self.0.sink).error.take().map_or(Ok(()), Err)
    }

    /// Has an endpoint recorded from now on.
    pub(crate) fn begin(&self, endpoint: &mut Traced) -> io::Result<()> {
        let number = self.0.endpoints.fetch_add(1, Ordering::Relaxed);
        let redaction = self.0.is_redacted.then(seed).transpose()?;
        endpoint.record(number, redaction);
        Ok(())
    }

    /// Takes what was recorded in a turn, which has not ended yet.
    pub(crate) fn take(&self, endpoint: &mut Traced) {
        endpoint.take_trace(&mut lock(&self.0.pending));
    }

    /// Writes what is pending.
    pub(crate) fn write(&self) {
        let mut sink = lock(&self.0.sink);
        // Taken while the sink is ours, so that turns are written in their order.
        let pending = std::mem::take(&mut *lock(&self.0.pending));
        let written = sink.writer.as_mut().map_or(Ok(()), |writer| writer.write_all(&pending));
        if let Err(error) = written {
            *sink = Sink { writer: None, error: Some(error) };
        }
    }
}

/// A seed from the operating system.
pub(crate) fn seed() -> io::Result<Seed> {
    let mut seed = [0; 16];
    getrandom::fill(&mut seed)?;
    Ok(Seed::new(u128::from_ne_bytes(seed)))
}

impl fmt::Debug for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recording")
            .field("is_redacted", &self.0.is_redacted)
            .finish_non_exhaustive()
    }
}
