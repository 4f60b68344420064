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
use std::time::Duration;

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
        match &self.value {
            Some(value) => write!(f, "{}:{value}", self.name),
            None => f.write_str(&self.name),
        }
    }
}

/// The attributes of a session or of one media, in the order of the text. Unknown ones are kept.
///
/// [`get`](Self::get), [`all`](Self::all) and [`has`](Self::has) give any attribute its type and tell a malformed one
/// from one that is absent. The views by name (`rtpmaps`, `ptime`, `rtcp`, ...) skip malformed ones: RFC 8866 §5.13
/// has receivers ignore what they do not understand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    list: Vec<Attribute>,
}

impl Attributes {
    /// An empty list.
    pub const fn new() -> Self {
        Self { list: Vec::new() }
    }

    /// Adds an attribute behind the others.
    pub fn push(&mut self, attribute: Attribute) {
        if self.list.capacity() == 0 {
            self.list.reserve(8); // a call's media has about that many: one allocation, not two
        }
        self.list.push(attribute);
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// All, in order.
    pub fn iter(&self) -> std::slice::Iter<'_, Attribute> {
        self.list.iter()
    }

    /// True when an attribute of that name is there, with or without a value.
    pub fn contains(&self, name: &str) -> bool {
        self.list.iter().any(|attribute| attribute.name == *name)
    }

    /// The value of the first attribute of that name that has one.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.values(name).next()
    }

    /// The values of all attributes of that name, in order.
    pub fn values<'a>(&'a self, name: &str) -> impl Iterator<Item = &'a str> {
        self.list
            .iter()
            .filter(move |attribute| attribute.name == *name)
            .filter_map(|attribute| attribute.value.as_deref())
    }

    /// Removes all attributes of that name; true when there were any.
    pub fn remove(&mut self, name: &str) -> bool {
        let before = self.list.len();
        self.list.retain(|attribute| attribute.name != *name);
        self.list.len() != before
    }

    /// Puts an attribute in place of the first of its name, drops the others of that name; else adds it.
    pub fn set(&mut self, attribute: Attribute) {
        let place = self.list.iter().position(|other| other.name == attribute.name);
        self.remove(&attribute.name);
        match place {
            Some(place) => self.list.insert(place, attribute),
            None => self.push(attribute),
        }
    }

    /// The direction, if one is said (RFC 8866 §6.7).
    pub fn direction(&self) -> Option<Direction> {
        self.list.iter().find_map(|attribute| attribute.name.parse().ok())
    }

    /// Says the direction, in place of any said before.
    pub fn set_direction(&mut self, direction: Direction) {
        self.list
            .retain(|attribute| attribute.name.parse::<Direction>().is_err());
        self.push(Attribute::new(Text::from_static(direction.as_str())));
    }

    /// All well-formed `rtpmap` lines (RFC 8866 §6.6).
    pub fn rtpmaps(&self) -> impl Iterator<Item = Rtpmap> + '_ {
        self.all().flatten()
    }

    /// All well-formed `fmtp` lines (RFC 8866 §6.15).
    pub fn fmtps(&self) -> impl Iterator<Item = Fmtp> + '_ {
        self.all().flatten()
    }

    /// How much audio the receiver wants in one packet (RFC 8866 §6.4).
    pub fn ptime(&self) -> Option<Duration> {
        self.get().ok()?.map(|Ptime(time)| time)
    }

    /// How much audio the receiver takes in one packet at most (RFC 8866 §6.5).
    pub fn maxptime(&self) -> Option<Duration> {
        self.get().ok()?.map(|MaxPtime(time)| time)
    }

    /// Where RTCP is received (RFC 3605).
    pub fn rtcp(&self) -> Option<Rtcp> {
        self.get().ok()?
    }

    /// True when RTP and RTCP may share one port (RFC 5761 §5.1.1).
    pub fn rtcp_mux(&self) -> bool {
        self.contains("rtcp-mux")
    }
}

impl<'a> IntoIterator for &'a Attributes {
    type Item = &'a Attribute;
    type IntoIter = std::slice::Iter<'a, Attribute>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl FromIterator<Attribute> for Attributes {
    fn from_iter<I: IntoIterator<Item = Attribute>>(attributes: I) -> Self {
        Self {
            list: attributes.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(lines: &[(&'static str, &'static str)]) -> Attributes {
        lines
            .iter()
            .map(|(name, value)| Attribute::with_value(*name, *value))
            .collect()
    }

    #[test]
    fn set_keeps_the_place_and_removes_repetitions() {
        let mut attributes = list(&[("ptime", "20"), ("x", "1"), ("ptime", "30")]);
        attributes.set(Attribute::with_value("ptime", "40"));
        assert_eq!(attributes, list(&[("ptime", "40"), ("x", "1")]));
        attributes.set(Attribute::with_value("maxptime", "60"));
        assert_eq!(attributes.maxptime(), Some(Duration::from_millis(60)));
    }

    #[test]
    fn only_one_direction_stands_at_a_time() {
        let mut attributes = Attributes::new();
        attributes.set_direction(Direction::SendOnly);
        attributes.set_direction(Direction::Inactive);
        assert_eq!(attributes.len(), 1);
        assert_eq!(attributes.direction(), Some(Direction::Inactive));
    }
}
