//! An endpoint: sessions, their expiry, and the limits among them (DESIGN §2).

mod admit;
mod frames;
pub(crate) mod ids;
pub(crate) mod stats;
mod timers;
mod transmit;

use std::collections::VecDeque;

use slotmap::SlotMap;

use self::ids::{Ids, Seed, SessionId};
use self::stats::{Stats, Window};
use self::timers::{Entry, Timers};
use crate::event::{ChunkId, Event, Gone, Refused, SendError, SessionKey, Slot};
use crate::limits::Quota;
use crate::message::Message;
use crate::receiver::{Receiver, Stage};
use crate::report::Cause;
use crate::service::Service;
use crate::session::{Flags, Session, Spares};
use crate::time::Timestamp;
use crate::wire::close::CloseReason;

/// All sessions of a service, or of a share of it: one plain value, a function of its inputs.
///
/// # Contract
/// `handle_*` tells what happened out there; a plain verb is what the application wants; `poll_*`
/// takes what is ready, and never blocks.
///
/// **After any call** — [`poll_transmit`](Self::poll_transmit) and [`recv`](Self::recv) included —
/// drain [`poll_event`](Self::poll_event), transmit for the receivers whose sessions are named by
/// [`Event::Transmit`], then read [`poll_timeout`](Self::poll_timeout) again. Nothing else changes
/// what they return.
///
/// Time never runs backwards: an older `now` counts as the latest one seen. The application's calls
/// and [`poll_transmit`](Self::poll_transmit) have no `now`: the latest one seen counts. Begin a
/// turn that makes only such calls with [`handle_timeout`](Self::handle_timeout), which is cheap
/// when nothing is due; else a frame handed after a quiet hour counts as handed an hour ago, and its
/// receiver as stalled.
#[derive(Debug)]
pub struct Endpoint {
    service: Service,
    shard: u16,
    quota: Quota,
    now: Timestamp,
    sessions: Sessions,
    ids: Ids,
    timers: Timers,
    /// Sessions that changed since the last look at what follows from it.
    touched: Vec<Slot>,
    /// Sessions with flags raised.
    ready: VecDeque<Slot>,
    /// Sessions that found the total of all queues full.
    starved: VecDeque<Slot>,
    /// Sessions that have ended, those that did so first in front; some are forgotten already.
    ended: VecDeque<Slot>,
    /// Once the endpoint was told to shut down.
    draining: bool,
    /// Receivers so far.
    receivers: u64,
    unconfirmed: usize,
    live: usize,
    stats: Stats,
    window: Window,
    spares: Spares,
}

/// Boxed, for the table keeps its room when they have ended.
type Sessions = SlotMap<Slot, Box<Holding>>;

/// A session and what the endpoint has noted about it.
#[derive(Debug)]
struct Holding {
    session: Session,
    /// Of HTTP sessions; empty for WebSockets.
    id: SessionId,
    /// The time of its live entry among the timers; the end of time if it has none.
    scheduled: Timestamp,
    /// What of its queues is counted in the total.
    tallied_bytes: usize,
    /// The total got smaller by it.
    has_freed: bool,
    /// It counts as live: not ended.
    is_live: bool,
    /// It counts as opened: the application was told.
    is_opened: bool,
    /// It counts as unconfirmed: only one request has named it.
    is_unconfirmed: bool,
    /// It is among the ready ones.
    is_ready: bool,
    /// It is among the starved ones.
    is_starved: bool,
}

impl Holding {
    /// Counts in the total what its queues hold now.
    fn tally(&mut self, stats: &mut Stats) {
        let queued = self.session.queued_bytes();
        stats.queued_bytes += queued;
        stats.queued_bytes -= self.tallied_bytes;
        self.has_freed |= queued < self.tallied_bytes;
        self.tallied_bytes = queued;
    }

    /// Whether it has events, and is not among the ready ones yet.
    fn becomes_ready(&mut self) -> bool {
        !self.session.flags.is_empty() && !std::mem::replace(&mut self.is_ready, true)
    }
}

