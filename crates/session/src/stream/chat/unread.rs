//! What an application that does not read costs: little memory here, and patience on the other side.

use super::MsrpEnd;
use crate::media::MsrpCommand;
use crate::stream::{StreamContext, StreamError};

/// With how many events that the application has not read nothing more is taken from the other side, whose messages wait in its
/// connection; with half of them it goes on. What is on its way at that moment still comes: 256 events at most.
const MOST: usize = 128;

/// With how many of them nothing more is sent: each message that is causes an event or two.
const MOST_TO_SEND: usize = 1024;

/// Events that the application has not read.
#[derive(Debug, Default)]
pub(super) struct Unread {
    events: usize,
    /// The other side has to wait until it does.
    is_paused: bool,
}

impl Unread {
    /// Whether something may be sent.
    pub(super) fn check(&self) -> Result<(), StreamError> {
        if self.events < MOST_TO_SEND {
            Ok(())
        } else {
            Err(StreamError::TooMuchUnread(self.events))
        }
    }

    pub(super) fn told(&mut self, cx: &mut StreamContext<'_>, end: &MsrpEnd) {
        self.events += 1;
        if self.events >= MOST && !self.is_paused {
            self.pause(cx, end, MsrpCommand::Pause);
        }
    }

    pub(super) fn taken(&mut self, cx: &mut StreamContext<'_>, end: &MsrpEnd) {
        self.events = self.events.saturating_sub(1);
        if self.events <= MOST / 2 && self.is_paused {
            self.pause(cx, end, MsrpCommand::Resume);
        }
    }

    fn pause(&mut self, cx: &mut StreamContext<'_>, end: &MsrpEnd, command: MsrpCommand) {
        match end.send(cx, command) {
            Ok(()) => self.is_paused = !self.is_paused,
            Err(error) => tracing::debug!(%error, "there is no connection to pause"),
        }
    }
}
