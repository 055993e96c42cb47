//! The watched server's own account of its sessions, kept beside what the services count.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use smol::channel::{Sender, bounded};
use sockjs_core::{Cause, Message, SendError};
use sockjs_driver::{Runtime, Session, SessionHandle};

use super::account::{Account, Record};

/// Wrong reports that are shown.
const SHOWN_COUNT: usize = 20;

/// Notes each session's opening and its report.
#[derive(Default)]
pub(super) struct Ledger(Mutex<State>);

#[derive(Default)]
struct State {
    opened: u64,
    closed: u64,
    causes: [u64; Cause::ALL.len()],
    wrong: Vec<String>,
    records: HashMap<String, Record>,
}

/// Sends a session's messages and counts them. To be dropped when its handler ends.
pub(super) struct Voice {
    handle: SessionHandle,
    accepted: Arc<AtomicU64>,
    _ended: Sender<()>,
}

impl Ledger {
    /// Notes a session and waits for its report in a task of its own. All that the application
    /// sends to it goes through the voice, so that the report can be compared.
    pub(super) fn voice<R: Runtime + Default>(self: &Arc<Self>, session: &Session) -> Voice {
        let accepted = Arc::new(AtomicU64::new(0));
        let (sender, ended) = bounded(1);
        let (ledger, handle, counted) = (self.clone(), session.handle(), accepted.clone());
        self.lock().opened += 1;
        R::default().spawn(Box::pin(async move {
            let record = Record::of(&handle.closed().await);
            // The last send may have been accepted, and not yet counted.
            let _ = ended.recv().await;
            ledger.note(&handle, record, Some(counted.load(Ordering::Acquire)));
        }));
        Voice { handle: session.handle(), accepted, _ended: sender }
    }

    /// The same for a session that others send to.
    pub(super) fn watch<R: Runtime + Default>(self: &Arc<Self>, session: &Session) {
        let (ledger, handle) = (self.clone(), session.handle());
        self.lock().opened += 1;
        R::default().spawn(Box::pin(async move {
            let record = Record::of(&handle.closed().await);
            ledger.note(&handle, record, None);
        }));
    }

    fn note(&self, handle: &SessionHandle, record: Record, counted: Option<u64>) {
        let mut state = self.lock();
        state.closed += 1;
        state.causes[record.cause as usize] += 1;
        let is_right = record.is_sound() && counted.is_none_or(|count| count == record.accepted);
        if !is_right && state.wrong.len() < SHOWN_COUNT {
            state.wrong.push(format!("{handle:?}: {record:?}, accepted here {counted:?}"));
        }
        if let Some(name) = handle.info().argument("name") {
            state.records.insert(name, record);
        }
    }

    /// The report of a session with this name.
    pub(super) fn record(&self, name: &str) -> Option<Record> {
        self.lock().records.get(name).cloned()
    }

    /// What was noted, in an otherwise empty account.
    pub(super) fn account(&self) -> Account {
        let state = self.lock();
        Account {
            opened: state.opened,
            closed: state.closed,
            causes: state.causes,
            wrong: state.wrong.clone(),
            ..Account::default()
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Voice {
    pub(super) async fn send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.count(self.handle.send(message).await)
    }

    pub(super) fn try_send(&self, message: impl Into<Message>) -> Result<(), SendError> {
        self.count(self.handle.try_send(message))
    }

    fn count(&self, sent: Result<(), SendError>) -> Result<(), SendError> {
        if sent.is_ok() {
            self.accepted.fetch_add(1, Ordering::Release);
        }
        sent
    }
}
