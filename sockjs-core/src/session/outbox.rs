//! Messages on their way to the client, and the account of them (DESIGN §3, invariants 1 and 2).
//!
//! ```text
//!  accepted ──► waiting ──hand──► in flight ──written──► gone from here; counted
//!                                     │ lost
//!                                     └────────────────► unsent; those before it are uncertain
//! ```
//!
//! A message stays in the queue until its chunk is written, so that it can still be reported as
//! unsent if the chunk is lost.

use std::collections::VecDeque;

use smallvec::SmallVec;

use crate::message::Message;
use crate::time::Timestamp;

/// The queue towards the client with its watermarks: handed, written, confirmed.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// Nothing is in it unless there is one: most sessions rest most of the time.
    flow: Option<Box<Flow>>,
    /// Cost of the messages in it.
    bytes: usize,
    next_seq: u64,
    written: u64,
    /// So many messages count as confirmed once they are written.
    confirm_goal: u64,
    /// The last time that a chunk was written, or that one was handed while none was in flight.
    progress: Timestamp,
}

/// What is on its way.
#[derive(Debug, Default)]
struct Flow {
    /// Those in flight first, then those that wait.
    queue: VecDeque<Message>,
    /// Mostly one at a time.
    in_flight: SmallVec<[Chunk; 1]>,
    /// Messages at the front of `queue` that are in flight.
    in_flight_messages: usize,
    in_flight_bytes: usize,
}

/// Memory of outboxes that rest, for those that have something to carry again: a session that is polled
/// does both with each message.
#[derive(Debug, Default)]
#[expect(clippy::vec_box, reason = "they come and go in their boxes")]
pub(crate) struct Spares(Vec<Box<Flow>>);

impl Spares {
    /// So many are kept.
    const COUNT: usize = 32;
    /// Those that are longer are not.
    const MESSAGES: usize = 16;

    fn lend(&mut self) -> Box<Flow> {
        self.0.pop().unwrap_or_default()
    }

    /// Keeps an empty one.
    fn keep(&mut self, flow: Box<Flow>) {
        if self.0.len() < Self::COUNT && flow.queue.capacity() <= Self::MESSAGES {
            self.0.push(flow);
        }
    }
}

static NO_FLOW: Flow = Flow {
    queue: VecDeque::new(),
    in_flight: SmallVec::new_const(),
    in_flight_messages: 0,
    in_flight_bytes: 0,
};

#[derive(Debug)]
struct Chunk {
    seq: u64,
    /// Number of the receiver that it was handed to.
    receiver: u32,
    messages: usize,
    bytes: usize,
    /// Written, but something before it, of another receiver, is not.
    is_written: bool,
}

/// What an outbox amounts to when its session ends.
#[derive(Debug)]
pub(crate) struct Account {
    pub(crate) accepted: u64,
    pub(crate) written: u64,
    pub(crate) confirmed: u64,
    pub(crate) unsent: Vec<Message>,
}

impl Outbox {
    /// Accepts a message.
    pub(crate) fn push(&mut self, message: Message, spares: &mut Spares) {
        self.bytes += message.cost();
        self.flow.get_or_insert_with(|| spares.lend()).queue.push_back(message);
    }

    fn flow(&self) -> &Flow {
        self.flow.as_deref().unwrap_or(&NO_FLOW)
    }

    /// Gives the memory of an empty queue back.
    pub(crate) fn rest(&mut self, spares: &mut Spares) {
        let is_empty = |flow: &mut Box<Flow>| flow.queue.is_empty() && flow.in_flight.is_empty();
        if let Some(flow) = self.flow.take_if(is_empty) {
            spares.keep(flow);
        }
    }

    /// Cost of everything held here, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether a message of that cost fits. One always fits an empty queue.
    pub(crate) fn has_room(&self, cost: usize, limit: usize) -> bool {
        // No message costs nothing.
        self.bytes == 0 || self.bytes.saturating_add(cost) <= limit
    }

    /// Whether messages wait to be handed.
    pub(crate) fn is_waiting(&self) -> bool {
        let flow = self.flow();
        flow.queue.len() > flow.in_flight_messages
    }

