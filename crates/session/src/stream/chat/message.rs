//! A chat message, bare or wrapped in CPIM (`ChatMessage` and `CPIMMessage` of the documents).

use bytes::Bytes;
use offhook_msrp::cpim::imdn::{self, Disposition};
use offhook_msrp::cpim::{Address, CpimLimits, CpimMessage, MessageId, Notification};
use offhook_sip_core::message::{Entity, Multipart};
use offhook_sip_core::{HeaderName, Limits};
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
    /// By which id notifications name a message of ours. It is given when it is sent.
    pub(super) notified_as: Option<MessageId>,
    /// The CPIM in which it came: whoever tells its sender something copies from that.
    came_in: Option<Box<CpimMessage>>,
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
            came_in: None,
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
    pub(super) fn read(content_type: &str, body: &Bytes) -> Option<Self> {
        let bare = Self::new(content_type, body.clone());
        if !bare.media_type().eq_ignore_ascii_case(CPIM_TYPE) {
            return (!bare.content_type.is_empty()).then_some(bare);
        }
        let cpim = CpimMessage::parse(body, &CpimLimits::default())
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
            notified_as: None,
            came_in: Some(Box::new(cpim)),
        })
    }

    /// The IMDN documents in a message that tells of others: its content, or parts of it where a list server put many together
    /// (RFC 5438 §8.3, §9). `None` when it is a message for people.
    pub(super) fn imdn_documents(&self) -> Option<Vec<Bytes>> {
        if self.media_type().eq_ignore_ascii_case(imdn::CONTENT_TYPE) {
            return Some(vec![self.body.clone()]);
        }
        self.came_in.as_ref().filter(|cpim| cpim.is_notification())?;
        let many = Entity::new(&self.content_type, self.body.clone()).multipart(&Limits::default());
        let parts = many.and_then(Result::ok);
        let parts = parts.iter().flat_map(Multipart::parts).map(|part| {
            let content_type = part.headers().get_str(HeaderName::ContentType);
            Self::new(content_type.unwrap_or_default(), part.body().clone())
        });
        let documents = parts.filter(|part| part.media_type().eq_ignore_ascii_case(imdn::CONTENT_TYPE));
        Some(documents.map(|part| part.body).collect())
    }

    /// What tells the sender what became of it; `None` when there is nothing to tell.
    pub(super) fn notification(
        &self,
        own: &Address,
        id: &MessageId,
        disposition: Disposition,
    ) -> Option<CpimMessage> {
        self.came_in.as_ref()?.notification(own, id, disposition)
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

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_msrp::cpim::imdn::{ImdnDocument, ImdnLimits};

    fn read(cpim: &str) -> ChatMessage {
        ChatMessage::read(CPIM_TYPE, &Bytes::copy_from_slice(cpim.as_bytes())).expect("a CPIM message")
    }

    #[test]
    fn what_is_told_is_copied_from_what_came() {
        let message = read(
            "From: Alice <im:alice@a.test>\r\nTo: <im:bob@b.test>\r\nDateTime: 2008-04-04T12:16:49-05:00\r\n\
             Subject:;lang=fr Objet\r\nNS: i <urn:ietf:params:imdn>\r\ni.Message-ID: m@1\r\n\
             i.Original-To: List <im:list@b.test>\r\ni.IMDN-Record-Route: \"A\" <im:relay@b.test>\r\n\
             i.Disposition-Notification: positive-delivery\r\n\r\nContent-Type: text/plain\r\n\r\nHi",
        );
        let own = Address::new("sip:bob@192.0.2.1");
        let id = "n1".parse().unwrap();
        let told = message.notification(&own, &id, Disposition::Delivered).unwrap();
        let routes: Vec<_> = told
            .addresses(offhook_msrp::cpim::IMDN_NAMESPACE, "IMDN-Route")
            .collect();
        assert_eq!(routes, [Address::new("im:relay@b.test").with_name("A")]);
        let document = ImdnDocument::parse(told.body(), &ImdnLimits::default()).unwrap();
        assert_eq!(document.message_id, "m@1");
        assert_eq!(document.date_time, "2008-04-04T12:16:49-05:00");
        assert_eq!(document.recipient_uri.as_deref(), Some("im:bob@b.test"));
        assert_eq!(document.original_recipient_uri.as_deref(), Some("im:list@b.test"));
        let subject = document.subject.unwrap();
        assert_eq!(
            (&*subject.text, subject.language.as_deref()),
            ("Objet", Some("fr"))
        );
    }

    #[test]
    fn notifications_come_alone_or_many_in_one() {
        assert_eq!(ChatMessage::text("Hi").imdn_documents(), None);
        let alone = read("\r\nContent-Type: Message/imdn+xml; charset=utf-8\r\n\r\none");
        assert_eq!(alone.imdn_documents(), Some(vec![Bytes::from("one")]));
        let many = read(
            "\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\nContent-Disposition: notification\r\n\r\n\
             --b\r\nContent-Type: message/imdn+xml\r\n\r\none\r\n--b\r\nContent-Type: text/plain\r\n\r\nno\r\n\
             --b\r\nContent-Type: message/imdn+xml\r\n\r\ntwo\r\n--b--\r\n",
        );
        assert_eq!(
            many.imdn_documents(),
            Some(vec![Bytes::from("one"), Bytes::from("two")])
        );
        let none = read("\r\nContent-Type: text/plain\r\nContent-Disposition: notification\r\n\r\nno");
        assert_eq!(none.imdn_documents(), Some(Vec::new()));
    }
}
