//! IMDN documents (RFC 5438 §11): what became of a message, as its recipient or somebody on the way tells its sender.
//!
//! ```
//! use offhook_msrp::cpim::imdn::{Disposition, ImdnDocument};
//! use offhook_msrp::cpim::{Address, CpimMessage, Notification};
//!
//! let (alice, bob) = (Address::new("im:alice@a.test"), Address::new("im:bob@b.test"));
//! let message = CpimMessage::new("text/plain", "Hi!")
//!     .with_from(&alice)
//!     .with_to(&bob)
//!     .with_imdn(&"34jk324j".parse()?, &[Notification::PositiveDelivery]);
//!
//! // Bob tells Alice that it arrived; she did not ask whether he saw it.
//! let told = message.notification(&bob, &"d834jied93rf".parse()?, Disposition::Delivered).unwrap();
//! assert!(message.notification(&bob, &"dfjkleriou432333".parse()?, Disposition::Displayed).is_none());
//! let document = ImdnDocument::parse(told.body(), &Default::default())?;
//! assert_eq!((&*document.message_id, document.disposition), ("34jk324j", Some(Disposition::Delivered)));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use super::header::Header;
use super::subject::{Subject, is_language};
use super::{
    Address, CPIM_NAMESPACE, CpimMessage, IMDN_NAMESPACE, IMDN_PREFIX, MessageId, Notification, date,
};
use quick_xml::NsReader;
use quick_xml::Writer;
use quick_xml::XmlVersion;
use quick_xml::events::{BytesDecl, BytesStart, BytesText, Event};
use quick_xml::name::{Namespace, ResolveResult};
use std::time::Duration;

/// The media type of IMDN documents (RFC 5438 §11.1.8).
pub const CONTENT_TYPE: &str = "message/imdn+xml";
/// The namespace of their elements (RFC 5438 §11.1).
pub const DOCUMENT_NAMESPACE: &str = "urn:ietf:params:xml:ns:imdn";

/// What became of a message (RFC 5438 §11.1.6, §11.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Disposition {
    /// It arrived.
    Delivered,
    /// It did not arrive.
    Failed,
    /// Whether it arrived is not to be known.
    DeliveryForbidden,
    /// It is not known whether it arrived, because of an error.
    DeliveryError,
    /// It was shown.
    Displayed,
    /// Whether it was shown is not to be known.
    DisplayForbidden,
    /// It is not known whether it was shown.
    DisplayError,
    /// An intermediary passed it on.
    Processed,
    /// An intermediary keeps it until its recipient comes.
    Stored,
    /// What an intermediary does with it is not to be known.
    ProcessingForbidden,
    /// It is not known what an intermediary did with it.
    ProcessingError,
}

/// The element for each, the status in it, and what its sender has to have asked for.
const DISPOSITIONS: [(&str, &str, Disposition, &[Notification]); 11] = {
    use Disposition as D;
    use Notification as N;
    const DELIVERY: &str = "delivery-notification";
    const DISPLAY: &str = "display-notification";
    const PROCESSING: &str = "processing-notification";
    // Who may not know, or cannot, is told so for either wish.
    const EITHER: &[N] = &[N::PositiveDelivery, N::NegativeDelivery];
    [
        (DELIVERY, "delivered", D::Delivered, &[N::PositiveDelivery]),
        (DELIVERY, "failed", D::Failed, &[N::NegativeDelivery]),
        (DELIVERY, "forbidden", D::DeliveryForbidden, EITHER),
        (DELIVERY, "error", D::DeliveryError, EITHER),
        (DISPLAY, "displayed", D::Displayed, &[N::Display]),
        (DISPLAY, "forbidden", D::DisplayForbidden, &[N::Display]),
        (DISPLAY, "error", D::DisplayError, &[N::Display]),
        (PROCESSING, "processed", D::Processed, &[N::Processing]),
        (PROCESSING, "stored", D::Stored, &[N::Processing]),
        (PROCESSING, "forbidden", D::ProcessingForbidden, &[N::Processing]),
        (PROCESSING, "error", D::ProcessingError, &[N::Processing]),
    ]
};

