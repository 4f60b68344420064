//! `offhook chat [URI]`: lines typed here are messages there.

use crate::args::ChatArgs;
use crate::call::{accept, not_established, place_with, refuse_others};
use crate::exit::{Code, Failure};
use crate::follow::Follower;
use crate::interrupt::Interrupt;
use crate::lines::Lines;
use crate::report::Reporter;
use crate::setup::{failure, finish, next_incoming, start_for_messages, uri};
use offhook::{
    Application, ChatEvent, ChatMessage, ChatStream, CommandError, MediaStream, Session, SessionError,
    SessionEvent, StatusCode, StreamDescription, StreamEvent,
};
use std::collections::HashSet;
use std::time::Duration;
use tokio::time::Instant;

/// The port that the world expects SIP at (RFC 3261 §19.1.2).
const SIP_PORT: u16 = 5060;

/// Chats with somebody, or waits for somebody who wants to.
pub(crate) async fn run(args: ChatArgs) -> Result<(), Failure> {
    let (reporter, interrupt) = (Reporter::new(args.messaging.common.json), Interrupt::listen());
    let target = args.uri.as_deref().map(uri).transpose()?;
    let port = if target.is_some() { 0 } else { SIP_PORT };
    let app = start_for_messages(&args.messaging, port, reporter).await?;
    let (mut lines, limit) = (Lines::listen(), args.messaging.limit());
    let outcome = match target {
        Some(target) => {
            let patience = args.ring.timeout();
            match place_with(&app, target, streams(), reporter).await {
                Ok(mut session) => {
                    let conversation =
                        Conversation::new(reporter, &interrupt, Some(Instant::now() + patience), limit);
                    tokio::select! {
                        outcome = conversation.follow(&mut session, &mut lines) => outcome,
                        () = refuse_others(&app) => Err(Failure::new(Code::Internal, "the application has stopped")),
                    }
                }
                Err(failure) => Err(failure),
            }
        }
        None => serve(&app, &args, reporter, &interrupt, &mut lines).await,
    };
    finish(app).await;
    outcome
}

fn streams() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(ChatStream::new())]
}

/// Accepts chats, one after the other.
async fn serve(
    app: &Application,
    args: &ChatArgs,
    reporter: Reporter,
    interrupt: &Interrupt,
    lines: &mut Lines,
) -> Result<(), Failure> {
    let mut chat = 0;
    while args.chats.is_none_or(|most| chat < most) {
        let session = tokio::select! {
            biased;
            () = interrupt.wait() => break,
            session = next_incoming(app) => session,
        };
        let Some(mut session) = session else { break };
        let reporter = reporter.for_call(chat + 1);
        if !proposes_chat(&mut session, reporter).await {
            let _ = session.reject(StatusCode::NOT_ACCEPTABLE_HERE).await;
            continue;
        }
        chat += 1;
        accept(&session, streams()).await?;
        let conversation = Conversation::new(reporter, interrupt, None, args.messaging.limit());
        tokio::select! {
            outcome = conversation.follow(&mut session, lines) => outcome?,
            () = refuse_others(app) => break,
        }
    }
    Ok(())
}

async fn proposes_chat(session: &mut Session, reporter: Reporter) -> bool {
    let Some(event) = session.next_event().await else {
        return false;
    };
    reporter.session(&event);
    match event {
        SessionEvent::NewIncoming { streams, .. } => streams
            .iter()
            .any(|stream| matches!(stream, StreamDescription::Chat(_))),
        _ => false,
    }
}

/// One chat from its first event to its last.
struct Conversation<'a> {
    /// It gives up where nobody answers in time.
    follower: Follower<'a>,
    /// Sent, and not told to be delivered yet.
    open: HashSet<String>,
    undelivered: Option<String>,
    /// How long it may last.
    limit: Option<Duration>,
    is_running: bool,
    input_over: bool,
    /// Who called leaves when everything that was typed is delivered; who was called stays until then.
    is_caller: bool,
}

impl<'a> Conversation<'a> {
    fn new(
        reporter: Reporter,
        interrupt: &'a Interrupt,
        deadline: Option<Instant>,
        limit: Option<Duration>,
    ) -> Self {
        Self {
            follower: Follower::new(reporter, interrupt, deadline),
            open: HashSet::new(),
            undelivered: None,
            limit,
            is_running: false,
            input_over: false,
            is_caller: deadline.is_some(),
        }
    }

    async fn follow(mut self, session: &mut Session, lines: &mut Lines) -> Result<(), Failure> {
        loop {
            let all_is_said = self.input_over && self.open.is_empty();
            if self.is_caller && self.is_running && all_is_said {
                self.follower.end(session).await;
            }
            tokio::select! {
                event = self.follower.next_event(session) => match event? {
                    Some(event) => if let Some(outcome) = self.take(event) {
                        return outcome;
                    },
                    None => self.follower.end(session).await,
                },
                line = lines.next(), if !self.input_over => match line {
                    Some(line) if line.trim().is_empty() => {}
                    Some(line) => match session.send_message(ChatMessage::text(line)).await {
                        Ok(id) => drop(self.open.insert(id)),
                        // Over this very moment: the events tell.
                        Err(CommandError::Session(SessionError::Unknown)) => {
                            self.undelivered.get_or_insert("the other side had left".to_owned());
                        }
                        Err(error) => return Err(failure(error.into())),
                    },
                    None => self.input_over = true,
                },
            }
        }
    }

    /// What an event means for the program; `Some` when the chat is over.
    fn take(&mut self, event: SessionEvent) -> Option<Result<(), Failure>> {
        match event {
            SessionEvent::DidStart { .. } => {
                self.is_running = true;
                self.follower.end_after(self.limit);
            }
            SessionEvent::Stream {
                event: StreamEvent::Chat(event),
                ..
            } => match event {
                ChatEvent::DidDeliverMessage { message_id } => drop(self.open.remove(&message_id)),
                ChatEvent::DidNotDeliverMessage {
                    message_id, reason, ..
                } => {
                    self.open.remove(&message_id);
                    self.undelivered.get_or_insert(reason);
                }
                _ => {}
            },
            SessionEvent::DidFail { code, reason, .. } => return Some(Err(not_established(code, &reason))),
            SessionEvent::DidEnd { .. } => {
                if !self.open.is_empty() && !self.follower.is_ending() {
                    self.undelivered
                        .get_or_insert("the other side left before it had read everything".to_owned());
                }
                return Some(match self.undelivered.take() {
                    Some(reason) => Err(Failure::new(
                        Code::NotDelivered,
                        format_args!("not every message was delivered: {reason}"),
                    )),
                    None => Ok(()),
                });
            }
            _ => {}
        }
        None
    }
}
