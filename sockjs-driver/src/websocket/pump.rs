//! Drives one WebSocket (DESIGN §4): read a burst, parse it outside of the lock, one turn in, one
//! turn out, one write, and a turn that tells what was written. The turn that finds nothing more to
//! transmit stores the waker, for lost wake-ups live between these.

use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, BytesMut};
use hyper::rt::{Read, ReadBuf, Write};
use sockjs_core::wire::payload;
use sockjs_core::{
    ChunkId, CloseReason, FrameKind, Gone, Message, Refused, SessionKey, Settings, Timestamp,
    Transport,
};
use sockjs_websocket::{Codec, Incoming};

use super::deadline::{Deadline, Overdue, Waits};
use crate::claim::Claim;
use crate::connection::Stream;
use crate::guard::Guard;
use crate::nudge::{Note, Notes};
use crate::observe::Stopwatch;
use crate::runtime::Task;
use crate::shard::{Shard, Turn};
use crate::waiting::WakerId;

/// What is read at a time.
const READ_BYTES: usize = 16 * 1024;
/// Output that stops further reading and transmitting until it is written.
const OUTPUT_BYTES: usize = 64 * 1024;
/// Rounds of read and write in one poll, so that one busy WebSocket does not starve others.
const ROUNDS: usize = 8;
/// Buffers up to this size are kept while a WebSocket is idle.
const IDLE_BUFFER_BYTES: usize = 2 * 1024;

/// Carries a session over a WebSocket until either ends.
pub(super) struct Pump {
    /// The application's handler of the session, from its opening on. It has no task of its own, so
    /// that a message and its answer wake one task only.
    handler: Option<Task>,
    /// It is to be polled, by what a turn of this pump has brought.
    is_handler_due: bool,
    notes: Notes,
    handler_waker: Waker,
    /// Leaves a note too, so that a WebSocket which is only written to is not read each time.
    socket_waker: Waker,
    /// The shard's.
    waker: Waker,
    io: Stream,
    guard: Guard,
    key: Option<SessionKey>,
    transport: Transport,
    codec: Codec,
    /// What the messages of one payload may cost.
    payload_bytes: usize,
    deadline: Deadline,
    /// On what is unfinished in `input` and `codec`, and on what waits in `batch`.
    claim: Claim,
    input: BytesMut,
    output: BytesMut,
    /// Messages that the session has not taken yet.
    batch: Vec<Message>,
    /// What was read while `batch` waits.
    ahead_bytes: usize,
    liveness: Liveness,
    write_count: u64,
    /// Messages of the peer.
    message_count: u64,
    /// The socket did not take all of `output`.
    is_blocked: bool,
    /// Nothing was written since the socket was flushed.
    is_flushed: bool,
    /// The last chunk in `output`.
    handed: Option<ChunkId>,
    /// Something to transmit may have come since there was nothing.
    may_transmit: bool,
    /// On what is handed and not flushed.
    stopwatch: Stopwatch,
    /// The socket was found empty, and has not called since.
    is_drained: bool,
    /// The first turn was taken.
    has_begun: bool,
    /// Something in `input` was not looked at yet.
    has_unparsed: bool,
    /// A buffer was longer than what is kept while idle.
    has_grown: bool,
    /// Something was read since `claim` was on no more than is there.
    has_claimed: bool,
    phase: Phase,
}

/// What the endpoint is still to be told of the peer's being there.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Liveness {
    /// No ping is on its way, so nobody asks.
    Unasked,
    /// A ping is on its way.
    Asked,
    /// And the peer showed that it lives otherwise.
    Alive,
    /// It answered.
    Ponged,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    Open,
    /// Our close is on its way or sent: the peer's is awaited, and what else it sends ignored.
    Closing,
    /// Both closes were exchanged: what is left of the output goes, then the connection.
    Closed,
}

/// The stream ended, or must.
struct Ended;

impl Pump {
    /// `front` goes before the first frame.
    pub(super) fn new(
        io: Stream,
        front: BytesMut,
        guard: Guard,
        settings: &Settings,
        claim: Claim,
    ) -> Self {
        let timer = guard.shard().app.runtime.clone();
        let notes = Notes::new();
        Self {
            handler: None,
            is_handler_due: false,
            handler_waker: notes.waker(Note::HANDLER),
            socket_waker: notes.waker(Note::SOCKET),
            waker: notes.shard(),
            notes,
            key: guard.session(),
            transport: guard.transport().unwrap_or(Transport::Websocket),
            io,
            guard,
            codec: Codec::new(settings.limits.message_bytes),
            payload_bytes: settings.limits.payload_bytes(),
            deadline: Deadline::new(timer, settings),
            claim,
            input: BytesMut::new(),
            output: front,
            batch: Vec::new(),
            ahead_bytes: 0,
            liveness: Liveness::Unasked,
            write_count: 0,
            message_count: 0,
            is_blocked: false,
            // The answer to the handshake, which others may have written, may still be on its way.
            is_flushed: false,
            handed: None,
            may_transmit: false,
            stopwatch: Stopwatch::default(),
            is_drained: false,
            has_begun: false,
            has_unparsed: false,
            has_grown: false,
            has_claimed: false,
            phase: Phase::Open,
        }
    }

