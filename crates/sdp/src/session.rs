//! A whole description.

use crate::{Attributes, Bandwidth, Connection, Direction, Media, Origin, Text, Timing, ZoneAdjustment};
use std::net::IpAddr;

/// A session description (RFC 8866 §5): what one side of a session sends, receives and where.
///
/// [`parse`](Self::parse) reads it, [`Display`](std::fmt::Display) writes it with CRLF line ends in the order that
/// the RFC demands. Two descriptions are equal when all their fields are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionDescription {
    /// `o=`: who made it, and its version.
    pub origin: Origin,
    /// `s=`: the session's name. Default `-`, which means none (RFC 8866 §5.3).
    pub name: Text,
    /// `i=`: about the session, for people. An empty one is read and written as none.
    pub info: Option<Text>,
    /// `u=`: where to read more about the session.
    pub uri: Option<Text>,
    /// `e=`: whom to write to.
    pub emails: Vec<Text>,
    /// `p=`: whom to call.
    pub phones: Vec<Text>,
    /// `c=`: where media goes that names no connection of its own.
    pub connection: Option<Connection>,
    /// `b=`: limits for the session as a whole.
    pub bandwidths: Vec<Bandwidth>,
    /// `t=` with its `r=`. Default `0 0`: unbounded, as all calls are.
    pub timing: Timing,
    /// Further `t=` lines with theirs: the session is active at other times too. Empty in calls.
    pub more_timings: Vec<Timing>,
    /// `z=`.
    pub zones: Vec<ZoneAdjustment>,
    /// `k=`, kept as it is. Obsolete (RFC 8866 §5.12): never write one.
    pub key: Option<Text>,
    /// `a=` lines before the first media.
    pub attributes: Attributes,
    /// `m=` sections, in order. Offer and answer refer to each other by this order.
    pub media: Vec<Media>,
}

impl SessionDescription {
    /// An unbounded session without media, whose media will go to `address`.
    ///
    /// `session_id` must be unique for the user agent: an NTP timestamp or random bits.
    pub fn new(session_id: u64, address: IpAddr) -> Self {
        Self {
            origin: Origin::new(session_id, address),
            name: Text::from_static("-"),
            info: None,
            uri: None,
            emails: Vec::new(),
            phones: Vec::new(),
            connection: Some(Connection::new(address)),
            bandwidths: Vec::new(),
            timing: Timing::default(),
            more_timings: Vec::new(),
            zones: Vec::new(),
            key: None,
            attributes: Attributes::new(),
            media: Vec::new(),
        }
    }

    /// The same description with other media.
    #[must_use]
    pub fn with_media(mut self, media: impl IntoIterator<Item = Media>) -> Self {
        self.media = media.into_iter().collect();
        self
    }

    /// The direction that holds for media without one of their own. Default `sendrecv` (RFC 8866 §6.7).
    pub fn direction(&self) -> Direction {
        self.attributes.direction().unwrap_or_default()
    }

    /// True when both describe the same state of a session: equal but for the version of the origin.
    pub fn same_content(&self, other: &Self) -> bool {
        let Self {
            origin,
            name,
            info,
            uri,
            emails,
            phones,
            connection,
            bandwidths,
            timing,
            more_timings,
            zones,
            key,
            attributes,
            media,
        } = self;
        origin.same_session(&other.origin)
            && *name == other.name
            && *info == other.info
            && *uri == other.uri
            && *emails == other.emails
            && *phones == other.phones
            && *connection == other.connection
            && *bandwidths == other.bandwidths
            && *timing == other.timing
            && *more_timings == other.more_timings
            && *zones == other.zones
            && *key == other.key
            && *attributes == other.attributes
            && *media == other.media
    }
}