impl Disposition {
    /// The wishes that it answers (RFC 5438 §5, §6.2): a sender who has one of them is told of this.
    pub fn answers(self) -> &'static [Notification] {
        self.row().3
    }

    fn row(self) -> (&'static str, &'static str, Self, &'static [Notification]) {
        let is_its = |row: &&(_, _, Self, _)| row.2 == self;
        *DISPOSITIONS.iter().find(is_its).unwrap_or(&DISPOSITIONS[0])
    }
}

/// An IMDN document. White space in its texts counts as one space, but for that of the subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImdnDocument {
    /// The id of the message that it is about, as its sender gave it.
    pub message_id: String,
    /// When that message was sent, as its header field `DateTime` says. Empty when it does not.
    pub date_time: String,
    /// Who the message was for in the end.
    pub recipient_uri: Option<String>,
    /// Who it was for at first, as `Original-To` says; otherwise the same. The schema has none or both of them, and a subject
    /// only besides both (RFC 5438 §11.1.9).
    pub original_recipient_uri: Option<String>,
    /// What the message was about, in one of its languages (§11.1.5).
    pub subject: Option<Subject>,
    /// What became of it. `None` when the document says that in words that are not known here.
    pub disposition: Option<Disposition>,
}

/// What an IMDN document may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ImdnLimits {
    /// Its size in bytes. Default 64 KiB.
    pub bytes: usize,
    /// How deep its elements are nested. Default 16: four levels and extensions.
    pub depth: usize,
}

impl Default for ImdnLimits {
    fn default() -> Self {
        Self {
            bytes: 64 * 1024,
            depth: 16,
        }
    }
}

impl ImdnDocument {
    /// Reads a body of type `message/imdn+xml`. Elements of other namespaces are passed over; entities other than XML's own
    /// are not taken, nor is a document type.
    ///
    /// # Errors
    /// When it is no such document, names no message, or is more than the limits allow.
    pub fn parse(body: &[u8], limits: &ImdnLimits) -> Result<Self, ImdnError> {
        if body.len() > limits.bytes {
            return Err(ImdnError::TooLong(limits.bytes));
        }
        let text = str::from_utf8(body).map_err(|_| ImdnError::NotText)?;
        let mut reader = NsReader::from_str(text.strip_prefix('\u{feff}').unwrap_or(text));
        reader.config_mut().expand_empty_elements = true;
        let mut draft = Draft::default();
        loop {
            let at = reader.buffer_position();
            let broken = ImdnError::NotXml { at };
            let (namespace, event) = reader.read_resolved_event().map_err(|_| broken)?;
            match event {
                Event::Start(element) => {
                    let is_ours = namespace == ResolveResult::Bound(Namespace(DOCUMENT_NAMESPACE));
                    let name = element.local_name();
                    draft.open(is_ours.then_some(name.as_ref()), limits)?;
                    draft.language = language(&element).map_err(|_| broken)?;
                }
                Event::End(_) => draft.close(),
                Event::Text(text) if draft.path.is_empty() => {
                    if !text.xml10_content().trim().is_empty() {
                        return Err(broken);
                    }
                }
                Event::CData(_) | Event::GeneralRef(_) if draft.path.is_empty() => return Err(broken),
                Event::Text(text) => draft.text.push_str(&text.xml10_content()),
                Event::CData(text) => draft.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => {
                    let character = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(character.to_string()),
                        _ => quick_xml::escape::resolve_xml_entity(&reference).map(str::to_owned),
                    };
                    draft.text.push_str(&character.ok_or(broken)?);
                }
                Event::Eof if draft.path.is_empty() => return draft.finish(),
                Event::Eof | Event::DocType(_) => return Err(broken),
                Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            }
        }
    }

    /// The document as text, to be sent with Content-Type [`CONTENT_TYPE`].
    pub fn to_xml(&self) -> String {
        let mut writer = Writer::new(Vec::new());
        // Writing to memory does not fail.
        let _ = self.write(&mut writer);
        String::from_utf8(writer.into_inner()).unwrap_or_default()
    }

    fn write(&self, writer: &mut Writer<Vec<u8>>) -> std::io::Result<()> {
        writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
        let root = writer
            .create_element("imdn")
            .with_attribute(("xmlns", DOCUMENT_NAMESPACE));
        root.write_inner_content(|writer| {
            let texts = [
                ("message-id", Some(&self.message_id)),
                ("datetime", Some(&self.date_time)),
                ("recipient-uri", self.recipient_uri.as_ref()),
                ("original-recipient-uri", self.original_recipient_uri.as_ref()),
            ];
            for (name, text) in texts {
                let Some(text) = text else { continue };
                let element = writer.create_element(name);
                element.write_text_content(BytesText::new(&token(text)))?;
            }
            if let Some(subject) = &self.subject {
                let language = subject.language.as_deref().filter(|tag| is_language(tag));
                let element = writer.create_element("subject");
                let element = element.with_attributes(language.map(|tag| ("xml:lang", tag)));
                element.write_text_content(BytesText::new(&xml_text(&subject.text)))?;
            }
            self.disposition
                .map_or(Ok(()), |disposition| write_status(writer, disposition))
        })?;
        Ok(())
    }

    /// When the message was sent, as time since 1970. `None` when that is not told, or no date.
    pub fn sent_at(&self) -> Option<Duration> {
        date::parse(&self.date_time)
    }
}