    /// Whether the window lets another chunk be handed: one always is if none is in flight.
    pub(crate) fn has_window(&self, window_bytes: usize) -> bool {
        let flow = self.flow();
        flow.in_flight.is_empty() || flow.in_flight_bytes < window_bytes
    }

    /// Whether chunks were handed and neither written nor lost.
    pub(crate) fn is_in_flight(&self) -> bool {
        !self.flow().in_flight.is_empty()
    }

    /// The waiting messages, first first.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &Message> + Clone {
        let flow = self.flow();
        flow.queue.range(flow.in_flight_messages..)
    }

    /// Hands the first `messages` waiting ones to the receiver of that number, in a chunk of
    /// `bytes`. Returns the chunk's number.
    #[inline]
    pub(crate) fn hand(
        &mut self,
        messages: usize,
        bytes: usize,
        receiver: u32,
        now: Timestamp,
    ) -> u64 {
        let flow = self.flow.get_or_insert_default();
        if flow.in_flight.is_empty() {
            self.progress = now;
        }
        let seq = self.next_seq;
        self.next_seq += 1;
        flow.in_flight_messages += messages;
        flow.in_flight_bytes += bytes;
        flow.in_flight.push(Chunk { seq, receiver, messages, bytes, is_written: false });
        seq
    }

    /// The chunk was written, and so was all that its receiver was handed before it. Another
    /// receiver's chunks have a connection of their own, whose word is awaited.
    pub(crate) fn written(&mut self, seq: u64, now: Timestamp) {
        let Some(flow) = &mut self.flow else { return };
        match flow.in_flight.first_mut() {
            Some(first) if first.seq == seq => first.is_written = true,
            _ => {
                let Some(at) = flow.position(seq) else { return };
                let receiver = flow.in_flight.get(at).map(|chunk| chunk.receiver);
                let known = flow.in_flight.iter_mut().take(at + 1);
                known
                    .filter(|chunk| Some(chunk.receiver) == receiver)
                    .for_each(|chunk| chunk.is_written = true);
            }
        }
        self.progress = now;
        let (messages, bytes) = flow.forget_written();
        self.written += messages as u64;
        self.bytes -= bytes;
    }

    /// The chunk was handed and cannot have arrived whole, nor what the same receiver was handed after
    /// it. Says whether it was in flight.
    ///
    /// A client can act on no part of these, so their messages count as unsent again; unless
    /// another receiver was handed more since, which may have arrived.
    pub(crate) fn lost(&mut self, seq: u64) -> bool {
        let Some(flow) = &mut self.flow else { return false };
        let Some(at) = flow.position(seq) else { return false };
        let Some(chunk) = flow.in_flight.get(at).filter(|chunk| !chunk.is_written) else {
            return false;
        };
        let receiver = Some(chunk.receiver);
        if flow.in_flight.iter().skip(at).all(|chunk| Some(chunk.receiver) == receiver) {
            for chunk in flow.in_flight.drain(at..) {
                flow.in_flight_messages -= chunk.messages;
                flow.in_flight_bytes -= chunk.bytes;
            }
        }
        true
    }

    /// Number of the next chunk to be handed.
    pub(crate) fn next_seq(&self) -> u64 {
        self.next_seq
    }

    /// Messages handed so far.
    pub(crate) fn handed(&self) -> u64 {
        self.written + self.flow().in_flight_messages as u64
    }

    /// The client showed that it got the first `handed` messages; those of them that are not
    /// written yet count when they are.
    pub(crate) fn confirm(&mut self, handed: u64) {
        self.confirm_goal = self.confirm_goal.max(handed);
    }

    fn confirmed(&self) -> u64 {
        self.written.min(self.confirm_goal)
    }

    /// When something in flight last moved; `None` if nothing is in flight.
    pub(crate) fn stalled_since(&self) -> Option<Timestamp> {
        self.is_in_flight().then_some(self.progress)
    }

    /// The last time that something moved.
    pub(crate) fn progress(&self) -> Timestamp {
        self.progress
    }

    /// Ends the queue.
    pub(crate) fn close(&mut self) -> Account {
        let outbox = std::mem::take(self);
        let (written, confirmed) = (outbox.written, outbox.confirmed());
        let Flow { mut queue, in_flight_messages, .. } = *outbox.flow.unwrap_or_default();
        Account {
            // What was written has left the queue, and nothing else has.
            accepted: written + queue.len() as u64,
            written,
            confirmed,
            unsent: queue.drain(in_flight_messages..).collect(),
        }
    }
}

