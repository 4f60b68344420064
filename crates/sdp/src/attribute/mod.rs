//! `a=` lines: kept as they are, in order, with typed views on the ones that calls need.

mod base64;
mod candidate;
mod content;
mod crypto;
mod direction;
mod extmap;
mod file;
mod file_selector;
mod fingerprint;
mod fmtp;
mod group;
mod ice;
mod lex;
mod list;
mod msrp;
mod packet_time;
mod rtcp;
mod rtcp_feedback;
mod rtcp_xr;
mod rtpmap;
mod setup;
mod ssrc;
mod typed;

pub use candidate::{
    Candidate, CandidateKind, CandidateTransport, RelatedAddress, RemoteCandidate, RemoteCandidates, TcpType,
};
pub use content::{Content, ContentTag, Label};
pub use crypto::{
    Crypto, CryptoSuite, InlineKey, KeyMaterial, KeyParameter, MasterKeyIdentifier, SessionParameter,
};
pub use direction::Direction;
pub use extmap::ExtMap;
pub use file::{FileDate, FileDisposition, FileIcon, FileRange, FileTransferId};
pub use file_selector::{FileHash, FileSelector};
pub use fingerprint::{Fingerprint, HashFunction};
pub use fmtp::{Fmtp, fmtp_parameter};
pub use group::{Group, GroupSemantics, Mid};
pub use ice::{IceOptions, IcePwd, IceUfrag};
pub use list::{AttributeIter, Attributes};
pub use msrp::{AcceptTypes, AcceptWrappedTypes, Chatroom, FormatEntry, MaxSize, Path};
pub use packet_time::{MaxPtime, Ptime};
pub use rtcp::Rtcp;
pub use rtcp_feedback::{FeedbackKind, RtcpFeedback};
pub use rtcp_xr::RtcpXr;
pub use rtpmap::Rtpmap;
pub use setup::{ConnectionReuse, Setup};
pub use ssrc::{Ssrc, SsrcGroup, SsrcSemantics};
pub(crate) use typed::tokens;
pub use typed::{MalformedAttribute, Property, TypedAttribute};

use crate::Text;
use std::fmt;

/// One `a=` line (RFC 8866 §5.13): `name`, or `name:value`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Attribute {
    /// The name; compared with its case.
    pub name: Text,
    /// What follows the colon; `None` for a property attribute.
    pub value: Option<Text>,
}

impl Attribute {
    /// A property attribute: `a=name`.
    pub fn new(name: impl Into<Text>) -> Self {
        Self {
            name: name.into(),
            value: None,
        }
    }

    /// A value attribute: `a=name:value`.
    pub fn with_value(name: impl Into<Text>, value: impl Into<Text>) -> Self {
        Self {
            name: name.into(),
            value: Some(value.into()),
        }
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        AttributeRef::from(self).fmt(f)
    }
}

/// One `a=` line as [`Attributes`] lends it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttributeRef<'a> {
    /// The name; compared with its case.
    pub name: &'a str,
    /// What follows the colon; `None` for a property attribute.
    pub value: Option<&'a str>,
}

impl<'a> From<&'a Attribute> for AttributeRef<'a> {
    fn from(attribute: &'a Attribute) -> Self {
        Self {
            name: &attribute.name,
            value: attribute.value.as_deref(),
        }
    }
}

impl From<AttributeRef<'_>> for Attribute {
    fn from(line: AttributeRef<'_>) -> Self {
        Self {
            name: line.name.into(),
            value: line.value.map(Text::from),
        }
    }
}

impl fmt::Display for AttributeRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)?;
        match self.value {
            Some(value) => write!(f, ":{value}"),
            None => Ok(()),
        }
    }
}
