//! `offhook share-desktop [URI] --vnc HOST:PORT` and `offhook view-desktop [URI]`.

use crate::args::{DesktopArgs, ShareDesktopArgs, ViewDesktopArgs};
use crate::call::{accept, not_established, place_with, refuse_others};
use crate::exit::{Code, Failure};
use crate::follow::Follower;
use crate::interrupt::Interrupt;
use crate::lines::Lines;
use crate::report::Reporter;
use crate::setup::{finish, next_incoming, start_for_messages, uri};
use offhook::{
    Application, DesktopSharingEvent, DesktopSharingHandler, DesktopSharingStream, MediaStream, RfbContext,
    RfbRole, Session, SessionEvent, StatusCode, StreamDescription, StreamEvent, StreamId,
};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::time::Duration;
use tokio::time::Instant;

/// The port that the world expects SIP at (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Lets others see the desktop that a VNC server shows.
pub(crate) async fn share(args: ShareDesktopArgs) -> Result<(), Failure> {
    let timeout = Duration::from_secs_f64(args.vnc_timeout);
    let handler = DesktopSharingHandler::external_server(args.vnc).with_connect_timeout(timeout);
    // A desktop is seen by whoever calls only where that was said.
    let asks = !args.auto_answer;
    run(&args.desktop, handler, asks).await
}

/// Sees a desktop of others with a VNC viewer.
pub(crate) async fn view(args: ViewDesktopArgs) -> Result<(), Failure> {
    let handler = DesktopSharingHandler::ExternalViewer {
        address: args.viewer,
        connect_timeout: Duration::from_secs_f64(args.viewer_timeout),
    };
    run(&args.desktop, handler, false).await
}

async fn run(args: &DesktopArgs, handler: DesktopSharingHandler, asks: bool) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.messaging.common.json), Interrupt::listen());
    let target = args.uri.as_deref().map(uri).transpose()?;
    let port = if target.is_some() { 0 } else { SIP_PORT };
    let app = start_for_messages(&args.messaging, port, reporter).await?;
    let desk = Desk {
        app: &app,
        args,
        handler,
        interrupt: &interrupt,
    };
    let outcome = match target {
        Some(target) => {
            let placed = place_with(&app, target, desk.streams(), reporter).await;
            match placed {
                Ok(session) => desk.follow(session, reporter, Side::Caller).await,
                Err(failure) => Err(failure),
            }
        }
        None => desk.serve(reporter, asks).await,
    };
    finish(app).await;
    outcome
}

/// What is the same for all sessions.
struct Desk<'a> {
    app: &'a Application,
    args: &'a DesktopArgs,
    handler: DesktopSharingHandler,
    interrupt: &'a Interrupt,
}

/// Which side of a session we are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Caller,
    Called,
}