    /// Ready at the end of either side.
    pub(super) fn poll(&mut self, shard: &Shard, cx: &mut Context<'_>) -> Poll<()> {
        self.notes.begin(cx.waker());
        let polled = self.poll_all(shard, cx);
        if polled.is_ready() {
            // It runs to its end, whatever became of the client: mostly at once, for it was told of that.
            self.run_handler();
            if let Some(handler) = self.handler.take() {
                shard.app.runtime.spawn(handler);
            }
        } else if self.notes.end() {
            cx.waker().wake_by_ref();
        }
        polled
    }

    fn poll_all(&mut self, shard: &Shard, cx: &mut Context<'_>) -> Poll<()> {
        while self.rounds(shard, cx.waker()).is_ok() {
            self.give_back_claim();
            match ready!(self.deadline.poll(&self.waits(), cx)) {
                // Which is still to be written.
                Overdue::Message => self.violated(CloseReason::TOO_SLOW),
                Overdue::Progress if self.phase == Phase::Open => {
                    self.guard.gone(Gone::Stalled);
                    break;
                }
                Overdue::Progress => break,
            }
        }
        Poll::Ready(())
    }

    fn waits(&self) -> Waits {
        // Where the application lags, it is this side that does not read.
        let is_arriving = self.phase == Phase::Open && self.batch.is_empty();
        Waits {
            phase: self.phase,
            is_written: self.output.is_empty(),
            write_count: self.write_count,
            unfinished_bytes: Some(self.claim.taken()).filter(|bytes| is_arriving && *bytes > 0),
            message_count: self.message_count,
            may_read: self.may_read(),
        }
    }

    fn rounds(&mut self, shard: &Shard, task: &Waker) -> Result<(), Ended> {
        // The time of this poll: a look at the clock costs as much as a turn.
        let now = shard.app.now();
        for _ in 0..ROUNDS {
            if self.notes.take(Note::HANDLER) | std::mem::take(&mut self.is_handler_due) {
                self.run_handler();
                self.notes.look();
            }
            if self.notes.take(Note::SOCKET) {
                self.is_drained = false;
            }
            // The open frame comes before the answer to anything that came with the handshake.
            let has_begun = std::mem::replace(&mut self.has_begun, true);
            let has_read = has_begun && !self.is_drained && self.read()?;
            if std::mem::take(&mut self.has_unparsed) {
                self.parse();
            }
            let is_nudged = self.is_nudged();
            if has_read || is_nudged || self.may_transmit {
                self.exchange(shard, now)?;
            }
            match self.poll_flush() {
                Poll::Ready(Ok(())) => {
                    if !has_begun {
                        // The answer to the handshake was in it, and is longer than most messages.
                        self.output = BytesMut::new();
                    }
                    self.flushed(shard, now);
                }
                Poll::Ready(Err(_)) => return Err(Ended),
                Poll::Pending => {}
            }
            if self.phase == Phase::Closed && self.output.is_empty() {
                return Err(Ended);
            }
            let has_more = self.may_transmit && self.output.is_empty();
            let is_watched = self.is_drained || !self.may_read();
            let is_called = self.notes.look() | self.is_handler_due;
            if is_watched && !has_read && !has_more && !is_called {
                self.give_back_memory();
                return Ok(());
            }
        }
        task.wake_by_ref();
        Ok(())
    }

    /// Whether the shard has called.
    fn is_nudged(&mut self) -> bool {
        if !self.notes.take(Note::SHARD) {
            return false;
        }
        self.may_transmit = true;
        true
    }

    /// Nobody is left to talk to once it has ended.
    fn run_handler(&mut self) {
        let mut cx = Context::from_waker(&self.handler_waker);
        if self.handler.as_mut().is_some_and(|handler| handler.as_mut().poll(&mut cx).is_ready()) {
            self.handler = None;
        }
    }

    /// An application that lags is not sent more, but a little is read ahead, to answer pings and to
    /// notice that the client leaves. Nor do pings pile up answers.
    fn may_read(&self) -> bool {
        self.ahead_bytes < READ_BYTES && self.output.len() < OUTPUT_BYTES
    }

