//! CPIM: a message with the names of who sent it to whom and when, in one body (RFC 3862), and the header fields by which
//! its sender asks for notifications (IMDN, RFC 5438).
//!
//! ```
//! use offhook_msrp::cpim::{Address, CpimMessage, Notification};
//! use std::time::Duration;
//!
//! let message = CpimMessage::new("text/plain; charset=utf-8", "Hi!")
//!     .with_from(&Address::new("sip:alice@a.test").with_name("Alice"))
//!     .with_to(&Address::new("sip:bob@b.test"))
//!     .with_date_time(Duration::from_secs(1_600_000_000))
//!     .with_imdn(&"34jk324j".parse()?, &[Notification::PositiveDelivery, Notification::Display]);
//! let wire = message.to_bytes();
//! let read = CpimMessage::parse(&wire, &Default::default())?;
//! assert_eq!(read.from().unwrap().uri(), "sip:alice@a.test");
//! assert_eq!(read.imdn_message_id().as_deref(), Some("34jk324j"));
//! assert_eq!(read.body(), "Hi!");
//! # Ok::<(), offhook_msrp::cpim::CpimError>(())
//! ```

mod address;
mod date;
mod escape;
mod head;
mod header;
pub mod imdn;
mod message_id;
mod mime;
mod namespaces;
mod subject;

pub use address::Address;
pub use date::rfc3339;
pub use message_id::MessageId;
pub use namespaces::QualifiedName;
pub use subject::Subject;

use bytes::Bytes;
use escape::{escape, split_unquoted};
use head::Head;
use header::Header;
use mime::MimeField;
use namespaces::Namespaces;
use std::borrow::Cow;
use std::time::Duration;

/// The namespace of header fields without a prefix (RFC 3862 §4).
pub const CPIM_NAMESPACE: &str = "urn:ietf:params:cpim-headers:";
/// The namespace of IMDN (RFC 5438 §6.1).
pub const IMDN_NAMESPACE: &str = "urn:ietf:params:imdn";
/// The prefix that we give to it.
const IMDN_PREFIX: &str = "imdn";

/// A `message/cpim` body. What was parsed is printed back as it came, to the octet: RFC 3862 §2.2 forbids to change or
/// reorder, and it may be signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpimMessage {
    headers: Vec<Header>,
    content: Vec<MimeField>,
    body: Bytes,
}

/// What a `message/cpim` body may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpimLimits {
    /// Header fields of both parts together. Default 128: recipients are listed one by one.
    pub headers: usize,
    /// Bytes before the content. Default 64 KiB.
    pub head_bytes: usize,
}

impl Default for CpimLimits {
    fn default() -> Self {
        Self {
            headers: 128,
            head_bytes: 64 * 1024,
        }
    }
}

/// What a sender wants to be notified of (RFC 5438 §6.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Notification {
    /// The message arrived.
    PositiveDelivery,
    /// The message did not arrive.
    NegativeDelivery,
    /// An intermediary works on it.
    Processing,
    /// The message was shown.
    Display,
}

impl Notification {
    const WORDS: [(&'static str, Self); 4] = [
        ("positive-delivery", Self::PositiveDelivery),
        ("negative-delivery", Self::NegativeDelivery),
        ("processing", Self::Processing),
        ("display", Self::Display),
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        Self::WORDS
            .iter()
            .find(|(_, found)| *found == self)
            .map_or("", |(word, _)| word)
    }
}

impl CpimMessage {
    /// Wraps content of any type.
    pub fn new(content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            headers: Vec::new(),
            content: MimeField::new("Content-Type", content_type).into_iter().collect(),
            body: body.into(),
        }
    }

    /// Reads a body of type `message/cpim`.
    ///
    /// # Errors
    /// When it has no two header sections, or lines in them that are no header fields, or more than the limits allow.
    pub fn parse(bytes: &Bytes, limits: &CpimLimits) -> Result<Self, CpimError> {
        let mut head = Head::new(bytes, limits);
        Ok(Self {
            headers: head.message(Header::parse)?,
            content: head.mime(MimeField::parse)?,
            body: bytes.slice(head.len()..),
        })
    }

