//! `offhook answer`

use crate::args::AnswerArgs;
use crate::call::PhoneLine;
use crate::exit::{Code, Failure};
use crate::interrupt::Interrupt;
use crate::lines::Lines;
use crate::media::Media;
use crate::orders::Kind;
use crate::place::{Answer, Place, Plan};
use crate::report::Reporter;
use crate::room::Room;
use crate::setup::{failure, finish, next_incoming, start_for_calls};
use offhook::{Application, Cadence, DeviceChoice, DeviceMixer, Session, StatusCode, TonePlayer};
use std::io::{IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;

/// The port that the world expects SIP at (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Samples a second of the ringing: it has no higher tones.
const BELL_RATE: u32 = 8_000;

/// Answers calls, one after the other.
pub(crate) async fn run(args: AnswerArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let media = Media::prepare(&args.calling.media)?;
    args.calling.media.refuse_same_file(args.alert_device.as_ref())?;
    args.calling.streams.check()?;
    let app = start_for_calls(&args.common, &args.calling, SIP_PORT, reporter).await?;
    app.set_alert_device(args.alert_device.clone().unwrap_or(DeviceChoice::Off));
    let answer = match (args.reject, args.auto_answer) {
        (Some(code), _) => Answer::Reject(
            StatusCode::new(code).ok_or_else(|| Failure::new(Code::Usage, "no such SIP status code"))?,
        ),
        (None, Some(after)) => Answer::Accept(Duration::from_secs_f64(after)),
        (None, None) => Answer::AsOrdered,
    };
    let (room, led_to) = Room::new(app.clone(), media, args.calling.streams);
    let desk = Desk {
        line: PhoneLine {
            room,
            led_to,
            plan: Plan {
                talk: args.calling.media.duration.map(Duration::from_secs_f64),
                answer,
                kinds: &[Kind::Audio],
                ..Plan::default()
            },
            reporter,
            interrupt,
            lines: Lines::listen_in_front(),
        },
        rings: args.alert_device.is_some(),
        asks: matches!(answer, Answer::AsOrdered) && !args.common.json && std::io::stdin().is_terminal(),
    };
    let outcome = desk.serve(&app, args.calls).await;
    finish(app).await;
    outcome
}

/// What it takes to deal with calls as the options say.
struct Desk {
    line: PhoneLine,
    /// Calls ring on the alert device.
    rings: bool,
    /// Somebody is there who wants to know what to do.
    asks: bool,
}

impl Desk {
    async fn serve(mut self, app: &Application, calls: Option<u64>) -> Result<(), Failure> {
        let mut first_failure = Ok(());
        let mut call = 0;
        while calls.is_none_or(|most| call < most) {
            let session = tokio::select! {
                biased;
                () = self.line.interrupt.wait() => break,
                session = next_incoming(app) => session,
            };
            let Some(session) = session else { break };
            call += 1;
            let outcome = self.take(app, session, call).await;
            if first_failure.is_ok() {
                first_failure = outcome;
            }
        }
        first_failure
    }

    async fn take(&mut self, app: &Application, session: Session, call: u64) -> Result<(), Failure> {
        let reporter = self.line.reporter.for_call(call);
        let mut place = Place::incoming(session);
        if let Answer::Reject(_) = self.line.plan.answer {
            // Refusing is what was asked for: that the call fails is our success.
            return match self.line.follow(place, reporter).await {
                Err(failure) if failure.code == Code::Internal => Err(failure),
                _ => Ok(()),
            };
        }
        if self.asks {
            let _ = writeln!(
                std::io::stderr(),
                "Press Enter to answer, or r and Enter to decline."
            );
        }
        if self.rings {
            place.ring_on(ring(app)?);
        }
        self.line.follow(place, reporter).await
    }
}

/// Rings until the result is dropped.
fn ring(app: &Application) -> Result<Arc<DeviceMixer>, Failure> {
    let alert = app.alert().map_err(failure)?;
    let mut bell = TonePlayer::new(BELL_RATE);
    bell.play(Cadence::ringback());
    let added = alert.add(bell).map(drop);
    added.map_err(|error| Failure::new(Code::Device, error))?;
    Ok(alert)
}
