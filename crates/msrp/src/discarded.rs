//! What arrives of what was refused.

use crate::chunk::Head;

/// How much is read of a message after it was refused: a sender has so much on the way before it sees the refusal, and who goes
/// on for ever does not look.
#[derive(Debug, Default)]
pub(crate) struct Discarded {
    message_id: Option<Box<str>>,
    bytes: u64,
}

impl Discarded {
    /// A chunk comes that nobody takes, or no longer. What came of the same message before counts.
    pub(crate) fn begin(&mut self, head: &Head) {
        let message_id = head.message_id();
        if message_id.is_none() || message_id != self.message_id.as_deref() {
            self.message_id = message_id.map(Into::into);
            self.bytes = 0;
        }
    }

    /// Bytes of it; how many these are in all.
    pub(crate) fn add(&mut self, bytes: usize) -> u64 {
        self.bytes += bytes as u64;
        self.bytes
    }
}