    /// The whole as bytes, to be sent with Content-Type `message/cpim`.
    pub fn to_bytes(&self) -> Bytes {
        let mut bytes = Vec::new();
        let headers = self.headers.iter().map(Header::line);
        let content = self.content.iter().map(MimeField::text);
        for line in headers.chain([""]).chain(content).chain([""]) {
            bytes.extend_from_slice(line.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(&self.body);
        bytes.into()
    }

    /// The content.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// Content-Type of the content.
    pub fn content_type(&self) -> Option<&str> {
        self.content_header("Content-Type")
    }

    /// A MIME header field of the content, by its name in any case; unfolded.
    pub fn content_header(&self, name: &str) -> Option<&str> {
        let found = self.content.iter().find(|field| field.is(name));
        found.map(MimeField::value)
    }

    /// Adds a MIME header field of the content. Line breaks in the value become spaces.
    #[must_use]
    pub fn with_content_header(mut self, name: &str, value: &str) -> Self {
        self.content.extend(MimeField::new(name, value));
        self
    }

    /// All values of a header field in a namespace, whatever prefix stands for it (RFC 3862 §3.4), without escapes.
    pub fn values<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        self.fields(namespace, name).map(Header::text)
    }

    /// The addresses in a header field of a namespace, one in each; what is no address is passed over.
    pub fn addresses<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = Address> {
        // Addresses have escapes of their own inside quotes, so they are read from what is on the wire.
        self.fields(namespace, name)
            .filter_map(|header| header.value().parse().ok())
    }

    /// Adds a header field of a namespace, and the declaration of this prefix where it stands for another or for none. An
    /// empty prefix leaves the choice of one: header fields without a prefix stay those of CPIM. Control characters and
    /// backslashes in the value are escaped; blanks at its end are left out (RFC 3862 §2.2), as is what no name has.
    #[must_use]
    pub fn with_header(mut self, (prefix, namespace): (&str, &str), name: &str, value: &str) -> Self {
        let prefix = self.declare(prefix, namespace);
        self.headers.extend(Header::new(&prefix, name, value));
        self
    }

    /// Who sent it.
    pub fn from(&self) -> Option<Address> {
        self.addresses(CPIM_NAMESPACE, "From").next()
    }

    /// To whom it is sent; may be many.
    pub fn to(&self) -> impl Iterator<Item = Address> {
        self.addresses(CPIM_NAMESPACE, "To")
    }

    /// Who gets a copy.
    pub fn cc(&self) -> impl Iterator<Item = Address> {
        self.addresses(CPIM_NAMESPACE, "cc")
    }

    /// When it was sent, as time since 1970 (RFC 3862 §4.4, RFC 3339). `None` when absent or no date.
    pub fn date_time(&self) -> Option<Duration> {
        date::parse(&self.values(CPIM_NAMESPACE, "DateTime").next()?)
    }

    /// What it is about, as its first `Subject` says.
    pub fn subject(&self) -> Option<Cow<'_, str>> {
        self.values(CPIM_NAMESPACE, "Subject").next()
    }

    /// What it is about in each language that its sender knew (RFC 3862 §4.5).
    pub fn subjects(&self) -> impl Iterator<Item = Subject> {
        self.fields(CPIM_NAMESPACE, "Subject").map(Subject::read)
    }

    /// Header fields or features that the receiver must understand (RFC 3862 §3.5).
    pub fn required(&self) -> Vec<QualifiedName> {
        let mut namespaces = Namespaces::new();
        let mut required = Vec::new();
        for header in &self.headers {
            let (prefix, name) = header.name();
            if name == "Require" && namespaces.uri(prefix) == Some(CPIM_NAMESPACE) {
                let names = header.value().split(',').map(str::trim);
                required.extend(
                    names
                        .filter(|name| !name.is_empty())
                        .map(|name| namespaces.resolve(name)),
                );
            }
            namespaces.pass(header);
        }
        required
    }

    /// Names the sender.
    #[must_use]
    pub fn with_from(self, address: &Address) -> Self {
        self.with_wire("From", "", &address.to_string())
    }

    /// Adds a recipient.
    #[must_use]
    pub fn with_to(self, address: &Address) -> Self {
        self.with_wire("To", "", &address.to_string())
    }

    /// Adds somebody who gets a copy.
    #[must_use]
    pub fn with_cc(self, address: &Address) -> Self {
        self.with_wire("cc", "", &address.to_string())
    }

    /// Says when it is sent, as time since 1970; written in UTC to the millisecond.
    #[must_use]
    pub fn with_date_time(self, since_1970: Duration) -> Self {
        self.with_header(("", CPIM_NAMESPACE), "DateTime", &rfc3339(since_1970))
    }

