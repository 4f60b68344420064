//! `offhook call URI`

use crate::args::CallArgs;
use crate::exit::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::lines::Lines;
use crate::media::{Media, Recorded};
use crate::orders::Kind;
use crate::place::{Orders, Place, Plan};
use crate::report::Reporter;
use crate::room::Room;
use crate::setup::{failure, finish, next_incoming, start_for_calls, uri};
use offhook::{Application, CommandError, MediaStream, Route, Session, SessionError, SipUri, StatusCode};
use serde_json::json;
use std::time::Duration;
use tokio::sync::mpsc;

/// Places one call and stays with it to its end.
pub(crate) async fn run(args: CallArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let target = uri(&args.uri)?;
    let media = Media::prepare(&args.calling.media)?;
    args.calling.streams.check()?;
    let app = start_for_calls(&args.common, &args.calling, 0, reporter).await?;
    let (room, led_to) = Room::new(app.clone(), media, args.calling.streams);
    let line = PhoneLine {
        room,
        led_to,
        plan: Plan {
            ring: Some(args.ring.timeout()),
            talk: args.calling.media.duration.map(Duration::from_secs_f64),
            ..Plan::default()
        },
        reporter,
        interrupt,
        lines: Lines::listen_in_front(),
    };
    let outcome = line.talk(target).await;
    finish(app).await;
    outcome
}

/// One call after the other.
pub(crate) struct PhoneLine {
    pub(crate) room: Room,
    /// Calls that transfers lead to.
    pub(crate) led_to: mpsc::Receiver<Place>,
    pub(crate) plan: Plan,
    pub(crate) reporter: Reporter,
    pub(crate) interrupt: Interrupt,
    pub(crate) lines: Lines,
}

impl PhoneLine {
    async fn talk(mut self, target: SipUri) -> Result<(), Failure> {
        let placed = tokio::select! {
            placed = self.room.call(target, &[Kind::Audio], self.reporter) => placed?,
            () = self.interrupt.wait() => {
                return Err(Failure::new(Code::NotAnswered, "interrupted before the call was placed"));
            }
        };
        self.follow(placed, self.reporter).await
    }

    /// Stays with a call to its end, and with where the other side sends us then. Who else calls meanwhile hears that we are
    /// busy.
    pub(crate) async fn follow(&mut self, mut place: Place, reporter: Reporter) -> Result<(), Failure> {
        let app = self.room.app.clone();
        let mut orders = Orders::Typed {
            lines: &mut self.lines,
            interrupt: &self.interrupt,
        };
        loop {
            let outcome = tokio::select! {
                outcome = place.run(&self.room, self.plan, reporter, &mut orders) => outcome,
                () = refuse_others(&app) => Err(Failure::new(Code::Internal, "the application has stopped")),
            };
            place = match self.led_to.try_recv() {
                Ok(next) => next,
                Err(_) => return outcome,
            };
        }
    }
}

/// Finds the way and sends the invitation.
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
pub(crate) async fn settle(
    recorded: Recorded,
    is_established: bool,
    reporter: Reporter,
) -> Result<(), Failure> {
    if is_established {
        recorded.keep(reporter).await
    } else {
        recorded.discard().await;
        Ok(())
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
