//! Messages of the client that wait for the application.

use std::collections::VecDeque;

use crate::message::Message;

/// The queue towards the application.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    queue: VecDeque<Message>,
    bytes: usize,
}

impl Inbox {
    /// Whether a batch of that cost fits. One always fits an empty queue.
    pub(crate) fn has_room(&self, cost: usize, limit: usize) -> bool {
        self.queue.is_empty() || self.bytes.saturating_add(cost) <= limit
    }

    pub(crate) fn extend(&mut self, batch: &mut Vec<Message>, cost: usize) {
        self.bytes += cost;
        self.queue.extend(batch.drain(..));
    }

    pub(crate) fn front(&self) -> Option<&Message> {
        self.queue.front()
    }

    pub(crate) fn pop(&mut self) -> Option<Message> {
        let message = self.queue.pop_front()?;
        self.bytes -= message.cost();
        if self.queue.is_empty() && self.queue.capacity() > 64 {
            self.queue = VecDeque::new();
        }
        Some(message)
    }

    /// Cost of everything held here, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(crate) fn take(&mut self) -> Vec<Message> {
        self.bytes = 0;
        std::mem::take(&mut self.queue).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(count: usize) -> Inbox {
        let mut batch = vec![Message::text("x"); count];
        let mut inbox = Inbox { queue: VecDeque::with_capacity(count), bytes: 0 };
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
            assert_eq!(inbox.queue.capacity() > 0, is_kept, "{count}");
        }
    }
}
