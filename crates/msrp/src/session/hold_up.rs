//! A session whose application takes no events: who waits for it, and for how long.

use super::{MsrpSession, SessionEvent, SessionTimer, State};
use std::time::Instant;

/// Whether the application of a session takes what it is told.
///
/// ```text
///         no room for events         SessionConfig::hold_up without any taken
/// Well ────────────────────► Full ──────────────────────────────────────────► Deaf
///  ▲                          │ ▲                                              │
///  └── all were taken ────────┘ └────────────── some were taken ───────────────┘
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Hearing {
    /// What comes is told.
    #[default]
    Well,
    /// There is no room for more: the connection waits.
    Full,
    /// It waited long enough: unless all sessions on it are full, it goes on without this one, which refuses messages.
    Deaf,
}

impl MsrpSession {
    /// Says that the owner has no room for more events of this session, or has room again. Tell each change, and once more
    /// when some but not all events were taken; [`SessionConfig::hold_up`](super::SessionConfig::hold_up) tells what
    /// follows. Of a session that shares its connection tell the
    /// [`SharedConnection`](crate::connection::SharedConnection::set_full) instead.
    pub fn set_full(&mut self, now: Instant, is_full: bool) {
        if self.state == State::Closed || !is_full {
            self.hearing = Hearing::Well;
            self.timers.stop(SessionTimer::HoldUp);
        } else {
            self.hearing = Hearing::Full;
            self.timers.set(SessionTimer::HoldUp, now + self.config.hold_up);
        }
    }

    /// True when the owner has no room for more events.
    pub fn is_full(&self) -> bool {
        self.hearing != Hearing::Well
    }

    /// The connection waited long enough for the owner.
    pub(super) fn become_deaf(&mut self) {
        self.hearing = Hearing::Deaf;
    }

    /// True when messages are refused because nobody takes them.
    pub(crate) fn is_deaf(&self) -> bool {
        self.hearing == Hearing::Deaf
    }

    /// Tells of something that later events tell as well, unless nobody listens.
    pub(super) fn tell_progress(&mut self, event: SessionEvent) {
        if !self.is_deaf() {
            self.events.push(event);
        }
    }
}
