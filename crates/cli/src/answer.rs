//! `offhook answer`

use crate::args::AnswerArgs;
use crate::call::{Answer, Limits, follow, refuse_others, settle};
use crate::exit::{Code, Failure};
use crate::media::Media;
use crate::report::Reporter;
use crate::setup::{Interrupt, failure, finish, next_incoming, start};
use offhook::{
    Application, AudioStream, Cadence, DeviceChoice, DeviceMixer, Session, StatusCode, TonePlayer,
};
use std::io::{BufRead, IsTerminal, Write};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::sleep;

/// The port that the world expects SIP at (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Samples a second of the ringing: it has no higher tones.
const BELL_RATE: u32 = 8_000;

/// Answers calls, one after the other.
pub(crate) async fn run(args: AnswerArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.common.json), Interrupt::listen());
    let media = Media::prepare(&args.media)?;
    let app = start(&args.common, SIP_PORT, reporter).await?;
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
    let mut keys = Keys::listen(args);
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
            outcome = desk.serve(&mut session, &mut keys) => outcome,
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
    async fn serve(&self, session: &mut Session, keys: &mut Keys) -> Result<(), Failure> {
        if let Some(code) = self.args.reject {
            return self.refuse(session, code).await;
        }
        // A caller that has gone already says so with the session's events.
        let _ = session.send_ring_indication().await;
        let (stream, recorded) = self.media.stream(self.call)?;
        let ringing = self.ring()?;
        let answer = async move {
            let decision = decide(self.args, stream, keys).await;
            drop(ringing);
            decision
        };
        let outcome = self.follow(session, answer).await;
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
    async fn refuse(&self, session: &mut Session, code: u16) -> Result<(), Failure> {
        let code =
            StatusCode::new(code).ok_or_else(|| Failure::new(Code::Usage, "no such SIP status code"))?;
        match self.follow(session, async { Ok(Answer::Reject(code)) }).await {
            Err(failure) if failure.code == Code::Internal => Err(failure),
            _ => Ok(()),
        }
    }

    async fn follow(
        &self,
        session: &mut Session,
        answer: impl Future<Output = Result<Answer, Failure>>,
    ) -> Result<(), Failure> {
        let limits = Limits {
            ring: None,
            talk: self.args.media.duration.map(Duration::from_secs_f64),
        };
        follow(session, limits, self.reporter, self.interrupt, answer).await
    }
}

/// Accepts after the time that was asked for, or as the person at the keyboard says.
async fn decide(args: &AnswerArgs, stream: AudioStream, keys: &mut Keys) -> Result<Answer, Failure> {
    if let Some(seconds) = args.auto_answer {
        sleep(Duration::from_secs_f64(seconds)).await;
        return Ok(Answer::Accept(Box::new(stream)));
    }
    Ok(match keys.next().await.as_str() {
        "" | "y" | "a" => Answer::Accept(Box::new(stream)),
        _ => Answer::Reject(StatusCode::DECLINE),
    })
}

/// Lines typed at a terminal. Where there is none, nothing ever comes and the phone rings on.
struct Keys {
    lines: Option<mpsc::Receiver<String>>,
}

impl Keys {
    fn listen(args: &AnswerArgs) -> Self {
        let asks = args.auto_answer.is_none() && args.reject.is_none();
        if !asks || args.common.json || !std::io::stdin().is_terminal() {
            return Self { lines: None };
        }
        let (sender, lines) = mpsc::channel(8);
        // Reading a terminal cannot be cancelled; the thread ends with the process.
        std::thread::spawn(move || {
            for line in std::io::stdin().lock().lines().map_while(Result::ok) {
                if sender.blocking_send(line.trim().to_lowercase()).is_err() {
                    return;
                }
            }
        });
        Self { lines: Some(lines) }
    }

    async fn next(&mut self) -> String {
        let Some(lines) = &mut self.lines else {
            return std::future::pending().await;
        };
        let _ = writeln!(
            std::io::stderr(),
            "Press Enter to answer, or r and Enter to decline."
        );
        match lines.recv().await {
            Some(line) => line,
            None => std::future::pending().await,
        }
    }
}
