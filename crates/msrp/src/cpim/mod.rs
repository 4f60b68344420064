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
//!     .with_imdn("34jk324j", &[Notification::PositiveDelivery, Notification::Display]);
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
pub mod imdn;

pub use address::Address;

use bytes::Bytes;
use escape::{escape, unescape};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::time::Duration;

/// The namespace of header fields without a prefix (RFC 3862 §4).
pub const CPIM_NAMESPACE: &str = "urn:ietf:params:cpim-headers:";
/// The namespace of IMDN (RFC 5438 §6.1).
pub const IMDN_NAMESPACE: &str = "urn:ietf:params:imdn";

/// A `message/cpim` body. What was parsed is printed back as it came: RFC 3862 §2.2 forbids to change or reorder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpimMessage {
    headers: Vec<Header>,
    /// MIME header fields of the content.
    content: Vec<(String, String)>,
    body: Bytes,
}

/// A message header field, escaped as on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Header {
    /// With its prefix, if it has one.
    name: String,
    /// What is between the colon and the space: `;lang=en`.
    parameters: String,
    value: String,
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
            content: vec![("Content-Type".to_owned(), one_line(content_type))],
            body: body.into(),
        }
    }

    /// Reads a body of type `message/cpim`.
    ///
    /// # Errors
    /// When it has no two header sections, or lines in them that are no header fields, or more than the limits allow.
    pub fn parse(bytes: &Bytes, limits: &CpimLimits) -> Result<Self, CpimError> {
        let mut at = 0;
        let mut count = 0;
        let mut headers = Vec::new();
        while let Some(line) = line(bytes, &mut at, limits)? {
            count += 1;
            let (name, rest) = line.split_once(':').ok_or(CpimError::Header { at })?;
            let (parameters, value) = match rest.strip_prefix(';') {
                Some(_) => rest.split_once(' ').unwrap_or((rest, "")),
                None => ("", rest.strip_prefix(' ').unwrap_or(rest)),
            };
            if name.is_empty() || name.contains(' ') || count > limits.headers {
                return Err(CpimError::Header { at });
            }
            headers.push(Header {
                name: name.to_owned(),
                parameters: parameters.to_owned(),
                value: value.to_owned(),
            });
        }
        let mut content = Vec::new();
        while let Some(line) = line(bytes, &mut at, limits)? {
            count += 1;
            let (name, value) = line.split_once(':').ok_or(CpimError::Header { at })?;
            if name.is_empty() || count > limits.headers {
                return Err(CpimError::Header { at });
            }
            content.push((name.to_owned(), value.trim_matches([' ', '\t']).to_owned()));
        }
        Ok(Self {
            headers,
            content,
            body: bytes.slice(at..),
        })
    }

    /// The whole as bytes, to be sent with Content-Type `message/cpim`.
    pub fn to_bytes(&self) -> Bytes {
        let mut text = String::new();
        for header in &self.headers {
            // Writing to memory does not fail.
            let _ = write!(text, "{}:{} {}\r\n", header.name, header.parameters, header.value);
        }
        text.push_str("\r\n");
        for (name, value) in &self.content {
            let _ = write!(text, "{name}: {value}\r\n");
        }
        text.push_str("\r\n");
        let mut bytes = text.into_bytes();
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

    /// A MIME header field of the content, by its name in any case.
    pub fn content_header(&self, name: &str) -> Option<&str> {
        let found = self
            .content
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name));
        found.map(|(_, value)| &**value)
    }

    /// Adds a MIME header field of the content. Line breaks in the value become spaces.
    #[must_use]
    pub fn with_content_header(mut self, name: &str, value: &str) -> Self {
        self.content
            .push((one_line(name).replace(':', ""), one_line(value)));
        self
    }

    /// All values of a header field in a namespace, whatever prefix stands for it (RFC 3862 §3.4), without escapes.
    pub fn values<'a>(&'a self, namespace: &'a str, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        let mut default = CPIM_NAMESPACE;
        let mut prefixes: Vec<(&str, &str)> = Vec::new();
        self.headers.iter().filter_map(move |header| {
            let (prefix, found) = header.name.split_once('.').unwrap_or(("", &header.name));
            if header.name == "NS"
                && let Some((prefix, uri)) = declaration(&header.value)
            {
                match prefix {
                    "" => default = uri,
                    _ => prefixes.push((prefix, uri)),
                }
            }
            let is_in = match prefix {
                "" => default == namespace,
                _ => prefixes
                    .iter()
                    .rev()
                    .find(|(known, _)| *known == prefix)
                    .is_some_and(|(_, uri)| *uri == namespace),
            };
            (is_in && found == name).then(|| unescape(&header.value))
        })
    }

    /// Adds a header field of a namespace, and its declaration if this prefix has none yet. Control characters and
    /// backslashes in the value are escaped.
    #[must_use]
    pub fn with_header(mut self, (prefix, namespace): (&str, &str), name: &str, value: &str) -> Self {
        let declared = self
            .headers
            .iter()
            .any(|header| header.name == "NS" && declaration(&header.value) == Some((prefix, namespace)));
        if namespace != CPIM_NAMESPACE && !declared {
            self.push("NS", "", &format!("{prefix} <{}>", escape(namespace)));
        }
        let name = if prefix.is_empty() {
            name.to_owned()
        } else {
            format!("{prefix}.{name}")
        };
        self.push(&name, "", &escape(value));
        self
    }

    /// Who sent it.
    pub fn from(&self) -> Option<Address> {
        self.addresses("From").next()
    }

    /// To whom it is sent; may be many.
    pub fn to(&self) -> impl Iterator<Item = Address> {
        self.addresses("To")
    }

    /// Who gets a copy.
    pub fn cc(&self) -> impl Iterator<Item = Address> {
        self.addresses("cc")
    }

    /// When it was sent, as time since 1970 (RFC 3862 §4.4, RFC 3339). `None` when absent or no date.
    pub fn date_time(&self) -> Option<Duration> {
        date::parse(&self.values(CPIM_NAMESPACE, "DateTime").next()?)
    }

    /// What it is about.
    pub fn subject(&self) -> Option<Cow<'_, str>> {
        self.values(CPIM_NAMESPACE, "Subject").next()
    }

    /// Names of header fields or features that the receiver must understand (RFC 3862 §3.5), as written.
    pub fn required(&self) -> impl Iterator<Item = String> {
        self.values(CPIM_NAMESPACE, "Require").flat_map(|value| {
            value
                .split(',')
                .map(|name| name.trim().to_owned())
                .collect::<Vec<_>>()
        })
    }

    /// Names the sender.
    #[must_use]
    pub fn with_from(mut self, address: &Address) -> Self {
        self.push("From", "", &address.to_string());
        self
    }

    /// Adds a recipient.
    #[must_use]
    pub fn with_to(mut self, address: &Address) -> Self {
        self.push("To", "", &address.to_string());
        self
    }

    /// Adds somebody who gets a copy.
    #[must_use]
    pub fn with_cc(mut self, address: &Address) -> Self {
        self.push("cc", "", &address.to_string());
        self
    }

    /// Says when it is sent, as time since 1970; written in UTC to the millisecond.
    #[must_use]
    pub fn with_date_time(mut self, since_1970: Duration) -> Self {
        self.push("DateTime", "", &date::print(since_1970));
        self
    }

    /// Says what it is about, and in which language (RFC 3066), if known.
    #[must_use]
    pub fn with_subject(mut self, subject: &str, language: Option<&str>) -> Self {
        let is_tag = |tag: &&str| {
            tag.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
        };
        let parameters = language
            .filter(is_tag)
            .map(|tag| format!(";lang={tag}"))
            .unwrap_or_default();
        self.push("Subject", &parameters, &escape(subject));
        self
    }

    /// Asks for notifications about the message of this id (RFC 5438 §7.1.1).
    #[must_use]
    pub fn with_imdn(self, message_id: &str, wishes: &[Notification]) -> Self {
        let wishes: Vec<_> = wishes.iter().map(|wish| wish.as_str()).collect();
        self.with_header(("imdn", IMDN_NAMESPACE), "Message-ID", message_id)
            .with_header(
                ("imdn", IMDN_NAMESPACE),
                "Disposition-Notification",
                &wishes.join(", "),
            )
    }

    /// The id by which notifications name the message (RFC 5438 §6.3).
    pub fn imdn_message_id(&self) -> Option<Cow<'_, str>> {
        self.values(IMDN_NAMESPACE, "Message-ID").next()
    }

    /// What the sender wants to be notified of; words that are not known are left out (RFC 5438 §7.2.1).
    pub fn notifications(&self) -> Vec<Notification> {
        self.values(IMDN_NAMESPACE, "Disposition-Notification")
            .flat_map(|value| {
                let words = value
                    .split(',')
                    .map(|wish| wish.split(';').next().unwrap_or_default().trim().to_owned());
                words.collect::<Vec<_>>()
            })
            .filter_map(|word| {
                Notification::WORDS
                    .iter()
                    .find(|(known, _)| *known == word)
                    .map(|(_, wish)| *wish)
            })
            .collect()
    }

    fn addresses<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Address> + 'a {
        // Addresses have escapes of their own inside quotes, so they are read from what is on the wire.
        self.headers
            .iter()
            .filter(move |header| header.name == name)
            .filter_map(|header| header.value.parse().ok())
    }

    fn push(&mut self, name: &str, parameters: &str, value: &str) {
        self.headers.push(Header {
            name: one_line(name).replace([':', ' '], ""),
            parameters: parameters.to_owned(),
            value: value.to_owned(),
        });
    }
}

/// A body is not `message/cpim`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CpimError {
    /// The header fields do not end.
    #[error("no empty line after the header fields")]
    NoEnd,
    /// A line is no header field, or there are too many.
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
}

/// The next line of header fields; `None` is the empty line that ends them.
fn line<'a>(bytes: &'a [u8], at: &mut usize, limits: &CpimLimits) -> Result<Option<&'a str>, CpimError> {
    let rest = &bytes[*at..];
    let len = memchr::memmem::find(rest, b"\r\n").ok_or(CpimError::NoEnd)?;
    *at += len + 2;
    if *at > limits.head_bytes {
        return Err(CpimError::TooLong(limits.head_bytes));
    }
    let line = str::from_utf8(&rest[..len]).map_err(|_| CpimError::NotText { at: *at })?;
    Ok((!line.is_empty()).then_some(line))
}

/// Prefix and URI of an `NS` header field.
fn declaration(value: &str) -> Option<(&str, &str)> {
    let (prefix, uri) = value.split_once('<')?;
    Some((prefix.trim(), uri.strip_suffix('>')?))
}

fn one_line(text: &str) -> String {
    text.replace(|character: char| character.is_control(), " ")
}

#[cfg(test)]
mod tests;
