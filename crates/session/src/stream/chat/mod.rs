//! Session chat (RFC 4975 with CPIM): `ChatStream` of the documents.

mod composing;
mod message;
mod unread;

pub use composing::Composing;
pub use message::ChatMessage;

use super::msrp::{Accepted, MsrpEnd};
use super::{
    Agreed, ChatDescription, MediaStream, StreamContext, StreamDescription, StreamError, StreamEvent,
    StreamSettings,
};
use crate::media::{MediaEvent, MsrpCommand, MsrpEvent, MsrpTask, StreamId};
use composing::{COMPOSING_TYPE, ComposingTimers};
use message::CPIM_TYPE;
use offhook_msrp::OutgoingMessage;
use offhook_msrp::chunk::{FailureReport, StatusCode, SuccessReport};
use offhook_msrp::cpim::Address;
use offhook_msrp::cpim::imdn::{self, Disposition, ImdnDocument, ImdnLimits};
use offhook_msrp::nickname::Nickname;
use offhook_msrp::session::Message;
use offhook_sdp::{Media, MediaKind, SessionDescription};
use offhook_sip_core::NameAddr;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Instant;
use unread::Unread;

/// How many messages may wait for the stream to start.
const MOST_WAITING: usize = 1024;

/// What a [`ChatStream`] tells.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum ChatEvent {
    /// A message arrived (`ChatStreamGotMessage`).
    GotMessage {
        /// It.
        message: ChatMessage,
    },
    /// A message of ours was sent, and taken by the peer (`ChatStreamDidSendMessage`).
    DidSendMessage {
        /// As [`ChatStream::send_message`] gave it.
        message_id: String,
    },
    /// The peer reports that a message of ours was delivered (`ChatStreamDidDeliverMessage`).
    DidDeliverMessage {
        /// As [`ChatStream::send_message`] gave it.
        message_id: String,
    },
    /// A message of ours was not delivered (`ChatStreamDidNotDeliverMessage`).
    DidNotDeliverMessage {
        /// As [`ChatStream::send_message`] gave it.
        message_id: String,
        /// The status of the peer or of a relay, or 408.
        code: u16,
        /// In words.
        reason: String,
    },
    /// A recipient tells what became of a message of ours (RFC 5438).
    GotNotification {
        /// As [`ChatStream::send_message`] gave it.
        message_id: String,
        /// What became of it.
        disposition: Disposition,
        /// Who tells: in a chat room one of many.
        sender: Option<Address>,
    },
    /// The chat room gave us the nickname that we asked for.
    DidSetNickname {
        /// It.
        nickname: Nickname,
    },
    /// The chat room did not give us the nickname.
    DidNotSetNickname {
        /// Which was asked for.
        nickname: Nickname,
        /// 424: malformed; 425: taken; 403, 423, 501: not here; 408: nobody answered (RFC 7701 §7.1).
        code: u16,
        /// In words.
        reason: String,
    },
    /// The peer is writing, or no longer (`ChatStreamGotComposingIndication`).
    GotComposingIndication {
        /// True while somebody writes.
        composing: Composing,
        /// Who, where the indication came in CPIM.
        sender: Option<Address>,
    },
}

/// A chat (`ChatStream` of the documents): messages of any type in both directions, wrapped in CPIM where the other
/// side takes it, each told to be delivered or not; and who is writing (RFC 3994).
///
/// Messages that are sent before the stream runs wait for it.
#[derive(Debug)]
pub struct ChatStream {
    end: MsrpEnd,
    ours: Accepted,
    theirs: Accepted,
    /// Who we are and who the other side is, in CPIM.
    local_identity: Option<Address>,
    remote_identity: Option<Address>,
    waiting: VecDeque<(ChatMessage, String)>,
    timers: ComposingTimers,
    unread: Unread,
}

impl Default for ChatStream {
    fn default() -> Self {
        Self::new()
    }
}

