//! `offhook call URI`

use crate::args::CallArgs;
use crate::exit::{Code, Failure};
use crate::media::{Media, Recorded};
use crate::report::Reporter;
use crate::setup::{Interrupt, failure, finish, next_incoming, start, uri};
use offhook::{
    Application, AudioStream, CommandError, MediaStream, Originator, Route, Session, SessionError,
    SessionEvent, SipUri, StatusCode,
};
use serde_json::json;
use std::pin::pin;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

/// Ends of a call that the other side never answers: later than any timer of SIP.
const LAST_RESORT: Duration = Duration::from_secs(40);

/// Places one call and stays with it to its end.
pub(crate) async fn run(args: CallArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let target = uri(&args.uri)?;
    let media = Media::prepare(&args.media)?;
    let app = start(&args.common, 0, reporter).await?;
    let outcome = match media.stream(1) {
        Ok((stream, recorded)) => {
            let outcome = talk(&app, target, stream, &args, reporter, &interrupt).await;
            settle(recorded, outcome).await
        }
        Err(failure) => Err(failure),
    };
    finish(app).await;
    outcome
}

async fn talk(
    app: &Application,
    target: SipUri,
    stream: AudioStream,
    args: &CallArgs,
    reporter: Reporter,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut session = tokio::select! {
        placed = place(app, target, stream, reporter) => placed?,
        () = interrupt.wait() => {
            return Err(Failure::new(Code::NotAnswered, "interrupted before the call was placed"));
        }
    };
    let limits = Limits {
        ring: Some(Duration::from_secs_f64(args.ring_timeout)),
        talk: args.media.duration.map(Duration::from_secs_f64),
    };
    tokio::select! {
        outcome = follow(&mut session, limits, reporter, interrupt, nothing_to_answer()) => outcome,
        () = refuse_others(app) => Err(Failure::new(Code::Internal, "the application has stopped")),
    }
}

/// Finds the way and sends the invitation.
async fn place(
    app: &Application,
    target: SipUri,
    stream: AudioStream,
    reporter: Reporter,
) -> Result<Session, Failure> {
    let routes = find(app, &target, reporter).await?;
    app.call_by(target, routes, [stream]).await.map_err(failure)
}

/// The same with streams of any kind.
pub(crate) async fn place_with(
    app: &Application,
    target: SipUri,
    streams: Vec<Box<dyn MediaStream>>,
    reporter: Reporter,
) -> Result<Session, Failure> {
    let routes = find(app, &target, reporter).await?;
    app.call_with(target, routes, streams).await.map_err(failure)
}

async fn find(app: &Application, target: &SipUri, reporter: Reporter) -> Result<Vec<Route>, Failure> {
    let routes = app.routes(target).await.map_err(failure)?;
    let found: Vec<_> = routes
        .iter()
        .map(|route| format!("{}:{}", route.transport, route.address).to_lowercase())
        .collect();
    let sentence = format!("Found {}", found.join(", "));
    reporter.say("lookup_did_succeed", json!({ "routes": found }), &sentence);
    Ok(routes)
}

/// How long a call may ring and last.
#[derive(Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) ring: Option<Duration>,
    pub(crate) talk: Option<Duration>,
}

/// What to do with a call that comes in.
pub(crate) enum Answer {
    /// Boxed: it is a hundred times as large as the other.
    Accept(Box<AudioStream>),
    Reject(StatusCode),
}