impl Flow {
    /// Where the chunk is in the queue, if it is in flight.
    fn position(&self, seq: u64) -> Option<usize> {
        self.in_flight.binary_search_by_key(&seq, |chunk| chunk.seq).ok()
    }

    /// Drops the chunks that were written, up to the first that was not. Returns how many messages
    /// were in them, and their cost.
    fn forget_written(&mut self) -> (usize, usize) {
        let (mut chunks, mut messages) = (0, 0);
        for chunk in self.in_flight.iter().take_while(|chunk| chunk.is_written) {
            chunks += 1;
            messages += chunk.messages;
            self.in_flight_bytes -= chunk.bytes;
        }
        match chunks == self.in_flight.len() {
            true => self.in_flight.clear(),
            false => drop(self.in_flight.drain(..chunks)),
        }
        let left = (0..messages).map_while(|_| self.queue.pop_front());
        let bytes = left.map(|message| message.cost()).sum();
        self.in_flight_messages -= messages;
        self.give_back_memory();
        (messages, bytes)
    }

    /// A session that once had a long queue shall not hold its memory while idle.
    fn give_back_memory(&mut self) {
        const KEPT: usize = 64;
        if self.queue.is_empty() && self.queue.capacity() > KEPT {
            self.queue = VecDeque::new();
        }
        if self.in_flight.is_empty() && self.in_flight.spilled() {
            self.in_flight = SmallVec::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::EPOCH;

    fn outbox(messages: usize) -> Outbox {
        let mut outbox = Outbox::default();
        let spares = &mut Spares::default();
        (0..messages).for_each(|n| outbox.push(Message::text(n.to_string()), spares));
        outbox
    }

    #[test]
    fn written_is_cumulative() {
        let mut outbox = outbox(3);
        outbox.hand(1, 10, 1, NOW);
        let second = outbox.hand(1, 10, 1, NOW);
        outbox.written(second, NOW);
        assert!(!outbox.is_in_flight() && outbox.is_waiting());
        let account = outbox.close();
        assert_eq!((account.accepted, account.written, account.confirmed), (3, 2, 0));
        assert_eq!(account.unsent, [Message::text("2")]);
    }

    #[test]
    fn what_one_receiver_got_says_nothing_of_another() {
        let mut outbox = outbox(3);
        let first = outbox.hand(1, 10, 1, NOW);
        let second = outbox.hand(1, 10, 2, NOW);
        outbox.written(second, NOW);
        assert_eq!((outbox.written, outbox.is_in_flight()), (0, true));
        assert!(!outbox.lost(second), "it is written");
        let mut lucky = outbox;
        lucky.written(first, NOW);
        assert_eq!((lucky.written, lucky.is_in_flight()), (2, false));
        let mut outbox = self::outbox(2);
        let first = outbox.hand(1, 10, 1, NOW);
        let second = outbox.hand(1, 10, 2, NOW);
        outbox.written(second, NOW);
        assert!(outbox.lost(first));
        let account = outbox.close();
        assert_eq!((account.written, account.unsent.len()), (0, 0), "both are uncertain");
    }

    #[test]
    fn a_confirmation_waits_for_what_is_in_flight() {
        let mut outbox = outbox(2);
        let seq = outbox.hand(2, 10, 1, NOW);
        outbox.confirm(outbox.handed());
        assert_eq!(outbox.confirmed(), 0);
        outbox.written(seq, NOW);
        assert_eq!(outbox.confirmed(), 2);
    }

    #[test]
    fn what_a_receiver_lost_is_unsent_from_there_on() {
        let mut outbox = outbox(4);
        outbox.hand(1, 10, 1, NOW);
        let second = outbox.hand(1, 10, 1, NOW);
        let third = outbox.hand(1, 10, 1, NOW);
        assert!(outbox.lost(second));
        assert!(!outbox.lost(third), "lost with the one before it");
        assert!(outbox.has_window(11) && !outbox.has_window(10), "the first is in flight");
        assert_eq!(outbox.close().unsent.len(), 3);
    }

    #[test]
    fn what_was_lost_before_another_receiver_got_more_is_uncertain() {
        let mut outbox = outbox(3);
        let first = outbox.hand(1, 10, 1, NOW);
        outbox.hand(1, 10, 2, NOW);
        assert!(outbox.lost(first));
        assert_eq!(outbox.close().unsent.len(), 1);
    }

    #[test]
    fn a_queue_that_was_long_gives_its_memory_back_once_it_is_empty() {
        for (count, is_kept) in [(10, true), (64, true), (65, false), (1_000, false)] {
            let queue = VecDeque::with_capacity(count);
            let flow = Some(Box::new(Flow { queue, ..Flow::default() }));
            let mut outbox = Outbox { flow, ..Outbox::default() };
            (0..count).for_each(|_| outbox.push(Message::text("x"), &mut Spares::default()));
            for left in (0..count).rev() {
                let seq = outbox.hand(1, 1, 1, NOW);
                outbox.written(seq, NOW);
                assert_eq!((outbox.bytes(), outbox.is_waiting()), (left * 65, left > 0));
            }
            assert_eq!(outbox.flow().queue.capacity() > 0, is_kept, "{count}");
        }
    }

    #[test]
    fn only_an_empty_queue_rests() {
        let mut outbox = outbox(1);
        let spares = &mut Spares::default();
        outbox.rest(spares);
        assert!(outbox.is_waiting());
        let first = outbox.hand(1, 10, 1, NOW);
        let second = outbox.hand(0, 1, 1, NOW);
        outbox.written(first, NOW);
        outbox.rest(spares);
        assert!(outbox.is_in_flight(), "a frame without messages is");
        outbox.written(second, NOW);
        assert!(outbox.flow.is_some());
        outbox.rest(spares);
        assert!(outbox.flow.is_none() && spares.0.len() == 1);
        assert_eq!((outbox.handed(), outbox.next_seq(), outbox.bytes()), (1, 2, 0));
    }

    #[test]
    fn few_spares_are_kept_and_none_that_is_long() {
        let spares = &mut Spares::default();
        let mut outboxes: Vec<_> = (0..100).map(|_| Outbox::default()).collect();
        for (count, kept) in [(1, Spares::COUNT), (20, 0)] {
            for outbox in &mut outboxes {
                (0..count).for_each(|_| outbox.push(Message::text("x"), spares));
                let seq = outbox.hand(count, 1, 1, NOW);
                outbox.written(seq, NOW);
            }
            outboxes.iter_mut().for_each(|outbox| outbox.rest(spares));
            assert_eq!(spares.0.len(), kept, "after {count}");
        }
    }

    proptest! {
        #[test]
        fn accounts_are_exact(ops in prop::collection::vec((0u8..5, 1usize..4), 0..60)) {
            let mut outbox = Outbox::default();
            let spares = &mut Spares::default();
            let (mut pushed, mut confirmed, mut handed) = (0u64, 0, Vec::new());
            for (op, n) in ops {
                match op {
                    0 => { outbox.push(Message::text(pushed.to_string()), spares); pushed += 1; }
                    1 => {
                        let n = n.min(outbox.waiting().count());
                        if n > 0 { handed.push(outbox.hand(n, n, 1, NOW)); }
                    }
                    2 => if let Some(seq) = handed.get(n) { outbox.written(*seq, NOW) },
                    3 => outbox.confirm(outbox.handed()),
                    _ => if let Some(seq) = handed.last() { outbox.lost(*seq); },
                }
                let cost: usize = outbox.flow().queue.iter().map(Message::cost).sum();
                outbox.rest(spares);
                prop_assert_eq!(outbox.bytes(), cost);
                prop_assert!(outbox.confirmed() >= confirmed && outbox.written <= pushed);
                confirmed = outbox.confirmed();
            }
            let account = outbox.close();
            prop_assert_eq!(account.accepted, pushed);
            prop_assert!(account.written + account.unsent.len() as u64 <= pushed);
            let first = pushed - account.unsent.len() as u64;
            for (n, message) in (first..).zip(&account.unsent) {
                prop_assert_eq!(message, &Message::text(n.to_string()));
            }
        }
    }
}
