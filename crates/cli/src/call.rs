//! `offhook call URI`

use crate::args::CallArgs;
use crate::exit::{Code, Failure};
use crate::lines::Lines;
use crate::media::{Media, Recorded};
use crate::phone::{Limits, Phone};
use crate::report::Reporter;
use crate::setup::{Interrupt, failure, finish, next_incoming, start_for_calls, uri};
use offhook::{
    Application, AudioStream, CommandError, MediaStream, Route, Session, SessionError, SipUri, StatusCode,
};
use serde_json::json;
use std::time::Duration;

/// Places one call and stays with it to its end.
pub(crate) async fn run(args: CallArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let target = uri(&args.uri)?;
    let media = Media::prepare(&args.media)?;
    let app = start_for_calls(&args.common, &args.media, 0, reporter).await?;
    let mut lines = Lines::listen_in_front();
    let outcome = match media.stream(1) {
        Ok((stream, recorded)) => {
            let limits = Limits {
                ring: Some(args.ring.timeout()),
                talk: args.media.duration.map(Duration::from_secs_f64),
            };
            let phone = Phone {
                app: &app,
                media: &media,
                reporter,
                interrupt: &interrupt,
                limits,
            };
            let outcome = talk(&phone, target, stream, &mut lines).await;
            settle(recorded, outcome).await
        }
        Err(failure) => Err(failure),
    };
    finish(app).await;
    outcome
}

async fn talk(
    phone: &Phone<'_>,
    target: SipUri,
    stream: AudioStream,
    lines: &mut Lines,
) -> Result<(), Failure> {
    let mut session = tokio::select! {
        placed = place(phone.app, target, stream, phone.reporter) => placed?,
        () = phone.interrupt.wait() => {
            return Err(Failure::new(Code::NotAnswered, "interrupted before the call was placed"));
        }
    };
    tokio::select! {
        outcome = phone.follow(&mut session, None, lines) => outcome,
        () = refuse_others(phone.app) => Err(Failure::new(Code::Internal, "the application has stopped")),
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

/// Accepts a session with streams of any kind. Where it is over meanwhile, or nothing of it can be had, its events tell.
pub(crate) async fn accept(session: &Session, streams: Vec<Box<dyn MediaStream>>) -> Result<(), Failure> {
    match session.accept_with(streams).await {
        Ok(()) | Err(CommandError::Session(SessionError::Unknown)) => Ok(()),
        Err(error) => Err(failure(error.into())),
    }
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
