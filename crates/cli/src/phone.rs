//! One call from its first event to its last: events, orders, limits, and where a transfer leads.

use crate::call::{not_established, settle};
use crate::exit::{Code, Failure};
use crate::lines::Lines;
use crate::media::{Media, Recorded};
use crate::orders::{Order, refused};
use crate::report::Reporter;
use crate::setup::{Interrupt, failure};
use offhook::{
    Application, AudioStream, CommandError, DeviceMixer, NameAddr, Originator, Session, SessionError,
    SessionEvent, StatusCode,
};
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Ends of a call that the other side never answers: later than any timer of SIP.
const LAST_RESORT: Duration = Duration::from_secs(40);

/// How long a call may ring and last.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) ring: Option<Duration>,
    pub(crate) talk: Option<Duration>,
}

/// What happens to a call that comes in.
pub(crate) struct Answer {
    pub(crate) how: How,
    /// Rings until then.
    pub(crate) ringing: Option<Arc<DeviceMixer>>,
}

pub(crate) enum How {
    /// It is accepted after this time, or when the person at the keyboard says so. Boxed: it is a hundred times as large
    /// as the other.
    Accept(Box<AudioStream>, Option<Duration>),
    Reject(StatusCode),
}

/// What following a call takes.
pub(crate) struct Phone<'a> {
    pub(crate) app: &'a Application,
    pub(crate) media: &'a Media,
    pub(crate) reporter: Reporter,
    pub(crate) interrupt: &'a Interrupt,
    pub(crate) limits: Limits,
}

/// The call that a transfer led to.
struct Next {
    session: Session,
    recorded: Option<Recorded>,
}

impl Phone<'_> {
    /// Reports a session's events until its end; answers it as told; obeys what is typed; hangs up at its limits and when
    /// interrupted. Where the other side sends it elsewhere, and that was allowed, the call there is followed next.
    pub(crate) async fn follow(
        &self,
        session: &mut Session,
        answer: Option<Answer>,
        lines: &mut Lines,
    ) -> Result<(), Failure> {
        let (mut outcome, mut next) = Following::new(self, session, answer).run(lines).await;
        while let Some(Next {
            mut session,
            recorded,
        }) = next
        {
            let followed = Following::new(self, &mut session, None).run(lines).await;
            outcome = settle(recorded, followed.0).await;
            next = followed.1;
        }
        outcome
    }
}

/// A call on its way.
struct Following<'a> {
    phone: &'a Phone<'a>,
    session: &'a mut Session,
    answer: Option<Answer>,
    answer_at: Option<Instant>,
    /// When to hang up, or, once we have, when to give up.
    deadline: Option<Instant>,
    hung_up: bool,
    /// Why, where it was our fault.
    refusal: Option<Failure>,
    /// Somebody has answered, be it provisionally.
    is_there: bool,
    next: Option<Next>,
}

impl<'a> Following<'a> {
    fn new(phone: &'a Phone<'a>, session: &'a mut Session, answer: Option<Answer>) -> Self {
        let answer_at = answer.as_ref().and_then(|answer| match answer.how {
            How::Accept(_, after) => after.map(|after| Instant::now() + after),
            How::Reject(_) => Some(Instant::now()),
        });
        Self {
            phone,
            session,
            answer,
            answer_at,
            deadline: phone.limits.ring.map(|ring| Instant::now() + ring),
            hung_up: false,
            refusal: None,
            is_there: false,
            next: None,
        }
    }

    async fn run(mut self, lines: &mut Lines) -> (Result<(), Failure>, Option<Next>) {
        let interrupt = self.phone.interrupt;
        let outcome = loop {
            tokio::select! {
                event = self.session.next_event() => {
                    let Some(event) = event else {
                        break Err(Failure::new(Code::Internal, "the application has stopped"));
                    };
                    self.phone.reporter.session(&event);
                    if let Some(outcome) = self.take(event).await {
                        break outcome;
                    }
                }
                line = typed(lines), if !self.hung_up => self.obey(&line).await,
                () = until(self.answer_at) => self.respond().await,
                () = until(self.deadline) => {
                    if self.hung_up {
                        let message = "the other side does not answer the end of the call";
                        break Err(Failure::new(Code::Internal, message));
                    }
                    if self.phone.limits.ring.is_some() && !self.is_there {
                        self.refusal = Some(nobody_there("not in the time to ring"));
                    }
                    self.hang_up().await;
                }
                () = interrupt.wait(), if !self.hung_up => self.hang_up().await,
            }
        };
        (outcome, self.next)
    }

