//! Following one session from its first event to its last: its events are told, and it is ended in time or when interrupted.

use crate::exit::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::report::Reporter;
use offhook::{Session, SessionEvent};
use std::future::pending;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

pub(crate) struct Follower<'a> {
    reporter: Reporter,
    interrupt: &'a Interrupt,
    /// When to end it, if nothing happens until then.
    deadline: Option<Instant>,
    is_ending: bool,
}

impl<'a> Follower<'a> {
    pub(crate) fn new(reporter: Reporter, interrupt: &'a Interrupt, deadline: Option<Instant>) -> Self {
        Self {
            reporter,
            interrupt,
            deadline,
            is_ending: false,
        }
    }

    /// The next event, which is told already; `None` when it is time to [end](Self::end) the session.
    pub(crate) async fn next_event(
        &mut self,
        session: &mut Session,
    ) -> Result<Option<SessionEvent>, Failure> {
        let due = async {
            match self.deadline {
                Some(deadline) => sleep_until(deadline).await,
                None => pending().await,
            }
        };
        tokio::select! {
            event = session.next_event() => {
                let event = event.ok_or_else(|| Failure::new(Code::Internal, "the application has stopped"))?;
                self.reporter.session(&event);
                Ok(Some(event))
            }
            () = due => Ok(None),
            () = self.interrupt.wait(), if !self.is_ending => Ok(None),
        }
    }

    /// The session stands: it is ended after this long, or not at all.
    pub(crate) fn end_after(&mut self, limit: Option<Duration>) {
        self.deadline = limit.map(|limit| Instant::now() + limit);
    }

    pub(crate) fn set_deadline(&mut self, deadline: Option<Instant>) {
        self.deadline = deadline;
    }

    pub(crate) fn is_ending(&self) -> bool {
        self.is_ending
    }

    /// Ends the session, once. Its events go on until the last.
    pub(crate) async fn end(&mut self, session: &Session) {
        self.deadline = None;
        if !std::mem::replace(&mut self.is_ending, true) {
            // A session that is over already says so with its last event.
            let _ = session.end().await;
        }
    }
}