impl Endpoint {
    /// An endpoint without sessions. `shard` is its number among the endpoints of the service.
    pub fn new(service: Service, shard: u16, quota: Quota, seed: Seed) -> Self {
        Self {
            service,
            shard,
            quota,
            now: Timestamp::EPOCH,
            sessions: SlotMap::with_key(),
            ids: Ids::new(seed),
            timers: Timers::default(),
            touched: Vec::new(),
            ready: VecDeque::new(),
            starved: VecDeque::new(),
            ended: VecDeque::new(),
            draining: false,
            receivers: 0,
            unconfirmed: 0,
            live: 0,
            stats: Stats::default(),
            window: Window::default(),
            spares: Spares::default(),
        }
    }

    /// The service whose sessions these are.
    pub fn service(&self) -> &Service {
        &self.service
    }

    #[cfg(feature = "trace")]
    pub(crate) fn shard(&self) -> u16 {
        self.shard
    }

    #[cfg(feature = "trace")]
    pub(crate) fn quota(&self) -> Quota {
        self.quota
    }

    /// A WebSocket session's messages, or a send request's. All are taken and `batch` is empty, perhaps
    /// with its memory gone too, or none.
    ///
    /// # Errors
    /// [`Refused::Full`] while the application lags: the messages stay in `batch`; try again after
    /// [`Event::Resume`], for a send request by [`handle_messages_since`](Self::handle_messages_since).
    /// Otherwise the session is at its end.
    pub fn handle_messages(
        &mut self,
        key: SessionKey,
        batch: &mut Vec<Message>,
        now: Timestamp,
    ) -> Result<(), Refused> {
        self.handle_messages_since(key, batch, now, now)
    }

    /// As [`handle_messages`](Self::handle_messages), for a send request that was first tried at
    /// `since`: its patience counts from there, whatever other requests of the session wait.
    ///
    /// # Errors
    /// As there.
    pub fn handle_messages_since(
        &mut self,
        key: SessionKey,
        batch: &mut Vec<Message>,
        since: Timestamp,
        now: Timestamp,
    ) -> Result<(), Refused> {
        let now = self.advance(now);
        let (count, bytes) = (batch.len() as u64, content_bytes(batch));
        let cost = batch.iter().map(Message::cost).sum();
        let fits = self.has_room(cost);
        let holding = self.sessions.get_mut(key.slot).ok_or(Refused::Gone)?;
        let (settings, since) = (self.service.settings(), since.min(now));
        let taken = holding.session.deliver(batch, cost, fits, settings, since, now);
        match taken {
            Ok(taken) => {
                self.stats.messages_in(taken, count - taken, bytes);
                self.stir(key.slot);
                return Ok(());
            }
            Err(Refused::Full) if !fits => self.starve(key.slot),
            Err(_) => {}
        }
        self.touch(key.slot);
        taken.map(drop)
    }

    /// A WebSocket's messages that came with its end, to be told before
    /// [`handle_gone`](Self::handle_gone): they are taken whatever waits, for nobody is left to be
    /// held back. What the caller reads at once is the bound.
    pub fn handle_last_messages(
        &mut self,
        key: SessionKey,
        batch: &mut Vec<Message>,
        now: Timestamp,
    ) {
        self.advance(now);
        let Some(holding) = self.sessions.get_mut(key.slot) else { return batch.clear() };
        let (count, bytes) = (batch.len() as u64, content_bytes(batch));
        let taken = holding.session.deliver_last(batch);
        self.stats.messages_in(taken, count - taken, bytes);
        self.touch(key.slot);
    }

    /// Everything up to and including this chunk was written.
    pub fn handle_written(&mut self, chunk: ChunkId, now: Timestamp) {
        let now = self.advance(now);
        let slot = chunk.session.slot;
        let Some(holding) = self.sessions.get_mut(slot) else { return };
        holding.session.written(chunk.seq, self.service.settings(), now);
        // The deadline of a session without a receiver counts from here.
        match holding.session.is_flowing() {
            true => self.stir(slot),
            false => self.touch(slot),
        }
    }