impl Desk<'_> {
    fn streams(&self) -> Vec<Box<dyn MediaStream>> {
        vec![Box::new(DesktopSharingStream::new(self.handler.clone()))]
    }

    /// Takes sessions, one after the other.
    async fn serve(&self, reporter: Reporter, asks: bool) -> Result<(), Failure> {
        let mut lines = asks.then(Lines::listen_in_front);
        let (mut first_failure, mut number) = (Ok(()), 0);
        while self.args.sessions.is_none_or(|most| number < most) {
            let session = tokio::select! {
                biased;
                () = self.interrupt.wait() => break,
                session = next_incoming(self.app) => session,
            };
            let Some(mut session) = session else { break };
            let reporter = reporter.for_call(number + 1);
            if !self.is_proposed(&mut session, reporter).await {
                let _ = session.reject(StatusCode::NOT_ACCEPTABLE_HERE).await;
                continue;
            }
            number += 1;
            let outcome = match self.is_allowed(&mut session, reporter, lines.as_mut()).await {
                Some(true) => match accept(&session, self.streams()).await {
                    Ok(()) => self.follow(session, reporter, Side::Called).await,
                    Err(failure) => Err(failure),
                },
                Some(false) => {
                    let _ = session.reject(StatusCode::DECLINE).await;
                    Ok(())
                }
                // The caller has gone, or we are to go.
                None => Ok(()),
            };
            if first_failure.is_ok() {
                first_failure = outcome;
            }
        }
        first_failure
    }

    /// Whether the caller wants what we are for.
    async fn is_proposed(&self, session: &mut Session, reporter: Reporter) -> bool {
        let Some(event) = session.next_event().await else {
            return false;
        };
        reporter.session(&event);
        let SessionEvent::NewIncoming { streams, .. } = event else {
            return false;
        };
        let is_ours = |stream: &StreamDescription| matches!(stream, StreamDescription::DesktopSharing(desktop) if desktop.role == self.handler.role());
        streams.iter().any(is_ours)
    }

    /// Asks the person at the keyboard, if there is somebody to ask. `None` when the question is void.
    async fn is_allowed(
        &self,
        session: &mut Session,
        reporter: Reporter,
        lines: Option<&mut Lines>,
    ) -> Option<bool> {
        let Some(lines) = lines else { return Some(true) };
        let _ = session.send_ring_indication().await;
        if !reporter.is_json() && std::io::stdin().is_terminal() {
            let question =
                "They want to see this desktop. Press Enter to let them, or r and Enter to decline.";
            let _ = writeln!(std::io::stderr(), "{question}");
        }
        let mut lines = Some(lines);
        loop {
            let line = async {
                match &mut lines {
                    Some(lines) => lines.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                line = line => match line {
                    Some(line) => {
                        return Some(matches!(line.trim().to_lowercase().as_str(), "" | "y" | "a"));
                    }
                    // Nobody is there any more: as a telephone that nobody takes up.
                    None => lines = None,
                },
                event = session.next_event() => match event {
                    Some(event) => reporter.session(&event),
                    None => return None,
                },
                () = self.interrupt.wait() => return None,
            }
        }
    }

    /// One session from its first event to its last; others hear busy meanwhile.
    async fn follow(&self, mut session: Session, reporter: Reporter, side: Side) -> Result<(), Failure> {
        tell_viewer_wanted(&session, None, reporter).await;
        let ring = self.args.ring.timeout();
        let deadline = (side == Side::Caller).then(|| Instant::now() + ring);
        let watch = Watch {
            desk: self,
            follower: Follower::new(reporter, self.interrupt, deadline),
            is_seen: false,
            failed: None,
        };
        tokio::select! {
            outcome = watch.run(&mut session) => outcome,
            () = refuse_others(self.app) => Err(Failure::new(Code::Internal, "the application has stopped")),
        }
    }
}

/// Tells where a VNC viewer is waited for, if that stream, or the session's first desktop, waits for one.
pub(crate) async fn tell_viewer_wanted(session: &Session, stream: Option<StreamId>, reporter: Reporter) {
    let described = session.with_stream(stream, |stream: &mut DesktopSharingStream, _| {
        Ok(stream.describe())
    });
    // One that is no desktop waits for none, and a session that is over says so with its events.
    if let Ok(StreamDescription::DesktopSharing(desktop)) = described.await
        && let Some(address) = desktop.viewer_address
    {
        let address = address.to_string();
        let sentence = format!("Waiting for a VNC viewer at {address}");
        reporter.say("viewer_wanted", json!({ "address": address }), &sentence);
    }
}

/// A session on its way.
struct Watch<'a> {
    desk: &'a Desk<'a>,
    /// It ends what is not answered in time, or seen for as long as was wanted.
    follower: Follower<'a>,
    /// The viewer was there, and was closed: that is how one stops to look.
    is_seen: bool,
    failed: Option<String>,
}

impl Watch<'_> {
    async fn run(mut self, session: &mut Session) -> Result<(), Failure> {
        loop {
            let Some(event) = self.follower.next_event(session).await? else {
                self.follower.end(session).await;
                continue;
            };
            if let Some(outcome) = self.take(event) {
                return outcome;
            }
        }
    }

    /// What an event means for the program; `Some` when the session is over.
    fn take(&mut self, event: SessionEvent) -> Option<Result<(), Failure>> {
        match event {
            SessionEvent::DidStart { .. } => {
                self.follower.end_after(self.desk.args.messaging.limit());
            }
            SessionEvent::Stream { event, .. } => match event {
                StreamEvent::DesktopSharing(DesktopSharingEvent::HandlerDidFail { context, .. }) => {
                    let was_there = context != RfbContext::Connecting;
                    self.is_seen = was_there && self.desk.handler.role() == RfbRole::Viewer;
                }
                StreamEvent::DidFail { reason } => drop(self.failed.get_or_insert(reason)),
                _ => {}
            },
            SessionEvent::DidFail { code, reason, .. } => {
                return Some(Err(self
                    .failure()
                    .unwrap_or_else(|| not_established(code, &reason))));
            }
            SessionEvent::DidEnd { .. } => return Some(self.failure().map_or(Ok(()), Err)),
            _ => {}
        }
        None
    }

    /// What went wrong.
    fn failure(&mut self) -> Option<Failure> {
        let reason = self
            .failed
            .take()
            .filter(|_| !self.is_seen && !self.follower.is_ending())?;
        Some(Failure::new(Code::Desktop, reason))
    }
}
