//! Whose turn it is to be sent.

use super::LOW_WATER;
use crate::chunk::{FailureReport, SuccessReport};
use bytes::Bytes;
use std::collections::VecDeque;

/// A message in the queue.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) key: u64,
    pub(super) message_id: Box<str>,
    pub(super) content_type: String,
    pub(super) fields: Vec<(String, String)>,
    pub(super) success: SuccessReport,
    pub(super) failure: FailureReport,
    /// What is there to send.
    pub(super) data: VecDeque<Bytes>,
    pub(super) available: u64,
    /// The next byte to send, from 0.
    pub(super) at: u64,
    pub(super) size: Option<u64>,
    pub(super) begun: bool,
    /// The owner was asked for more.
    pub(super) asked: bool,
    /// The message was given up by us: one more end-line says so.
    pub(super) aborted: bool,
    pub(super) length: Length,
}

/// Whether a message may be begun and left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// It goes out in one chunk, in one piece.
    Short,
    Long,
}

/// Messages that take turns, and those that wait for a turn.
///
/// Receivers keep a place for each message that was begun, and have few. So only so many long messages take turns; the others
/// wait in order. Short ones take turns at once: they need a place for no longer than they are written.
#[derive(Debug)]
pub(super) struct Queue {
    /// The front one is next, or has the open chunk.
    turns: VecDeque<Queued>,
    /// Long messages that were not begun.
    line: VecDeque<Queued>,
    /// How many long ones take turns.
    long: usize,
    most_long: usize,
}

impl Queue {
    pub(super) fn new(most_long: usize) -> Self {
        Self {
            turns: VecDeque::new(),
            line: VecDeque::new(),
            long: 0,
            most_long: most_long.max(1),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty() // then the line is, too: who leaves lets the next one in
    }

    /// How many take turns.
    pub(super) fn turns(&self) -> usize {
        self.turns.len()
    }

    pub(super) fn front(&self) -> Option<&Queued> {
        self.turns.front()
    }

    pub(super) fn front_mut(&mut self) -> Option<&mut Queued> {
        self.turns.front_mut()
    }

    pub(super) fn push(&mut self, message: Queued) {
        if message.length == Length::Short {
            self.turns.push_back(message);
        } else {
            self.line.push_back(message);
            self.admit();
        }
    }

    /// The front one has had its turn.
    pub(super) fn rotate(&mut self) {
        self.turns.rotate_left(1);
    }

    pub(super) fn pop_front(&mut self) {
        if let Some(message) = self.turns.pop_front() {
            self.leave(&message);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Queued> {
        self.turns.iter().chain(&self.line)
    }

    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut Queued> {
        let mut all = self.turns.iter_mut().chain(&mut self.line);
        all.find(|message| message.key == key)
    }

    pub(super) fn remove(&mut self, key: u64) {
        if let Some(index) = self.turns.iter().position(|message| message.key == key) {
            if let Some(message) = self.turns.remove(index) {
                self.leave(&message);
            }
        } else {
            self.line.retain(|message| message.key != key);
        }
    }

    /// Forgets all but the first `kept` of those that take turns.
    pub(super) fn truncate(&mut self, kept: usize) {
        self.line.clear();
        self.turns.truncate(kept);
        self.long = self
            .turns
            .iter()
            .filter(|message| message.length == Length::Long)
            .count();
    }

    pub(super) fn can_go_on(&self, is_full: bool) -> bool {
        self.turns.iter().any(Queued::can_go_on) || self.stand_in(is_full).is_some()
    }

    /// All that take turns wait to be supplied: one more may, that need not wait for its owner as well. So a slow owner of some
    /// keeps no other from being sent, nor the queue full.
    pub(super) fn call_stand_in(&mut self, is_full: bool) -> bool {
        let message = self.stand_in(is_full).and_then(|index| self.line.remove(index));
        let is_there = message.is_some();
        if let Some(message) = message {
            self.long += 1;
            self.turns.push_front(message);
        }
        is_there
    }

    fn stand_in(&self, is_full: bool) -> Option<usize> {
        let can = |message: &Queued| message.can_go_on() && (is_full || message.is_all_there());
        self.line.iter().position(can)
    }

    fn leave(&mut self, message: &Queued) {
        self.long -= usize::from(message.length == Length::Long);
        self.admit();
    }

    fn admit(&mut self) {
        while self.long < self.most_long
            && let Some(message) = self.line.pop_front()
        {
            self.long += 1;
            self.turns.push_back(message);
        }
    }
}

impl Queued {
    pub(super) fn give_up(&mut self) {
        self.aborted = true;
        self.data.clear();
        self.available = 0;
    }

    /// How much of the message is still to be sent, when that is known.
    pub(super) fn rest(&self) -> Option<u64> {
        if self.aborted {
            return Some(0);
        }
        self.size.map(|size| size.saturating_sub(self.at))
    }

    pub(super) fn drop_empty(&mut self) {
        while self.data.front().is_some_and(Bytes::is_empty) {
            self.data.pop_front();
        }
    }

    pub(super) fn can_go_on(&self) -> bool {
        self.available > 0 || self.rest() == Some(0)
    }

    /// Asks the owner for more bytes, once.
    pub(super) fn ask(&mut self, wants_data: &mut VecDeque<u64>) {
        let missing = self.rest().is_none_or(|rest| rest > self.available);
        if missing && !self.asked && self.available < LOW_WATER {
            self.asked = true;
            wants_data.push_back(self.key);
        }
    }

    /// Nothing more has to be supplied.
    fn is_all_there(&self) -> bool {
        self.rest().is_some_and(|rest| rest <= self.available)
    }
}
