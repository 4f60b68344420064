//! The queue behind `poll_transmit` and `poll_event`.

use std::collections::VecDeque;

/// A first-in first-out queue that a core fills and its owner drains.
#[derive(Clone, Debug)]
pub struct Outbox<T> {
    items: VecDeque<T>,
}

impl<T> Outbox<T> {
    /// An empty queue, which allocates with its first item.
    pub const fn new() -> Self {
        Self {
            items: VecDeque::new(),
        }
    }

    /// Adds an item behind the others.
    pub fn push(&mut self, item: T) {
        self.items.push_back(item);
    }

    /// Takes the oldest item.
    #[must_use = "an item that is popped and dropped is lost"]
    pub fn pop(&mut self) -> Option<T> {
        self.items.pop_front()
    }

    /// How many items wait to be drained.
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// True when the queue is drained.
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<T> Default for Outbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T> Extend<T> for Outbox<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        self.items.extend(items);
    }
}
