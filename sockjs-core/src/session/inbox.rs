//! Messages of the client that wait for the application.

use std::collections::VecDeque;

use crate::message::Message;

/// A batch with room for no more messages than this leaves its memory here.
const TAKEN: usize = 16;

/// The queue towards the application.
#[derive(Debug, Default)]
#[expect(clippy::box_collection, reason = "most sessions have none most of the time")]
pub(crate) struct Inbox {
    queue: Option<Box<VecDeque<Message>>>,
    bytes: usize,
}

impl Inbox {
    /// Whether a batch of that cost fits. One always fits an empty queue.
    pub(crate) fn has_room(&self, cost: usize, limit: usize) -> bool {
        self.is_empty() || self.bytes.saturating_add(cost) <= limit
    }

    pub(crate) fn extend(&mut self, batch: &mut Vec<Message>, cost: usize) {
        self.bytes += cost;
        match &mut self.queue {
            Some(queue) => queue.extend(batch.drain(..)),
            // With the memory that it has already, if that is little.
            None if batch.capacity() <= TAKEN => {
                self.queue = Some(Box::new(std::mem::take(batch).into()));
            }
            None => self.queue = Some(Box::new(batch.drain(..).collect())),
        }
    }

    pub(crate) fn front(&self) -> Option<&Message> {
        self.queue.as_ref()?.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let queue = self.queue.as_deref_mut()?;
        let message = queue.pop_front()?;
        self.bytes -= message.cost();
        if queue.is_empty() && queue.capacity() > 64 {
            *queue = VecDeque::new();
        }
        Some(message)
    }

    /// Cost of everything held here, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        // No message costs nothing.
        self.bytes == 0
    }

    /// Gives the memory of an empty queue back.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            self.queue = None;
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Message> {
        self.bytes = 0;
        self.queue.take().map(|queue| (*queue).into()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(count: usize) -> Inbox {
        let mut batch = vec![Message::text("x"); count];
        let queue = Some(Box::new(VecDeque::with_capacity(count)));
        let mut inbox = Inbox { queue, bytes: 0 };
        inbox.extend(&mut batch, count * 65);
        inbox
    }

    #[test]
    fn a_queue_that_was_long_gives_its_memory_back_once_it_is_empty() {
        for (count, is_kept) in [(10, true), (64, true), (65, false), (1_000, false)] {
            let mut inbox = inbox(count);
            for left in (0..count).rev() {
                assert!(inbox.pop().is_some());
                assert_eq!((inbox.bytes(), inbox.is_empty()), (left * 65, left == 0));
            }
            let kept = inbox.queue.as_ref().map_or(0, |queue| queue.capacity());
            assert_eq!(kept > 0, is_kept, "{count}");
            inbox.rest();
            assert!(inbox.queue.is_none() && inbox.is_empty());
        }
    }

    #[test]
    fn a_long_batch_leaves_its_memory_behind() {
        for (capacity, is_taken) in [(8, true), (16, true), (17, false), (1_000, false)] {
            let mut inbox = Inbox::default();
            let mut batch = Vec::with_capacity(capacity);
            batch.push(Message::text("x"));
            inbox.extend(&mut batch, 65);
            assert_eq!((inbox.bytes(), batch.len()), (65, 0));
            assert_eq!(batch.capacity() == 0, is_taken, "{capacity}");
            assert_eq!(inbox.pop(), Some(Message::text("x")));
        }
    }

    #[test]
    fn a_queue_with_something_in_it_does_not_rest() {
        let mut inbox = inbox(1);
        inbox.rest();
        assert_eq!((inbox.bytes(), inbox.is_empty()), (65, false));
    }
}