    /// Reads what the socket holds. Says whether there was anything.
    fn read(&mut self) -> Result<bool, Ended> {
        if !self.may_read() {
            return Ok(false);
        }
        let mut storage = [MaybeUninit::uninit(); READ_BYTES];
        let mut buf = ReadBuf::uninit(&mut storage);
        let cx = &mut Context::from_waker(&self.socket_waker);
        match Pin::new(&mut self.io).poll_read(cx, buf.unfilled()) {
            Poll::Pending => {
                self.is_drained = true;
                return Ok(false);
            }
            Poll::Ready(Ok(())) if !buf.filled().is_empty() => {}
            Poll::Ready(_) => {
                self.left();
                return Err(Ended);
            }
        }
        self.input.extend_from_slice(buf.filled());
        self.has_grown |= self.input.capacity() > IDLE_BUFFER_BYTES;
        self.has_unparsed = true;
        self.has_claimed = true;
        if !self.batch.is_empty() {
            self.ahead_bytes += buf.filled().len();
        }
        self.shows_life();
        if !self.claim.hold_at_least(self.unfinished_bytes()) {
            self.violated(CloseReason::BUSY);
        }
        Ok(true)
    }

    fn unfinished_bytes(&self) -> usize {
        self.input.len() + self.codec.gathered_bytes()
    }

    /// A pong may be behind what arrives, and a ping behind what the socket took just now.
    fn shows_life(&mut self) {
        if self.liveness == Liveness::Asked {
            self.liveness = Liveness::Alive;
        }
    }

    /// The connection ended: what arrived before counts.
    fn left(&mut self) {
        self.deliver_rest();
        self.guard.gone(Gone::Disconnected);
    }

    fn parse(&mut self) {
        loop {
            let reason = match self.codec.read(&mut self.input, &mut self.output) {
                Ok(None) => return,
                Ok(Some(_)) if self.phase == Phase::Closed => continue,
                Ok(Some(Incoming::Closed(why))) => return self.closed(why),
                Ok(Some(Incoming::Pong)) => {
                    self.liveness = Liveness::Ponged;
                    continue;
                }
                Ok(Some(Incoming::Text(text))) => {
                    let (limit, batch) = (self.payload_bytes, &mut self.batch);
                    payload::read_websocket_text(self.transport, text, limit, batch)
                }
                Ok(Some(Incoming::Binary(bytes))) => {
                    payload::read_websocket_binary(self.transport, bytes, &mut self.batch)
                }
                Err(violation) => Err(violation.into()),
            };
            self.message_count += 1;
            if let Err(reason) = reason {
                return self.violated(reason);
            }
        }
    }

    /// The peer closed: what it sent before counts.
    fn closed(&mut self, why: Option<(u16, String)>) {
        self.deliver_rest();
        self.guard.gone(Gone::Closed(why.map(|(code, text)| CloseReason::new(code, text))));
        self.phase = Phase::Closed;
    }

    /// The peer broke a rule: only the WebSocket close goes out, no close frame of SockJS.
    fn violated(&mut self, reason: CloseReason) {
        self.deliver_rest();
        self.codec.close(reason.websocket_code(), reason.text(), &mut self.output);
        self.guard.gone(Gone::Violation(reason));
        self.phase = Phase::Closing;
    }

    /// Everything handed was flushed.
    fn flushed(&mut self, shard: &Shard, now: Timestamp) {
        if let Some(chunk) = self.handed.take() {
            self.stopwatch.stop(&shard.app);
            shard.turn_at(now, |turn| turn.endpoint.handle_written(chunk, now));
        }
    }

    fn deliver_rest(&mut self) {
        let (Some(key), batch) = (self.key, &mut self.batch) else { return };
        if !batch.is_empty() {
            let shard = self.guard.shard();
            shard.turn(|turn| turn.endpoint.handle_last_messages(key, batch, turn.now));
        }
    }

    /// One turn: passes messages in, takes frames out.
    fn exchange(&mut self, shard: &Shard, now: Timestamp) -> Result<(), Ended> {
        let handler = WakerId::of(&self.handler_waker);
        let (is_over, brought) = shard.turn_of_pump(now, handler, |turn| {
            self.deliver(turn);
            if self.may_transmit {
                self.transmit(turn);
            }
            // A session that ends by itself while its frames pile up has a peer that does not read:
            // no close would reach it.
            self.output.len() >= OUTPUT_BYTES && self.guard.is_over_in(turn, &self.waker)
        });
        self.is_handler_due |= brought.messages || brought.opened.is_some();
        if let Some(session) = brought.opened {
            self.handler = Some(shard.app.handle(session));
        }
        if self.guard.is_finished() && self.phase == Phase::Open {
            self.phase = Phase::Closing;
        }
        if is_over { Err(Ended) } else { Ok(()) }
    }