impl ChatStream {
    /// A chat to offer, or to accept: CPIM, plain text, HTML, images and composing indications.
    pub fn new() -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            end: MsrpEnd::new(MediaKind::Message),
            ours: Accepted {
                types: words(&[CPIM_TYPE, "text/*", "image/*", COMPOSING_TYPE]),
                wrapped_types: words(&["*"]),
                chatroom: None,
            },
            theirs: Accepted::default(),
            local_identity: None,
            remote_identity: None,
            waiting: VecDeque::new(),
            timers: ComposingTimers::default(),
            unread: Unread::default(),
        }
    }

    /// The same chat with other media types to accept, bare and inside of CPIM.
    #[must_use]
    pub fn with_accept_types(mut self, types: &[&str], wrapped: &[&str]) -> Self {
        let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        self.ours = Accepted {
            types: words(types),
            wrapped_types: words(wrapped),
            chatroom: None,
        };
        self
    }

    /// The same chat with other names in CPIM's From and To than those of the session.
    #[must_use]
    pub fn with_identities(mut self, local: Address, remote: Address) -> Self {
        (self.local_identity, self.remote_identity) = (Some(local), Some(remote));
        self
    }

    /// Sends a message and gives its id, by which its fate is told. Before the stream runs it waits.
    ///
    /// # Errors
    /// When the other side takes no messages of that type, too many wait, or too many events are not read; or it is a private
    /// message and the other side is no chat room that has them.
    pub fn send_message(
        &mut self,
        cx: &mut StreamContext<'_>,
        mut message: ChatMessage,
    ) -> Result<String, StreamError> {
        if self.end.id().is_none() {
            return Err(StreamError::NotRunning("chat"));
        }
        self.unread.check()?;
        let message_id = new_message_id(cx);
        message.notified_as = message_id.parse().ok();
        if self.end.is_ready() {
            self.pass(cx, &message, &message_id)?;
        } else if self.waiting.len() < MOST_WAITING {
            self.waiting.push_back((message, message_id.clone()));
        } else {
            return Err(StreamError::TooMuchWaits(MOST_WAITING));
        }
        self.timers.message_sent();
        Ok(message_id)
    }

    /// Says that somebody here writes, or no longer. Repeated by itself while it is `Active` (RFC 3994 §3.3); a message
    /// ends it. Nothing goes out where nothing new is said, or where the other side does not care for it.
    ///
    /// # Errors
    /// When the stream does not run.
    pub fn send_composing_indication(
        &mut self,
        cx: &mut StreamContext<'_>,
        composing: Composing,
    ) -> Result<(), StreamError> {
        if !self.end.is_ready() {
            return Err(StreamError::NotRunning("chat"));
        }
        if self.timers.set_local(cx.now, composing) {
            self.pass_composing(cx, composing)?;
        }
        Ok(())
    }

    /// Tells the sender of a message that it was shown, if the sender asked for that. Tell it once.
    ///
    /// # Errors
    /// When the stream does not run.
    pub fn send_display_notification(
        &mut self,
        cx: &mut StreamContext<'_>,
        message: &ChatMessage,
    ) -> Result<(), StreamError> {
        self.notify(cx, message, Disposition::Displayed)
    }

    /// Asks the chat room for a nickname (RFC 7701 §7.1); [`ChatEvent::DidSetNickname`] or
    /// [`ChatEvent::DidNotSetNickname`] tells the outcome.
    ///
    /// # Errors
    /// When the stream does not run, or the other side is no chat room that has nicknames.
    pub fn set_local_nickname(
        &mut self,
        cx: &mut StreamContext<'_>,
        nickname: Nickname,
    ) -> Result<(), StreamError> {
        if !self.end.is_ready() {
            return Err(StreamError::NotRunning("chat"));
        }
        if !self.room_has("nickname") {
            return Err(StreamError::NotInRoom("nicknames"));
        }
        self.end.send(cx, MsrpCommand::RequestNickname(nickname))
    }

    fn room_has(&self, feature: &str) -> bool {
        let features = self.theirs.chatroom.as_deref().unwrap_or_default();
        features.iter().any(|known| known.eq_ignore_ascii_case(feature))
    }

    /// A message for others than the other side of the session is private, and only a chat room passes it on (RFC 7701 §6).
    fn check_recipients(&self, message: &ChatMessage) -> Result<(), StreamError> {
        let is_remote = |address: &Address| {
            let remote = self.remote_identity.as_ref();
            remote.is_some_and(|remote| remote.uri() == address.uri())
        };
        let is_private = !message.recipients.iter().all(is_remote);
        if is_private && !self.room_has("private-messages") {
            return Err(StreamError::NotInRoom("private messages"));
        }
        Ok(())
    }

    /// Tells the sender of a message what became of it, if he asked for that, and takes what tells it.
    fn notify(
        &mut self,
        cx: &mut StreamContext<'_>,
        message: &ChatMessage,
        disposition: Disposition,
    ) -> Result<(), StreamError> {
        let Some(own) = self.local_identity.clone() else {
            return Err(StreamError::NotRunning("chat"));
        };
        let id = new_message_id(cx);
        let named = id.parse().ok();
        let told = named.and_then(|named| message.notification(&own, &named, disposition));
        let is_taken = self.wrap(imdn::CONTENT_TYPE).is_ok_and(|in_cpim| in_cpim);
        let Some(told) = told.filter(|_| is_taken) else {
            return Ok(());
        };
        let outgoing = OutgoingMessage::new(CPIM_TYPE, told.to_bytes())
            .with_message_id(id)
            .with_failure_report(FailureReport::No);
        self.end
            .send(cx, MsrpCommand::Send(Box::new(outgoing), String::new()))
    }

    /// What the other side accepts, of a type that may stand bare or in CPIM.
    fn wrap(&self, content_type: &str) -> Result<bool, StreamError> {
        let bare = accepts(&self.theirs.types, content_type);
        let cpim = accepts(&self.theirs.types, CPIM_TYPE)
            && (accepts(&self.theirs.wrapped_types, content_type) || self.theirs.wrapped_types.is_empty());
        match (cpim, bare) {
            (true, _) => Ok(true),
            (false, true) => Ok(false),
            (false, false) => Err(StreamError::NotAccepted {
                content_type: content_type.to_owned(),
                accepted: self.theirs.types.join(" "),
            }),
        }
    }

    fn pass(
        &self,
        cx: &mut StreamContext<'_>,
        message: &ChatMessage,
        message_id: &str,
    ) -> Result<(), StreamError> {
        self.check_recipients(message)?;
        let outgoing = self
            .outgoing(message)?
            .with_message_id(message_id)
            .with_success_report(SuccessReport::Yes)
            .with_failure_report(FailureReport::Yes);
        let command = MsrpCommand::Send(Box::new(outgoing), message_id.to_owned());
        self.end.send(cx, command)
    }

    fn outgoing(&self, message: &ChatMessage) -> Result<OutgoingMessage, StreamError> {
        let content_type = message.media_type();
        if !self.wrap(content_type)? {
            return Ok(OutgoingMessage::new(&message.content_type, message.body.clone()));
        }
        let cpim = message.to_cpim(self.local_identity.as_ref(), self.remote_identity.as_ref());
        Ok(OutgoingMessage::new(CPIM_TYPE, cpim.to_bytes()))
    }

    fn pass_composing(
        &mut self,
        cx: &mut StreamContext<'_>,
        composing: Composing,
    ) -> Result<(), StreamError> {
        let message = ChatMessage::new(COMPOSING_TYPE, composing.to_xml(self.timers.refresh()));
        let Ok(outgoing) = self.outgoing(&message) else {
            // Who does not take indications is spared them.
            return Ok(());
        };
        let message_id = new_message_id(cx);
        let outgoing = outgoing
            .with_message_id(&message_id)
            .with_failure_report(FailureReport::No);
        // Nobody waits for its fate: an empty name.
        self.end
            .send(cx, MsrpCommand::Send(Box::new(outgoing), String::new()))
    }

    fn handle_message(&mut self, cx: &mut StreamContext<'_>, message: &Message) {
        let Some(message) = ChatMessage::read(message.content_type(), &message.body) else {
            return;
        };
        if message.media_type().eq_ignore_ascii_case(COMPOSING_TYPE) {
            if let Some((composing, refresh)) = Composing::from_xml(&message.body) {
                self.timers.set_remote(cx.now, composing, refresh);
                let sender = message.sender;
                self.tell(cx, ChatEvent::GotComposingIndication { composing, sender });
            }
            return;
        }
        if let Some(documents) = message.imdn_documents() {
            for document in documents {
                self.tell_notification(cx, &document, message.sender.as_ref());
            }
            return;
        }
        // Who sends has stopped writing, said or not (RFC 3994 §3.4).
        self.timers.message_received();
        if let Err(error) = self.notify(cx, &message, Disposition::Delivered) {
            tracing::debug!(%error, "the delivery of a message was not told");
        }
        self.tell(cx, ChatEvent::GotMessage { message });
    }

    /// Tells the application something that it has to read before much more comes.
    fn tell(&mut self, cx: &mut StreamContext<'_>, event: ChatEvent) {
        cx.tell(StreamEvent::Chat(event));
        self.unread.told(cx, &self.end);
    }

    /// What a recipient says about a message of ours.
    fn tell_notification(&mut self, cx: &mut StreamContext<'_>, document: &[u8], sender: Option<&Address>) {
        let document = match ImdnDocument::parse(document, &ImdnLimits::default()) {
            Ok(document) => document,
            Err(error) => return tracing::debug!(%error, "a notification cannot be read"),
        };
        if let Some(disposition) = document.disposition {
            self.tell(
                cx,
                ChatEvent::GotNotification {
                    message_id: document.message_id,
                    disposition,
                    sender: sender.cloned(),
                },
            );
        }
    }

    fn handle_ready(&mut self, cx: &mut StreamContext<'_>) {
        self.end.set_ready();
        cx.tell(StreamEvent::DidStart);
        for (message, message_id) in std::mem::take(&mut self.waiting) {
            if let Err(error) = self.pass(cx, &message, &message_id) {
                self.tell(
                    cx,
                    ChatEvent::DidNotDeliverMessage {
                        message_id,
                        code: StatusCode::UNSUPPORTED_MEDIA.code(),
                        reason: error.to_string(),
                    },
                );
            }
        }
    }
}