    /// What an event means for the program; `Some` when the call is over.
    async fn take(&mut self, event: SessionEvent) -> Option<Result<(), Failure>> {
        match event {
            SessionEvent::DidStart { .. } if !self.hung_up => {
                self.deadline = self.phone.limits.talk.map(|talk| Instant::now() + talk);
                let (session, reporter) = (&*self.session, self.phone.reporter);
                self.phone.media.begin_recording(session, reporter).await;
            }
            SessionEvent::GotRingIndication | SessionEvent::GotProvisionalResponse { .. } => {
                self.is_there = true;
            }
            SessionEvent::TransferNewIncoming { target, .. } => self.go_on_with(target).await,
            SessionEvent::DidEnd { .. } => return Some(Ok(())),
            SessionEvent::DidFail {
                originator: Originator::Local,
                code: 408 | 503,
                reason,
                ..
            } if !self.hung_up => return Some(Err(nobody_there(&reason))),
            // We hung up between the 200 and the ACK: no status tells.
            SessionEvent::DidFail { code: 0, reason, .. } if self.hung_up && self.refusal.is_none() => {
                return Some(Err(Failure::new(Code::NotAnswered, reason)));
            }
            SessionEvent::DidFail { code, reason, .. } => {
                let refusal = self.refusal.take();
                return Some(Err(refusal.unwrap_or_else(|| not_established(code, &reason))));
            }
            _ => {}
        }
        None
    }

    /// A line that was typed: the answer to a call that waits for one, else an order.
    async fn obey(&mut self, line: &str) {
        if self.answer.is_some() && self.answer_at.is_none() {
            if !matches!(line.trim().to_lowercase().as_str(), "" | "y" | "a")
                && let Some(answer) = &mut self.answer
            {
                answer.how = How::Reject(StatusCode::DECLINE);
            }
            return self.respond().await;
        }
        if line.trim().is_empty() {
            return;
        }
        match Order::read(line) {
            Ok(Order::HangUp) => self.hang_up().await,
            Ok(order) => {
                if let Err(error) = order.carry_out(self.session).await {
                    refused(self.phone.reporter, &failure(error.into()).message);
                }
            }
            Err(reason) => refused(self.phone.reporter, &reason),
        }
    }

    /// Answers as told.
    async fn respond(&mut self) {
        self.answer_at = None;
        let Some(Answer { how, ringing }) = self.answer.take() else {
            return;
        };
        drop(ringing);
        let done = match how {
            How::Accept(stream, _) => self.session.accept([*stream]).await,
            How::Reject(code) => self.session.reject(code).await,
        };
        match done {
            // The caller gave up this very moment: the events tell.
            Ok(())
            | Err(CommandError::Session(SessionError::Unknown | SessionError::IllegalState { .. })) => {}
            Err(error) => {
                self.refusal = Some(failure(error.into()));
                self.hang_up().await;
            }
        }
    }

    /// Calls whom the other side sends us to.
    async fn go_on_with(&mut self, target: NameAddr) {
        let reporter = self.phone.reporter;
        let (stream, recorded) = match self.phone.media.next_stream() {
            Ok(media) => media,
            Err(failure) => return refused(reporter, &failure.message),
        };
        let placed = self
            .phone
            .app
            .accept_transfer(self.session, target, [stream])
            .await;
        match placed {
            Ok(session) => self.next = Some(Next { session, recorded }),
            Err(error) => {
                refused(reporter, &failure(error).message);
                // Where it was accepted already, the other side has been told why nothing came of it.
                let _ = self.session.reject_transfer(StatusCode::DECLINE).await;
            }
        }
    }

    async fn hang_up(&mut self) {
        // A session that is over already says so with its last event.
        let _ = self.session.end().await;
        (self.hung_up, self.deadline) = (true, Some(Instant::now() + LAST_RESORT));
    }
}

/// The next line; none ever where the input is over.
async fn typed(lines: &mut Lines) -> String {
    match lines.next().await {
        Some(line) => line,
        None => pending().await,
    }
}

/// Waits for a time, or for ever.
async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => pending().await,
    }
}

/// No answer at all came over any route: RFC 3261 §8.1.3.1 has us act as if a 408 or a 503 had come.
fn nobody_there(reason: &str) -> Failure {
    Failure::new(
        Code::Unreachable,
        format_args!(
            "nobody answers there ({reason}); check the address, and that somebody listens at that port"
        ),
    )
}