    fn deliver(&mut self, turn: &mut Turn<'_>) {
        let Some(key) = self.key else { return };
        match self.liveness {
            Liveness::Unasked | Liveness::Asked => {}
            Liveness::Alive => {
                turn.endpoint.handle_alive(key, turn.now);
                self.liveness = Liveness::Asked;
            }
            Liveness::Ponged => {
                turn.endpoint.handle_pong(key, turn.now);
                self.liveness = Liveness::Unasked;
            }
        }
        if self.batch.is_empty() {
            return;
        }
        match turn.endpoint.handle_messages(key, &mut self.batch, turn.now) {
            Ok(()) => self.ahead_bytes = 0,
            Err(Refused::Full) => turn.waiting.of(key).wait_for_room(&self.waker),
            Err(_) => {
                self.batch.clear();
                self.ahead_bytes = 0;
            }
        }
    }

    fn transmit(&mut self, turn: &mut Turn<'_>) {
        while self.output.len() < OUTPUT_BYTES {
            let mark = self.codec.begin(&mut self.output);
            let transmit = self.guard.transmit_in(turn, &mut self.output, &self.waker);
            let Poll::Ready(Some(transmit)) = transmit else {
                self.may_transmit = false;
                return self.codec.abandon(mark, &mut self.output);
            };
            self.handed = transmit.chunk.or(self.handed);
            self.stopwatch.start(turn.now);
            if transmit.frame == FrameKind::Ping {
                self.liveness = Liveness::Asked;
            }
            self.codec.finish(mark, &transmit.frame, &mut self.output);
            if !transmit.more {
                self.may_transmit = false;
                return;
            }
        }
    }

    fn poll_flush(&mut self) -> Poll<io::Result<()>> {
        self.has_grown |= self.output.capacity() > IDLE_BUFFER_BYTES;
        while !self.output.is_empty() {
            let was_blocked = std::mem::replace(&mut self.is_blocked, true);
            let cx = &mut Context::from_waker(&self.socket_waker);
            let written = ready!(Pin::new(&mut self.io).poll_write(cx, &self.output))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.is_blocked = false;
            self.is_flushed = false;
            if was_blocked {
                self.shows_life();
            }
            self.write_count += 1;
            match written == self.output.len() {
                // Its memory stays as it is, with nothing to be reclaimed.
                true => self.output.clear(),
                false => self.output.advance(written),
            }
        }
        // Where nothing is read any more, it is a flush that tells that the server has cut this off.
        if self.is_flushed && self.may_read() {
            return Poll::Ready(Ok(()));
        }
        let cx = &mut Context::from_waker(&self.socket_waker);
        ready!(Pin::new(&mut self.io).poll_flush(cx))?;
        self.is_flushed = true;
        Poll::Ready(Ok(()))
    }

    /// A WebSocket that once carried a lot shall not hold it while idle.
    fn give_back_memory(&mut self) {
        if self.has_grown {
            let buffers = [&mut self.input, &mut self.output];
            self.has_grown = buffers.into_iter().fold(false, |kept, buf| give_back(buf) | kept);
        }
    }

    /// What is finished takes nothing of the budget.
    fn give_back_claim(&mut self) {
        if self.has_claimed && self.batch.is_empty() {
            if self.batch.capacity() > 16 {
                self.batch = Vec::new();
            }
            // Less than was allowed already.
            let _ = self.claim.hold(self.unfinished_bytes());
            self.has_claimed = false;
        }
    }
}

/// Lets go of the memory of an empty buffer if it is long. What was taken from a buffer's front is no longer in
/// its capacity, but the memory is held all the same. Says whether it is kept for now.
fn give_back(buf: &mut BytesMut) -> bool {
    if buf.is_empty() && buf.try_reclaim(IDLE_BUFFER_BYTES + 1) {
        *buf = BytesMut::new();
    }
    !buf.is_empty()
}

/// What was handed and not flushed is lost; then the guard tells that the receiver is gone.
impl Drop for Pump {
    fn drop(&mut self) {
        if let Some(chunk) = self.handed.take() {
            self.guard.shard().turn(|turn| turn.endpoint.handle_lost(chunk, turn.now));
        }
    }
}

#[cfg(all(test, not(sockjs_shuttle)))]
mod tests {
    use super::*;

    #[test]
    fn an_idle_websocket_holds_no_long_buffer_however_it_was_emptied() {
        for (bytes, is_kept) in [(100, true), (IDLE_BUFFER_BYTES, true), (60_000, false)] {
            let empty: [fn(&mut BytesMut); 3] = [
                |buf| buf.advance(buf.len()),
                |buf| drop(buf.split_to(buf.len())),
                BytesMut::clear,
            ];
            for empty in empty {
                let mut buf = BytesMut::with_capacity(bytes);
                buf.resize(bytes, 0);
                empty(&mut buf);
                give_back(&mut buf);
                assert_eq!(buf.try_reclaim(bytes), is_kept, "{bytes} bytes");
            }
        }
    }
}