    /// This chunk was handed out and cannot have arrived whole, nor anything that the same receiver
    /// was handed after it. Name the first of which that is certain: the session ends by it, and
    /// what was handed before and not written counts as uncertain. Tell it before
    /// [`handle_gone`](Self::handle_gone), after which all that is in flight is uncertain.
    pub fn handle_lost(&mut self, chunk: ChunkId, now: Timestamp) {
        self.with(chunk.session, now, |session, service, now| {
            session.lost(chunk.seq, service.settings(), now);
        });
    }

    /// A receiver ended before its `fin`. One that has finished, or is no longer its session's,
    /// changes nothing.
    pub fn handle_gone(&mut self, mut receiver: Receiver, why: Gone, now: Timestamp) {
        match receiver.last_chunk() {
            Some(chunk) => self.handle_lost(chunk, now),
            None => self.leave(&mut receiver, why, now),
        }
    }

    /// A WebSocket client answered a ping.
    pub fn handle_pong(&mut self, key: SessionKey, now: Timestamp) {
        self.with(key, now, |session, _, _| session.pong());
    }

    /// A WebSocket client showed that it lives otherwise than by a pong: something of it arrived, or
    /// its full socket took bytes again. A pong that is awaited may take its time anew, for it may be
    /// behind a long message, or its ping behind much that is still to be read.
    pub fn handle_alive(&mut self, key: SessionKey, now: Timestamp) {
        self.with(key, now, |session, _, now| session.await_pong(now));
    }

    /// The application's handler panicked: the session closes with 1011.
    pub fn handle_panic(&mut self, key: SessionKey, now: Timestamp) {
        self.with(key, now, |session, service, now| {
            let reason = CloseReason::INTERNAL_ERROR;
            session.close(Cause::HandlerPanic, reason, service.settings(), now);
        });
    }

    /// Whether [`handle_timeout`](Self::handle_timeout) has anything to do: the time is later than any
    /// that was told before, or something is due. If not, asking costs less here.
    #[inline]
    pub fn needs_time(&self, now: Timestamp) -> bool {
        now > self.now || self.timers.next().is_some_and(|at| at <= self.now)
    }

