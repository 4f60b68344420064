//! The version of the `o=` line (RFC 3264 §5, §8).

use crate::SessionDescription;

/// How the peer's new description relates to its last one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RemoteChange {
    /// There was none before, or it is that of another session.
    New,
    /// Something differs.
    Changed,
    /// Nothing differs but, at most, the version: a refresh, as of a session timer (RFC 4028 §7.4).
    Unchanged,
}

impl RemoteChange {
    /// Compares content. The peer's version is not trusted: some never count, some count without a change.
    pub(super) fn between(last: Option<&SessionDescription>, new: &SessionDescription) -> Self {
        match last {
            Some(last) if last.same_content(new) => Self::Unchanged,
            Some(last) if last.origin.same_session(&new.origin) => Self::Changed,
            _ => Self::New,
        }
    }
}

/// Numbers what we write: plus one for each change against what was written last, sent or rolled back.
#[derive(Clone, Debug)]
pub(super) struct Versions {
    first: u64,
    last: Option<SessionDescription>,
}

impl Versions {
    pub(super) fn new(first: u64) -> Self {
        Self { first, last: None }
    }

    pub(super) fn stamp(&mut self, description: &mut SessionDescription) {
        description.origin.session_version = match &self.last {
            None => self.first,
            Some(last) if last.same_content(description) => last.origin.session_version,
            Some(last) => last.origin.session_version.wrapping_add(1),
        };
        self.last = Some(description.clone());
    }
}
