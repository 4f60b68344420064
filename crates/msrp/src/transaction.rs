//! Requests that wait for their response (RFC 4975 §7.1.1).

use crate::chunk::{FailureReport, TransactionId, TransactionIds};
use std::collections::VecDeque;
use std::time::Instant;

/// A request that was sent in full.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pending {
    pub(crate) id: TransactionId,
    number: u64,
    deadline: Instant,
    pub(crate) what: What,
}

/// What a request was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// Binds the connection to the session.
    Bind,
    /// Keeps the connection alive.
    KeepAlive,
    /// Asks for a nickname.
    Nickname,
    /// Carries bytes of a message.
    Chunk {
        message: u64,
        len: u64,
        wish: FailureReport,
    },
}

/// Open transactions in the order in which they were sent, which is the order in which they time out and, nearly
/// always, are answered.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    pending: VecDeque<Pending>,
    /// How many of them must be answered.
    wanted: usize,
}

impl Transactions {
    pub(crate) fn open(&mut self, id: TransactionId, deadline: Instant, what: What) {
        let number = TransactionIds::number_of(&id).unwrap_or_default();
        self.wanted += usize::from(must_be_answered(what));
        self.pending.push_back(Pending {
            id,
            number,
            deadline,
            what,
        });
    }

    /// Takes the transaction that a response names.
    pub(crate) fn answer(&mut self, id: &TransactionId) -> Option<Pending> {
        let number = TransactionIds::number_of(id)?;
        let index = self
            .pending
            .binary_search_by_key(&number, |pending| pending.number)
            .ok()?;
        if self.pending[index].id != *id {
            return None;
        }
        let pending = self.pending.remove(index)?;
        self.wanted -= usize::from(must_be_answered(pending.what));
        Some(pending)
    }

    /// Takes a transaction whose time is over.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Pending> {
        self.pending.front().filter(|pending| pending.deadline <= now)?;
        self.take_oldest()
    }

    /// Takes the oldest transaction.
    pub(crate) fn take_oldest(&mut self) -> Option<Pending> {
        let pending = self.pending.pop_front()?;
        self.wanted -= usize::from(must_be_answered(pending.what));
        Some(pending)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.pending.front().map(|pending| pending.deadline)
    }

    pub(crate) fn count(&self) -> usize {
        self.pending.len()
    }

    /// How many transactions must be answered: their silence would be a failure.
    pub(crate) fn wanted(&self) -> usize {
        self.wanted
    }
}

fn must_be_answered(what: What) -> bool {
    !matches!(
        what,
        What::Chunk {
            wish: FailureReport::Partial | FailureReport::No,
            ..
        }
    )
}