impl CpimMessage {
    /// True when the content is an IMDN document, or many of them in one (RFC 5438 §8.3, §9): nothing is to be told about it
    /// (§7.2.1).
    pub fn is_notification(&self) -> bool {
        let is = |name, word| {
            self.content_header(name)
                .and_then(|value| value.split(';').next())
                .is_some_and(|found| found.trim().eq_ignore_ascii_case(word))
        };
        is("Content-Type", CONTENT_TYPE) || is("Content-Disposition", "notification")
    }

    /// The message that tells the sender of this one what became of it (RFC 5438 §7.2.1): from `own`, who received it, with a
    /// new `message_id` for the notification itself. It goes to the first address in `IMDN-Route`; without one, to that in
    /// `To`. Tell each sender once for each kind: a message that was delivered does not fail later. Processing is told by
    /// intermediaries alone.
    ///
    /// `None` when there is nothing to tell: the sender did not ask for it, gave no id or no address, or this is a notification
    /// itself.
    pub fn notification(
        &self,
        own: &Address,
        message_id: &MessageId,
        disposition: Disposition,
    ) -> Option<Self> {
        let wishes = self.notifications();
        let is_asked = disposition.answers().iter().any(|wish| wishes.contains(wish));
        if !is_asked || self.is_notification() {
            return None;
        }
        let date_time = self.values(CPIM_NAMESPACE, "DateTime").next();
        let recipient = self.recipient(own);
        let document = ImdnDocument {
            message_id: self.imdn_message_id()?.into_owned(),
            date_time: date_time.unwrap_or_default().into_owned(),
            original_recipient_uri: Some(self.original_to().unwrap_or_else(|| recipient.clone())),
            recipient_uri: Some(recipient),
            subject: self.subjects().next(),
            disposition: Some(disposition),
        };
        let mut told = Self::new(CONTENT_TYPE, document.to_xml())
            .with_content_header("Content-Disposition", "notification")
            .with_from(own)
            .with_to(&self.from()?)
            .with_imdn(message_id, &[]);
        for route in self.fields(IMDN_NAMESPACE, "IMDN-Record-Route") {
            // To the octet: it is the intermediary's own.
            let (parameters, value) = (route.parameters(), route.value());
            let route = Header::from_wire(IMDN_PREFIX, "IMDN-Route", parameters, value);
            told.headers.extend(route);
        }
        Some(told)
    }

    /// Who it is for in the end, by the name that `To` has for him (RFC 5438 §11.1.3). Among many that is our own.
    fn recipient(&self, own: &Address) -> String {
        let mut all = self.to();
        let only = all.next().filter(|_| all.next().is_none());
        only.as_ref().unwrap_or(own).uri().to_owned()
    }

    /// Who it was for at first (RFC 5438 §11.1.4). That has to be told, so an address without its brackets is forgiven.
    fn original_to(&self) -> Option<String> {
        let name = "Original-To";
        let address = self.addresses(IMDN_NAMESPACE, name).next();
        let address = address.map(|address| address.uri().to_owned());
        let mut values = self.values(IMDN_NAMESPACE, name);
        address.or_else(|| values.next().map(std::borrow::Cow::into_owned))
    }
}

