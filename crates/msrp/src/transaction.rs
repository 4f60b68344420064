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

/// Open transactions. Those of a kind are in the order in which they were sent, which is the order of their identifiers, the
/// one in which they time out and, nearly always, the one in which they are answered. A chunk has its identifier from its
/// beginning and is sent at its end: requests without a body go between.
#[derive(Debug, Default)]
pub(crate) struct Transactions {
    /// Requests without a body.
    requests: VecDeque<Pending>,
    /// Chunks that must be answered.
    chunks: VecDeque<Pending>,
    /// Chunks of which only a refusal would be told, if anything.
    unneeded: VecDeque<Pending>,
}

impl Transactions {
    pub(crate) fn open(&mut self, id: TransactionId, deadline: Instant, what: What) {
        let kind = match what {
            What::Bind | What::KeepAlive | What::Nickname => &mut self.requests,
            What::Chunk {
                wish: FailureReport::Yes,
                ..
            } => &mut self.chunks,
            What::Chunk { .. } => &mut self.unneeded,
        };
        kind.push_back(Pending {
            id,
            number: TransactionIds::number_of(&id).unwrap_or_default(),
            deadline,
            what,
        });
    }

    /// Takes the transaction that a response names.
    pub(crate) fn answer(&mut self, id: &TransactionId) -> Option<Pending> {
        let number = TransactionIds::number_of(id)?;
        let mut kinds = [&mut self.chunks, &mut self.unneeded, &mut self.requests].into_iter();
        kinds.find_map(|kind| {
            let index = kind
                .binary_search_by_key(&number, |pending| pending.number)
                .ok()?;
            (kind[index].id == *id).then(|| kind.remove(index))?
        })
    }

    /// Takes a transaction whose time is over.
    pub(crate) fn take_expired(&mut self, now: Instant) -> Option<Pending> {
        let kinds = [&mut self.chunks, &mut self.unneeded, &mut self.requests].into_iter();
        let deadline = |kind: &&mut VecDeque<Pending>| kind.front().map(|pending| pending.deadline);
        let expired = kinds.filter(|kind| deadline(kind).is_some_and(|deadline| deadline <= now));
        expired.min_by_key(deadline)?.pop_front()
    }

    /// Takes the oldest chunk that need not be answered.
    pub(crate) fn take_unneeded(&mut self) -> Option<Pending> {
        self.unneeded.pop_front()
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let kinds = [&self.chunks, &self.unneeded, &self.requests].into_iter();
        kinds.filter_map(|kind| Some(kind.front()?.deadline)).min()
    }

    /// How many chunks need not be answered.
    pub(crate) fn unneeded(&self) -> usize {
        self.unneeded.len()
    }

    /// How many transactions must be answered: their silence would be a failure.
    pub(crate) fn wanted(&self) -> usize {
        self.requests.len() + self.chunks.len()
    }
}