    /// Time has passed. May be called at any time; only what is due happens.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        let now = self.advance(now);
        // Each is looked at once: one that stays due is left to the next call, so that this one ends
        // whatever sessions do (invariant 10).
        for _ in 0..self.timers.len() {
            let Some(entry) = self.timers.pop(now) else { break };
            let Some(holding) = self.sessions.get_mut(entry.slot) else { continue };
            if holding.scheduled == entry.at {
                holding.scheduled = Timestamp::MAX;
                holding.session.handle_timeout(self.service.settings(), now);
                // At once, for it may have another deadline that is due.
                self.tally(entry.slot);
                self.settle(entry.slot);
            }
        }
    }

    /// Sends a message to the client, through whatever receiver it has now or next.
    ///
    /// # Errors
    /// The message is given back if the queue is full, the session closed, or its transport
    /// cannot carry bytes.
    pub fn send(&mut self, key: SessionKey, message: Message) -> Result<(), SendError> {
        let fits = self.has_room(message.cost());
        let Some(holding) = self.sessions.get_mut(key.slot) else {
            return Err(SendError::Closed(message));
        };
        let bytes = message.len() as u64;
        let sent = holding.session.send(message, fits, self.service.settings(), &mut self.spares);
        match sent {
            Ok(()) => self.stats.message_out(bytes),
            Err(SendError::Full(_)) if !fits => self.starve(key.slot),
            Err(_) => {}
        }
        self.stir(key.slot);
        sent
    }

    /// Whether a receiver is attached: what is sent now leaves at once.
    pub fn has_receiver(&self, key: SessionKey) -> bool {
        self.sessions.get(key.slot).is_some_and(|holding| holding.session.has_receiver())
    }

    /// Whether a sender was told that the queue is full, and not yet that there is room again.
    pub fn is_full(&self, key: SessionKey) -> bool {
        self.sessions.get(key.slot).is_some_and(|holding| holding.session.has_waiting_sender())
    }

    /// Takes the client's next message. After `None`, wait for [`Event::Readable`].
    pub fn recv(&mut self, key: SessionKey) -> Option<Message> {
        let holding = self.sessions.get_mut(key.slot)?;
        let message = holding.session.recv(self.service.settings())?;
        self.stir(key.slot);
        Some(message)
    }

    /// Takes the client's messages, as [`recv`](Self::recv) does one by one, as long as `wants` wants the next
    /// one, which stays where it is otherwise. Says whether it found nothing more: then wait for
    /// [`Event::Readable`].
    pub fn recv_while(
        &mut self,
        key: SessionKey,
        wants: impl FnMut(&Message) -> bool,
        mut take: impl FnMut(Message),
    ) -> bool {
        let Some(holding) = self.sessions.get_mut(key.slot) else { return true };
        let mut has_taken = false;
        let is_empty = holding.session.recv_while(self.service.settings(), wants, |message| {
            has_taken = true;
            take(message);
        });
        if has_taken {
            self.stir(key.slot);
        }
        is_empty
    }

    /// The client's next message, which stays where it is: for an application that does not know yet
    /// whether it can go on with it. After `None`, wait for [`Event::Readable`].
    pub fn peek(&mut self, key: SessionKey) -> Option<Message> {
        let holding = self.sessions.get_mut(key.slot)?;
        holding.session.peek()
    }

    /// Closes a session: what is queued is delivered first, then the close frame. Closing again
    /// changes nothing.
    pub fn close(&mut self, key: SessionKey, reason: CloseReason) {
        self.with(key, self.now, |session, service, now| {
            session.close(Cause::Application, reason, service.settings(), now);
        });
    }

    /// Closes all sessions, and refuses new ones from now on.
    pub fn shutdown(&mut self, reason: CloseReason) {
        self.draining = true;
        let slots: Vec<Slot> = self.sessions.keys().collect();
        for slot in slots {
            let key = SessionKey { shard: self.shard, slot };
            self.with(key, self.now, |session, service, now| {
                session.close(Cause::Shutdown, reason.clone(), service.settings(), now);
            });
        }
    }

    /// Ends what [`shutdown`](Self::shutdown) has left, at once: for when nobody will wait longer. Each
    /// session is reported, with what was not delivered.
    pub fn cut_off(&mut self) {
        for slot in self.sessions.keys().collect::<Vec<_>>() {
            let key = SessionKey { shard: self.shard, slot };
            self.with(key, self.now, |session, service, now| {
                session.cut_off(service.settings(), now);
            });
        }
    }

    /// Whether [`poll_event`](Self::poll_event) has anything to do. If not, it would return `None` and
    /// change nothing, and asking costs less here.
    #[inline]
    pub fn has_events(&self) -> bool {
        !self.touched.is_empty()
            || !self.ready.is_empty()
            || self.timers.next().is_some_and(|at| at <= self.now)
    }

    /// What became ready. Poll until `None` after any other call.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.settle_touched();
        loop {
            let slot = *self.ready.front()?;
            let key = SessionKey { shard: self.shard, slot };
            let Some(holding) = self.sessions.get_mut(slot) else {
                self.ready.pop_front();
                continue;
            };
            let session = &mut holding.session;
            let first = session.flags.take_first();
            // One that has ended stays for a last look.
            let is_done = session.flags.is_empty() && (first.is_empty() || !session.is_closed());
            if is_done {
                holding.is_ready = false;
                self.ready.pop_front();
            }
            match first {
                Flags::OPENED => match session.info.take() {
                    Some(info) => return Some(Event::Opened(key, *info)),
                    None => continue,
                },
                Flags::READABLE => return Some(Event::Readable(key)),
                Flags::WRITABLE => return Some(Event::Writable(key)),
                Flags::TRANSMIT => return Some(Event::Transmit(key)),
                Flags::RESUME => return Some(Event::Resume(key)),
                Flags::CLOSED => match session.report.take() {
                    Some(report) => return Some(Event::Closed(key, *report)),
                    None => continue,
                },
                // It may be forgotten now that its last events are taken.
                _ if session.is_closed() => self.settle(slot),
                _ => {}
            }
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) must be called. It may turn out that nothing
    /// was due.
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// Counts, as of the latest time seen.
    pub fn stats(&self) -> Stats {
        Stats { per_second: self.window.rates(), ..self.stats.clone() }
    }

    /// As [`stats`](Self::stats), without the averages: what a look costs.
    pub fn counts(&self) -> &Stats {
        &self.stats
    }

    /// Whether no session is left, ended ones included.
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty()
    }

    /// The sessions that are open to the application, in no order that means anything.
    pub fn sessions(&self) -> Vec<SessionKey> {
        let open = self
            .sessions
            .iter()
            .filter(|(_, holding)| holding.is_live && holding.session.is_opened());
        open.map(|(slot, _)| SessionKey { shard: self.shard, slot }).collect()
    }

    /// Sessions that have not ended.
    pub fn live(&self) -> usize {
        self.live
    }

    fn advance(&mut self, now: Timestamp) -> Timestamp {
        self.now = self.now.max(now);
        self.window.advance(&self.stats, self.now);
        self.now
    }

    fn with(
        &mut self,
        key: SessionKey,
        now: Timestamp,
        change: impl FnOnce(&mut Session, &Service, Timestamp),
    ) {
        let now = self.advance(now);
        if let Some(holding) = self.sessions.get_mut(key.slot) {
            change(&mut holding.session, &self.service, now);
            self.touch(key.slot);
        }
    }

    /// Notes that a session changed. What follows from it is looked at once, however often it changes
    /// before the events are polled; only what it holds counts at once, for that is a limit.
    fn touch(&mut self, slot: Slot) {
        self.tally(slot);
        if self.touched.last() != Some(&slot) {
            self.touched.push(slot);
        }
    }

    /// As [`touch`](Self::touch), of what moves no deadline forward and ends no session, as each
    /// message does: mostly nothing follows from it but an event.
    fn stir(&mut self, slot: Slot) {
        let Some(holding) = self.sessions.get_mut(slot) else { return };
        holding.tally(&mut self.stats);
        if holding.has_freed && !self.starved.is_empty() {
            self.touched.push(slot);
        } else if holding.becomes_ready() {
            self.ready.push_back(slot);
        }
    }

    fn tally(&mut self, slot: Slot) {
        if let Some(holding) = self.sessions.get_mut(slot) {
            holding.tally(&mut self.stats);
        }
    }

    fn settle_touched(&mut self) {
        if !self.touched.is_empty() {
            let mut touched = std::mem::take(&mut self.touched);
            touched.drain(..).for_each(|slot| self.settle(slot));
            self.touched = touched;
        }
        // A deadline that was over before it was set, and then moved, asks for no further call.
        let sessions = &self.sessions;
        self.timers.forget_stale(self.now, |entry| {
            sessions.get(entry.slot).is_some_and(|holding| holding.scheduled == entry.at)
        });
    }

    /// Follows up on a change of a session: the one place that keeps tables, counts and timers in
    /// step with it.
    fn settle(&mut self, slot: Slot) {
        let Some(holding) = self.sessions.get_mut(slot) else { return };
        if holding.becomes_ready() {
            self.ready.push_back(slot);
        }
        holding.session.rest(&mut self.spares);
        let session = &holding.session;
        if !holding.is_opened && session.is_opened() {
            holding.is_opened = true;
            self.stats.session_opened(session.transport);
        }
        let has_freed = std::mem::take(&mut holding.has_freed);
        if session.is_closed() {
            self.settle_closed(slot);
        }
        self.schedule(slot);
        if has_freed && !self.starved.is_empty() {
            self.feed();
        }
    }

    fn settle_closed(&mut self, slot: Slot) {
        let Some(holding) = self.sessions.get_mut(slot) else { return };
        if std::mem::take(&mut holding.is_unconfirmed) {
            self.unconfirmed -= 1;
        }
        if std::mem::take(&mut holding.is_live) {
            self.live -= 1;
            if holding.is_opened
                && let Some(cause) = holding.session.closed_by()
            {
                self.stats.session_closed(holding.session.transport, cause);
            }
            self.ended.push_back(slot);
        }
        if holding.session.is_forgotten(self.now) {
            self.forget(slot);
        }
        self.forget_over_quota();
        if self.sessions.is_empty() {
            self.timers.clear();
        }
    }

    /// Keeps the number of ended sessions within the quota: those that ended first are forgotten
    /// before their time.
    fn forget_over_quota(&mut self) {
        while self.sessions.len() - self.live > self.quota.tombstones
            && let Some(slot) = self.ended.pop_front()
        {
            let holding = self.sessions.get(slot);
            if holding.is_some_and(|holding| !holding.session.flags.is_empty()) {
                // Its last events must be taken first.
                return self.ended.push_front(slot);
            }
            self.forget(slot);
        }
        // Twice what is there at most are forgotten ones.
        if self.ended.len() > 64 + 2 * (self.sessions.len() - self.live) {
            self.ended.retain(|slot| self.sessions.contains_key(*slot));
        }
    }

    fn forget(&mut self, slot: Slot) {
        if let Some(holding) = self.sessions.remove(slot) {
            self.ids.remove(slot, &holding.id);
        }
        debug_assert!(self.ids.len() <= self.sessions.len(), "an id outlived its session");
    }

    /// Makes sure that the session is looked at when its deadline comes.
    fn schedule(&mut self, slot: Slot) {
        let Some(holding) = self.sessions.get_mut(slot) else { return };
        let Some(at) = holding.session.deadline(self.service.settings()) else { return };
        if at < holding.scheduled {
            holding.scheduled = at;
            let sessions = &self.sessions;
            self.timers.push(Entry { at, slot }, sessions.len(), |entry| {
                sessions.get(entry.slot).is_some_and(|h| h.scheduled == entry.at)
            });
        }
    }

    /// Whether the total of all queues has room. What is alone always fits, so that nobody waits
    /// for nothing.
    fn has_room(&self, cost: usize) -> bool {
        let queued = self.stats.queued_bytes;
        queued == 0 || queued.saturating_add(cost) <= self.quota.total_bytes
    }

    /// Notes that the session found the total full.
    fn starve(&mut self, slot: Slot) {
        if let Some(holding) = self.sessions.get_mut(slot)
            && !std::mem::replace(&mut holding.is_starved, true)
        {
            self.starved.push_back(slot);
        }
    }

    /// Lets those try again that found the total full: all once a good part of it is free, before that
    /// one each time that something leaves, for all would find it full again.
    fn feed(&mut self) {
        const FREE_PART: usize = 16;
        let total = self.quota.total_bytes;
        let is_roomy = self.stats.queued_bytes <= total - total / FREE_PART;
        while let Some(slot) = self.starved.pop_front() {
            let Some(holding) = self.sessions.get_mut(slot) else { continue };
            holding.is_starved = false;
            let waits = !holding.session.is_closed();
            holding.session.retry(self.service.settings());
            self.settle(slot);
            if waits && !is_roomy {
                return;
            }
        }
    }
}

/// Length of all messages, in bytes.
fn content_bytes(batch: &[Message]) -> u64 {
    batch.iter().map(|message| message.len() as u64).sum()
}
