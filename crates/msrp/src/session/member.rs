//! A session as one of those on a connection: what the connection does with it.

use super::{CloseReason, MsrpSession, SessionTimer, State};
use crate::framer::{Frame, Framer};
use std::time::Instant;

impl MsrpSession {
    /// Gives up what has read the connection so far: the connection reads on.
    pub(crate) fn take_framer(&mut self) -> Framer {
        self.timers.stop(SessionTimer::Stall);
        std::mem::replace(&mut self.framer, Framer::new(self.config.head_limits))
    }

    /// Takes the next frame of a chunk that is for this session.
    pub(crate) fn take_frame(&mut self, now: Instant, frame: Frame) {
        if self.state == State::Closed {
            return;
        }
        if let Some(tracing) = &mut self.tracing {
            tracing.received(&frame);
        }
        match frame {
            Frame::Head(head) if self.is_for_relay_client(now, &head) => {}
            frame => self.handle_frame(now, frame),
        }
    }

    /// True when a To-Path is ours to the letter, as nearly all are.
    pub(crate) fn is_addressed(&self, to_path: &str) -> bool {
        self.outbound.from_path == to_path
    }

    pub(crate) fn has_session_id(&self, id: &str) -> bool {
        self.config.local_path.last().session_id() == Some(id)
    }

    /// True inside a chunk: nobody else may write.
    pub(crate) fn is_inside_chunk(&self) -> bool {
        self.outbound.open_chunk().is_some()
    }

    /// True when [`poll_transmit`](Self::poll_transmit) would give something.
    pub(crate) fn has_something_to_send(&self) -> bool {
        let may_send = matches!(self.state, State::Active | State::Closing)
            && self.transactions.wanted() < self.config.unanswered;
        !self.urgent.is_empty() || (may_send && self.outbound.can_write())
    }

    /// True while so many bytes wait to be sent that no more are taken.
    #[cfg(feature = "tokio")]
    pub(crate) fn has_too_many_bytes(&self) -> bool {
        self.outbound.is_full()
    }

    /// False while so many answers wait to be written that nothing more should be asked.
    pub(crate) fn may_answer(&self) -> bool {
        self.urgent.len() < super::URGENT_LIMIT
    }

    /// Says whether others want to write on the connection: then a long chunk does not stay open.
    pub(crate) fn let_others_write(&mut self, others_wait: bool) {
        self.outbound.neighbours_wait = others_wait;
    }

    /// True when it is over, and all that it had to say was taken.
    pub(crate) fn is_forgettable(&self) -> bool {
        self.state == State::Closed
            && self.urgent.is_empty()
            && !self.is_inside_chunk()
            && self.events.is_empty()
    }

    /// The connection broke a rule, and its sessions end with it.
    pub(crate) fn end_with(&mut self, reason: CloseReason) {
        self.end(reason);
    }

    /// After the frames that were there.
    pub(crate) fn after_input(&mut self) {
        self.settle();
    }
}
