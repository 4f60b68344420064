//! `offhook answer`

use crate::args::AnswerArgs;
use crate::call::{refuse_others, settle};
use crate::exit::{Code, Failure};
use crate::lines::Lines;
use crate::media::Media;
use crate::phone::{Answer, How, Limits, Phone};
use crate::report::Reporter;
use crate::setup::{Interrupt, failure, finish, next_incoming, start_for_calls};
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
    let media = Media::prepare(&args.media)?;
    args.media.refuse_same_file(args.alert_device.as_ref())?;
    let app = start_for_calls(&args.common, &args.media, SIP_PORT, reporter).await?;
    app.set_alert_device(args.alert_device.clone().unwrap_or(DeviceChoice::Off));
    let outcome = serve(&app, &args, &media, reporter, &interrupt).await;
    finish(app).await;
    outcome
}

async fn serve(
    app: &Application,
    args: &AnswerArgs,
    media: &Media,
    reporter: Reporter,
    interrupt: &Interrupt,
) -> Result<(), Failure> {
    let mut lines = Lines::listen_in_front();
    let mut first_failure = Ok(());
    let mut call = 0;
    while args.calls.is_none_or(|most| call < most) {
        let session = tokio::select! {
            biased;
            () = interrupt.wait() => break,
            session = next_incoming(app) => session,
        };
        let Some(mut session) = session else { break };
        call += 1;
        let desk = Desk {
            app,
            args,
            media,
            reporter: reporter.for_call(call),
            interrupt,
            call,
        };
        let outcome = tokio::select! {
            outcome = desk.serve(&mut session, &mut lines) => outcome,
            () = refuse_others(app) => Err(Failure::new(Code::Internal, "the application has stopped")),
        };
        if first_failure.is_ok() {
            first_failure = outcome;
        }
    }
    first_failure
}

/// What it takes to deal with one call as the options say.
struct Desk<'a> {
    app: &'a Application,
    args: &'a AnswerArgs,
    media: &'a Media,
    reporter: Reporter,
    interrupt: &'a Interrupt,
    /// Counted from 1.
    call: u64,
}

impl Desk<'_> {
    async fn serve(&self, session: &mut Session, lines: &mut Lines) -> Result<(), Failure> {
        if let Some(code) = self.args.reject {
            return self.refuse(session, code, lines).await;
        }
        // A caller that has gone already says so with the session's events.
        let _ = session.send_ring_indication().await;
        let (stream, recorded) = self.media.stream(self.call)?;
        let after = self.args.auto_answer.map(Duration::from_secs_f64);
        let is_asked = after.is_none() && !self.args.common.json && std::io::stdin().is_terminal();
        if is_asked {
            let _ = writeln!(
                std::io::stderr(),
                "Press Enter to answer, or r and Enter to decline."
            );
        }
        let answer = Answer {
            how: How::Accept(Box::new(stream), after),
            ringing: self.ring()?,
        };
        let outcome = self.follow(session, answer, lines).await;
        settle(recorded, outcome).await
    }

    /// Rings until the result is dropped, if there is something to ring on.
    fn ring(&self) -> Result<Option<Arc<DeviceMixer>>, Failure> {
        if self.args.alert_device.is_none() {
            return Ok(None);
        }
        let alert = self.app.alert().map_err(failure)?;
        let mut bell = TonePlayer::new(BELL_RATE);
        bell.play(Cadence::ringback());
        let added = alert.add(bell).map(drop);
        added.map_err(|error| Failure::new(Code::Device, error))?;
        Ok(Some(alert))
    }

    /// Refusing is what was asked for: that the call fails is our success.
    async fn refuse(&self, session: &mut Session, code: u16, lines: &mut Lines) -> Result<(), Failure> {
        let code =
            StatusCode::new(code).ok_or_else(|| Failure::new(Code::Usage, "no such SIP status code"))?;
        let answer = Answer {
            how: How::Reject(code),
            ringing: None,
        };
        match self.follow(session, answer, lines).await {
            Err(failure) if failure.code == Code::Internal => Err(failure),
            _ => Ok(()),
        }
    }

    async fn follow(&self, session: &mut Session, answer: Answer, lines: &mut Lines) -> Result<(), Failure> {
        let limits = Limits {
            ring: None,
            talk: self.args.media.duration.map(Duration::from_secs_f64),
        };
        let phone = Phone {
            app: self.app,
            media: self.media,
            reporter: self.reporter,
            interrupt: self.interrupt,
            limits,
        };
        phone.follow(session, Some(answer), lines).await
    }
}