impl MediaStream for ChatStream {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        offer
            .media
            .get(index)
            .is_some_and(|media| self.end.can_take(media) && !media.attributes.contains("file-selector"))
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        self.end.open(cx, local, settings)?;
        cx.tell(StreamEvent::DidInitialize);
        Ok(())
    }

    fn offer(&self) -> Media {
        self.end.offer(&self.ours)
    }

    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        let offered = offer.media.get(index).ok_or(StreamError::Refused("chat"))?;
        self.end.answer(offered, &self.ours)
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.theirs = self.end.start(cx, agreed, &self.ours, MsrpTask::Messages)?;
        self.local_identity
            .get_or_insert_with(|| address(agreed.parties.local));
        self.remote_identity
            .get_or_insert_with(|| address(agreed.parties.remote));
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.end.is_ready()
    }

    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        self.end.validate_update(remote, index)
    }

    fn update(&mut self, _cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        MsrpEnd::update(agreed)
    }

    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError> {
        let MediaEvent::Msrp { event, .. } = event else {
            return Ok(());
        };
        let told = match event {
            MsrpEvent::Ready => {
                self.handle_ready(cx);
                return Ok(());
            }
            MsrpEvent::Message(message) => {
                self.handle_message(cx, &message);
                return self.end.send(cx, MsrpCommand::Report(message));
            }
            MsrpEvent::Closed { reason } => return Err(self.end.lost(reason)),
            MsrpEvent::NicknameAnswered { nickname, status } if status.is_success() => {
                ChatEvent::DidSetNickname { nickname }
            }
            MsrpEvent::NicknameAnswered { nickname, status } => ChatEvent::DidNotSetNickname {
                nickname,
                code: status.code(),
                reason: status.to_string(),
            },
            MsrpEvent::Sent { message_id } => ChatEvent::DidSendMessage { message_id },
            MsrpEvent::Delivered { message_id } => ChatEvent::DidDeliverMessage { message_id },
            MsrpEvent::NotDelivered {
                message_id,
                status,
                reason,
            } => ChatEvent::DidNotDeliverMessage {
                message_id,
                code: status,
                reason,
            },
            MsrpEvent::Progress { .. }
            | MsrpEvent::FileResumed { .. }
            | MsrpEvent::FileDone { .. }
            | MsrpEvent::FileFailed { .. }
            | MsrpEvent::Rfb(_) => return Ok(()),
        };
        self.tell(cx, told);
        Ok(())
    }

    fn event_taken(&mut self, cx: &mut StreamContext<'_>) {
        self.unread.taken(cx, &self.end);
    }

    fn handle_timeout(&mut self, cx: &mut StreamContext<'_>) {
        if let Some(composing) = self.timers.local_due(cx.now)
            && let Err(error) = self.pass_composing(cx, composing)
        {
            tracing::debug!(%error, "a composing indication was not sent");
        }
        if self.timers.remote_due(cx.now) {
            self.tell(
                cx,
                ChatEvent::GotComposingIndication {
                    composing: Composing::Idle,
                    sender: None,
                },
            );
        }
    }

    fn poll_timeout(&self) -> Option<Instant> {
        self.timers.next()
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.timers = ComposingTimers::default();
        if self.end.end(cx) {
            for (_, message_id) in std::mem::take(&mut self.waiting) {
                let event = ChatEvent::DidNotDeliverMessage {
                    message_id,
                    code: StatusCode::TIMEOUT.code(),
                    reason: "the chat ended before it began".to_owned(),
                };
                self.tell(cx, event);
            }
            cx.tell(StreamEvent::WillEnd);
            cx.tell(StreamEvent::DidEnd);
        }
    }

    fn id(&self) -> Option<StreamId> {
        self.end.id()
    }

    fn msrp(&mut self) -> Option<&mut MsrpEnd> {
        Some(&mut self.end)
    }

    fn describe(&self) -> StreamDescription {
        StreamDescription::Chat(ChatDescription {
            remote_accept_types: self.theirs.types.clone(),
            chatroom: self.theirs.chatroom.clone(),
            remote_accept_wrapped_types: self.theirs.wrapped_types.clone(),
            transport: self.end.transport(),
        })
    }
}

/// A message id that nobody guesses who saw others of ours, and that MSRP takes, too (RFC 5438 §6.3, RFC 4975 §9).
fn new_message_id(cx: &mut StreamContext<'_>) -> String {
    cx.plane.entropy().hex(32)
}

fn address(party: &NameAddr) -> Address {
    let address = Address::new(&party.uri.to_string());
    match party.display_name() {
        name if name.is_empty() => address,
        name => address.with_name(name),
    }
}

/// True when a media type is one of a list with wildcards.
fn accepts(list: &[String], media_type: &str) -> bool {
    let family = media_type.split('/').next().unwrap_or_default();
    list.iter().any(|accepted| {
        accepted == "*"
            || accepted.eq_ignore_ascii_case(media_type)
            || accepted
                .strip_suffix("/*")
                .is_some_and(|own| own.eq_ignore_ascii_case(family))
    })
}