    /// Says what it is about, and in which language (RFC 3066), if known. Once for each language.
    #[must_use]
    pub fn with_subject(self, subject: &str, language: Option<&str>) -> Self {
        let language = language.filter(|tag| subject::is_language(tag));
        let parameters = language.map(|tag| format!(";lang={tag}")).unwrap_or_default();
        let subject = escape(subject);
        self.with_wire("Subject", &parameters, subject.trim_end_matches(' '))
    }

    /// Gives it the id by which notifications name it, and asks for them (RFC 5438 §7.1.1). Who asks also has to say when the
    /// message is sent, by [`with_date_time`](Self::with_date_time) (§7.1.1.2).
    #[must_use]
    pub fn with_imdn(self, message_id: &MessageId, wishes: &[Notification]) -> Self {
        let imdn = (IMDN_PREFIX, IMDN_NAMESPACE);
        let named = self.with_header(imdn, "Message-ID", message_id.as_str());
        if wishes.is_empty() {
            return named;
        }
        let wishes: Vec<_> = wishes.iter().map(|wish| wish.as_str()).collect();
        named.with_header(imdn, "Disposition-Notification", &wishes.join(", "))
    }

    /// The id by which notifications name the message (RFC 5438 §6.3).
    pub fn imdn_message_id(&self) -> Option<Cow<'_, str>> {
        self.values(IMDN_NAMESPACE, "Message-ID").next()
    }

    /// What the sender wants to be notified of; words that are not known are left out (RFC 5438 §7.2.1), as are
    /// known ones in another case (§10).
    pub fn notifications(&self) -> Vec<Notification> {
        self.fields(IMDN_NAMESPACE, "Disposition-Notification")
            .flat_map(|header| split_unquoted(header.value(), ','))
            .filter_map(|wish| {
                let word = wish.split(';').next().unwrap_or_default().trim();
                let mut known = Notification::WORDS.iter();
                known.find(|(known, _)| *known == word).map(|(_, wish)| *wish)
            })
            .collect()
    }

    /// The header fields of a name in a namespace.
    fn fields<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = &'a Header> {
        let mut namespaces = Namespaces::new();
        self.headers.iter().filter(move |header| {
            let (prefix, found) = header.name();
            let is_it = found == name && namespaces.uri(prefix) == Some(namespace);
            namespaces.pass(header);
            is_it
        })
    }

    /// The prefix that stands for a namespace from here on: the wished one, declared anew where needed. Without a wish one that
    /// is there already, or a new one.
    fn declare(&mut self, wish: &str, namespace: &str) -> String {
        let (wish, namespace) = (header::name(wish), address::clean_uri(namespace));
        let known = Namespaces::after(&self.headers);
        if known.uri(&wish) == Some(&namespace) {
            return wish;
        }
        let prefix = match known.prefix(&namespace) {
            Some(prefix) if wish.is_empty() => return prefix.to_owned(),
            _ if wish.is_empty() => known.free_prefix(),
            _ => wish,
        };
        let declaration = format!("{prefix} <{namespace}>");
        self.headers.extend(Header::from_wire("", "NS", "", &declaration));
        prefix
    }

    /// Adds a header field of CPIM with what is escaped already.
    fn with_wire(mut self, name: &str, parameters: &str, value: &str) -> Self {
        let prefix = self.declare("", CPIM_NAMESPACE);
        self.headers
            .extend(Header::from_wire(&prefix, name, parameters, value));
        self
    }
}

/// A body is not `message/cpim`, or a text is not what it has to be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpimError {
    /// The header fields do not end.
    #[error("no empty line after the header fields")]
    NoEnd,
    /// A line is no header field.
    #[error("no header field before byte {at}")]
    Header {
        /// Where the line ends.
        at: usize,
    },
    /// The header fields are not UTF-8.
    #[error("header fields that are not UTF-8 before byte {at}")]
    NotText {
        /// Where the line ends.
        at: usize,
    },
    /// More bytes of header fields than [`CpimLimits::head_bytes`].
    #[error("header fields of more than {0} bytes")]
    TooLong(usize),
    /// More header fields than [`CpimLimits::headers`].
    #[error("more than {0} header fields")]
    TooMany(usize),
    /// A text is no [`Address`].
    #[error("no address of the form Name <URI>")]
    Address,
    /// A text is no [`MessageId`].
    #[error("a message id that is empty, or has blanks or separators")]
    MessageId,
}

#[cfg(test)]
mod tests;