/// Reports a session's events until its end; answers it when `answer` says how; hangs up at its limits and when
/// interrupted.
pub(crate) async fn follow(
    session: &mut Session,
    limits: Limits,
    reporter: Reporter,
    interrupt: &Interrupt,
    answer: impl Future<Output = Result<Answer, Failure>>,
) -> Result<(), Failure> {
    let mut deadline = limits.ring.map(|ring| Instant::now() + ring);
    let mut hung_up = false;
    let mut answered = false;
    let mut refusal = None;
    let mut is_there = false;
    let mut answer = pin!(answer);
    loop {
        let due = sleep_until(deadline.unwrap_or_else(far_away));
        tokio::select! {
            event = session.next_event() => {
                let Some(event) = event else {
                    return Err(Failure::new(Code::Internal, "the application has stopped"));
                };
                reporter.session(&event);
                match event {
                    SessionEvent::DidStart { .. } if !hung_up => {
                        deadline = limits.talk.map(|talk| Instant::now() + talk);
                    }
                    SessionEvent::GotRingIndication | SessionEvent::GotProvisionalResponse { .. } => is_there = true,
                    SessionEvent::DidEnd { .. } => return Ok(()),
                    SessionEvent::DidFail { originator: Originator::Local, code: 408 | 503, reason } if !hung_up => {
                        return Err(nobody_there(&reason));
                    }
                    // We hung up between the 200 and the ACK: no status tells.
                    SessionEvent::DidFail { code: 0, reason, .. } if hung_up && refusal.is_none() => {
                        return Err(Failure::new(Code::NotAnswered, reason));
                    }
                    SessionEvent::DidFail { code, reason, .. } => {
                        return Err(refusal.unwrap_or_else(|| not_established(code, &reason)));
                    }
                    _ => {}
                }
            }
            how = &mut answer, if !answered && !hung_up => {
                answered = true;
                let done = match how? {
                    Answer::Accept(stream) => session.accept([*stream]).await,
                    Answer::Reject(code) => session.reject(code).await,
                };
                match done {
                    // The caller gave up this very moment: the events tell.
                    Ok(()) | Err(CommandError::Session(SessionError::Unknown | SessionError::IllegalState { .. })) => {}
                    Err(error) => {
                        refusal = Some(failure(error.into()));
                        (hung_up, deadline) = hang_up(session).await;
                    }
                }
            }
            () = due => {
                if hung_up {
                    return Err(Failure::new(Code::Internal, "the other side does not answer the end of the call"));
                }
                if limits.ring.is_some() && !is_there {
                    refusal = Some(nobody_there("not in the time to ring"));
                }
                (hung_up, deadline) = hang_up(session).await;
            }
            () = interrupt.wait(), if !hung_up => (hung_up, deadline) = hang_up(session).await,
        }
    }
}

/// Keeps the recording of a call that was established, and nothing else.
pub(crate) async fn settle(recorded: Option<Recorded>, outcome: Result<(), Failure>) -> Result<(), Failure> {
    match (recorded, outcome) {
        (Some(recorded), Ok(())) => recorded.keep().await,
        (Some(recorded), Err(failure)) => {
            recorded.discard().await;
            Err(failure)
        }
        (None, outcome) => outcome,
    }
}

async fn hang_up(session: &Session) -> (bool, Option<Instant>) {
    // A session that is over already says so with its last event.
    let _ = session.end().await;
    (true, Some(Instant::now() + LAST_RESORT))
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

pub(crate) fn not_established(code: u16, reason: &str) -> Failure {
    let kind = Code::of_status(code);
    let status = if code == 0 {
        String::new()
    } else {
        format!("{code} ")
    };
    let message = match kind {
        Code::Busy => format!("the other side is busy ({status}{reason})"),
        Code::NotAnswered => format!("the call was not answered ({status}{reason})"),
        Code::Unreachable => format!("the other side cannot be reached ({status}{reason})"),
        Code::Credentials => format!(
            "the credentials are missing or were refused ({status}{reason}); check --account and --password-file"
        ),
        _ => format!("the call was declined ({status}{reason})"),
    };
    Failure::new(kind, message)
}

/// One call at a time: whoever calls meanwhile hears that we are busy.
pub(crate) async fn refuse_others(app: &Application) {
    while let Some(session) = next_incoming(app).await {
        let _ = session.reject(StatusCode::BUSY_HERE).await;
    }
}

/// A call that we make needs no answer of ours.
async fn nothing_to_answer() -> Result<Answer, Failure> {
    std::future::pending().await
}

/// A time that does not come.
fn far_away() -> Instant {
    Instant::now() + Duration::from_hours(365 * 24)
}
