//! A chat message, bare or wrapped in CPIM (`ChatMessage` and `CPIMMessage` of the documents).

use bytes::Bytes;
use offhook_msrp::cpim::imdn::Disposition;
use offhook_msrp::cpim::{Address, CpimLimits, CpimMessage, Notification};
use offhook_msrp::session::Message;
use std::time::Duration;

/// The media type of a wrapped message (RFC 3862).
pub(super) const CPIM_TYPE: &str = "message/cpim";

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChatMessage {
    /// Its media type, with parameters: `text/plain; charset=utf-8`.
    pub content_type: String,
    /// Its content.
    pub body: Bytes,
    /// Who sent it, as CPIM says: in a chat room the person, not the room. `None` where it came bare, or is ours.
    pub sender: Option<Address>,
    /// Whom it is for, as CPIM says. Empty: the other side of the session.
    pub recipients: Vec<Address>,
    /// Who gets it for their information.
    pub courtesy_recipients: Vec<Address>,
    /// What it is about.
    pub subject: Option<String>,
    /// When it was sent, since 1970, by the sender's clock.
    pub timestamp: Option<Duration>,
    /// What its sender wants to be notified of (RFC 5438), where it goes in CPIM. Of what arrives in full, delivery is told by
    /// itself; display by [`ChatStream::send_display_notification`](super::ChatStream::send_display_notification).
    pub notifications: Vec<Notification>,
    /// By which id notifications name it. Of a message of ours it is given when it is sent.
    pub(super) notified_as: Option<Box<str>>,
}

impl ChatMessage {
    /// A message to the other side of the session.
    pub fn new(content_type: impl Into<String>, body: impl Into<Bytes>) -> Self {
        Self {
            content_type: content_type.into(),
            body: body.into(),
            sender: None,
            recipients: Vec::new(),
            courtesy_recipients: Vec::new(),
            subject: None,
            timestamp: None,
            notifications: Vec::new(),
            notified_as: None,
        }
    }

    /// A message of plain text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new("text/plain; charset=utf-8", text.into())
    }

    /// The same message for these recipients alone: in a chat room, a private one.
    #[must_use]
    pub fn with_recipients(mut self, recipients: impl IntoIterator<Item = Address>) -> Self {
        self.recipients.extend(recipients);
        self
    }

    /// The same message with the time at which it was sent, since 1970.
    #[must_use]
    pub fn with_timestamp(mut self, since_1970: Duration) -> Self {
        self.timestamp = Some(since_1970);
        self
    }

    /// The same message, of whose fate its recipient shall tell us, not only whoever hands it over: in a chat room, each
    /// recipient. Nothing is told where the other side takes no CPIM.
    #[must_use]
    pub fn with_notifications(mut self, wishes: &[Notification]) -> Self {
        self.notifications = wishes.to_vec();
        self
    }

    /// The content as text, where it is valid UTF-8.
    pub fn as_text(&self) -> Option<&str> {
        std::str::from_utf8(&self.body).ok()
    }

    /// The media type without its parameters.
    pub fn media_type(&self) -> &str {
        self.content_type.split(';').next().unwrap_or_default().trim()
    }

    /// Reads what came over MSRP. `None` where it is empty, or a broken CPIM.
    pub(super) fn read(message: &Message) -> Option<Self> {
        let bare = Self::new(message.content_type(), message.body.clone());
        if !bare.media_type().eq_ignore_ascii_case(CPIM_TYPE) {
            return (!bare.content_type.is_empty()).then_some(bare);
        }
        let cpim = CpimMessage::parse(&message.body, &CpimLimits::default())
            .inspect_err(|error| tracing::debug!(%error, "a CPIM message cannot be read"))
            .ok()?;
        Some(Self {
            content_type: cpim.content_type().unwrap_or("text/plain").to_owned(),
            body: cpim.body().clone(),
            sender: cpim.from(),
            recipients: cpim.to().collect(),
            courtesy_recipients: cpim.cc().collect(),
            subject: cpim.subject().map(std::borrow::Cow::into_owned),
            timestamp: cpim.date_time(),
            notifications: cpim.notifications(),
            notified_as: cpim.imdn_message_id().map(|id| id.as_ref().into()),
        })
    }

    /// What tells the sender what became of it; `None` when there is nothing to tell.
    pub(super) fn notification(
        &self,
        own: &Address,
        id: &str,
        disposition: Disposition,
    ) -> Option<CpimMessage> {
        self.to_cpim(None, None).notification(own, id, disposition)
    }

    /// The message in CPIM. Where it names nobody, it is from one side of the session to the other.
    pub(super) fn to_cpim(&self, local: Option<&Address>, remote: Option<&Address>) -> CpimMessage {
        let mut cpim = CpimMessage::new(&self.content_type, self.body.clone());
        if let Some(sender) = self.sender.as_ref().or(local) {
            cpim = cpim.with_from(sender);
        }
        let default = remote.filter(|_| self.recipients.is_empty());
        for recipient in self.recipients.iter().chain(default) {
            cpim = cpim.with_to(recipient);
        }
        for recipient in &self.courtesy_recipients {
            cpim = cpim.with_cc(recipient);
        }
        if let Some(subject) = &self.subject {
            cpim = cpim.with_subject(subject, None);
        }
        if let Some(since_1970) = self.timestamp {
            cpim = cpim.with_date_time(since_1970);
        }
        match &self.notified_as {
            Some(id) if !self.notifications.is_empty() => cpim.with_imdn(id, &self.notifications),
            _ => cpim,
        }
    }
}