/// A document that is being read.
#[derive(Default)]
struct Draft {
    /// The elements that are open, by their names; `None` for those of other namespaces.
    path: Vec<Option<String>>,
    text: String,
    /// Of the element that was opened last.
    language: Option<String>,
    document: ImdnDocument,
    is_imdn: bool,
}

impl Draft {
    fn open(&mut self, name: Option<&str>, limits: &ImdnLimits) -> Result<(), ImdnError> {
        if self.path.is_empty() && (self.is_imdn || name != Some("imdn")) {
            return Err(ImdnError::NotImdn);
        }
        if self.path.len() >= limits.depth {
            return Err(ImdnError::TooDeep(limits.depth));
        }
        self.is_imdn = true;
        self.path.push(name.map(str::to_owned));
        self.text.clear();
        Ok(())
    }

    fn close(&mut self) {
        let path: Vec<&str> = self
            .path
            .iter()
            .map(|name| name.as_deref().unwrap_or_default())
            .collect();
        let text = token(&self.text);
        let document = &mut self.document;
        match path[..] {
            ["imdn", "message-id"] => document.message_id = text,
            ["imdn", "datetime"] => document.date_time = text,
            ["imdn", "recipient-uri"] => document.recipient_uri = Some(text),
            ["imdn", "original-recipient-uri"] => document.original_recipient_uri = Some(text),
            ["imdn", "subject"] => {
                document.subject = Some(Subject {
                    text: xml_text(&self.text),
                    language: self.language.take(),
                });
            }
            ["imdn", kind, "status", status] if document.disposition.is_none() => {
                let is_it = |row: &&(&str, &str, _, _)| (row.0, row.1) == (kind, status);
                document.disposition = DISPOSITIONS.iter().find(is_it).map(|row| row.2);
            }
            _ => {}
        }
        self.text.clear();
        self.path.pop();
    }

    fn finish(self) -> Result<ImdnDocument, ImdnError> {
        if !self.is_imdn {
            Err(ImdnError::NotImdn)
        } else if self.document.message_id.is_empty() {
            Err(ImdnError::NoMessage)
        } else {
            Ok(self.document)
        }
    }
}

/// The element that says what became of the message.
fn write_status(writer: &mut Writer<Vec<u8>>, disposition: Disposition) -> std::io::Result<()> {
    let (element, status, ..) = disposition.row();
    writer.create_element(element).write_inner_content(|writer| {
        writer.create_element("status").write_inner_content(|writer| {
            writer.create_element(status).write_empty()?;
            Ok(())
        })?;
        Ok(())
    })?;
    Ok(())
}

/// The language that an element says it is in, where it is one.
fn language(element: &BytesStart<'_>) -> quick_xml::Result<Option<String>> {
    let Some(attribute) = element.try_get_attribute("xml:lang")? else {
        return Ok(None);
    };
    let tag = attribute.normalized_value(XmlVersion::Implicit1_0)?;
    Ok(is_language(&tag).then(|| tag.into_owned()))
}

/// Text without the characters that XML does not have.
fn xml_text(text: &str) -> String {
    let is_in_xml = |found: &char| matches!(found, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
    text.chars().filter(is_in_xml).collect()
}

/// Text without control characters, and with one space wherever there is white space.
fn token(text: &str) -> String {
    let text = xml_text(text);
    let words = text.split(|character: char| character.is_whitespace() || character.is_control());
    let words: Vec<&str> = words.filter(|word| !word.is_empty()).collect();
    words.join(" ")
}

/// A body is no IMDN document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImdnError {
    /// More bytes than [`ImdnLimits::bytes`].
    #[error("a notification of more than {0} bytes")]
    TooLong(usize),
    /// Elements nested deeper than [`ImdnLimits::depth`].
    #[error("elements nested deeper than {0}")]
    TooDeep(usize),
    /// It is not UTF-8.
    #[error("a notification that is not UTF-8")]
    NotText,
    /// It is not well-formed XML, or uses what is not taken here.
    #[error("no XML that is taken here from byte {at}")]
    NotXml {
        /// Where it was good until.
        at: u64,
    },
    /// Its root is another element.
    #[error("the root is no imdn element")]
    NotImdn,
    /// It does not say which message it is about.
    #[error("no message is named")]
    NoMessage,
}

#[cfg(test)]
mod tests;
