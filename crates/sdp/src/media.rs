//! One `m=` section.

use crate::attribute::{Candidate, IceUfrag, MalformedAttribute, Property, Rtcp, TypedAttribute, tokens};
use crate::{
    Attribute, Attributes, Bandwidth, Connection, Direction, Formats, Protocol, RtpFormat,
    SessionDescription, Text,
};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

tokens! {
    /// What is carried by a media section (RFC 8866 §5.14).
    MediaKind {
        /// `audio`
        Audio = "audio",
        /// `video`
        Video = "video",
        /// `text`: real-time text (RFC 4103).
        Text = "text",
        /// `application`
        Application = "application",
        /// `message`: session chat and files (RFC 4975).
        Message = "message",
        /// `image`: fax (RFC 6466).
        Image = "image",
    }
}

/// How a section says that its author does not receive for now (RFC 3264 §8.4).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HoldStyle {
    /// `a=sendonly`, or `a=inactive` when nothing was sent either.
    #[default]
    Direction,
    /// `c=IN IP4 0.0.0.0`: the way of RFC 2543, for peers that know no other. No RTCP is received either.
    ZeroAddress,
}

/// One stream of a session: an `m=` line with the lines that belong to it (RFC 8866 §5.14).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Media {
    /// What the stream carries.
    pub kind: MediaKind,
    /// Where the stream is received; 0 refuses or removes it (RFC 3264 §6, §8.2).
    pub port: u16,
    /// How many ports in a row (for RTP: pairs). Default 1, which is not written.
    pub port_count: u16,
    /// `RTP/AVP`, `RTP/SAVP`, `TCP/MSRP`, ...
    pub protocol: Text,
    /// Payload types for RTP, in order of preference; otherwise what the protocol defines.
    pub formats: Formats,
    /// `i=`: a title for people. An empty one is read and written as none.
    pub info: Option<Text>,
    /// `c=`: where the stream is received, when not where the session says.
    pub connection: Option<Connection>,
    /// Further `c=` lines: the layers of a hierarchical multicast (RFC 8866 §5.7). Empty in calls.
    pub more_connections: Vec<Connection>,
    /// `b=`.
    pub bandwidths: Vec<Bandwidth>,
    /// `k=`, kept as it is. Obsolete: never write one.
    pub key: Option<Text>,
    /// `a=` lines.
    pub attributes: Attributes,
}

impl Media {
    /// A section without formats and attributes.
    pub fn new(kind: MediaKind, port: u16, protocol: impl Into<Text>) -> Self {
        Self {
            kind,
            port,
            port_count: 1,
            protocol: protocol.into(),
            formats: Formats::new(),
            info: None,
            connection: None,
            more_connections: Vec::new(),
            bandwidths: Vec::new(),
            key: None,
            attributes: Attributes::new(),
        }
    }

    /// An RTP audio stream (`RTP/AVP`) received at `port`, with `rtpmap` and `fmtp` lines for each format.
    ///
    /// Formats stand in order of preference.
    pub fn audio(port: u16, formats: impl IntoIterator<Item = RtpFormat>) -> Self {
        let mut media = Self::new(MediaKind::Audio, port, Text::from_static("RTP/AVP"));
        media.set_rtp_formats(formats);
        media
    }

    /// An answer that refuses this offered section: port 0, nothing else (RFC 3264 §6).
    #[must_use]
    pub fn rejection(&self) -> Self {
        Self {
            formats: self.formats.clone(),
            ..Self::new(self.kind.clone(), 0, self.protocol.clone())
        }
    }

    /// True when the section is refused or removed: port 0, unless it is offered for use in its bundle only
    /// (RFC 9143 §6).
    pub fn is_rejected(&self) -> bool {
        self.port == 0 && self.attributes.has(Property::BundleOnly) != Ok(true)
    }

    /// The protocol as a type: choose by it between RTP in the clear, SRTP, MSRP and others.
    pub fn transport(&self) -> Protocol {
        Protocol::from(&*self.protocol)
    }

    /// The same section on hold: its author goes on sending what it sent, and receives nothing.
    #[must_use]
    pub fn held(mut self, style: HoldStyle) -> Self {
        match style {
            HoldStyle::Direction => {
                let said = self.attributes.direction().unwrap_or_default();
                self.attributes.set_direction(said.held());
            }
            HoldStyle::ZeroAddress => {
                let is_v6 = self
                    .connection
                    .as_ref()
                    .is_some_and(|own| own.address_type == "IP6");
                let zero = if is_v6 {
                    Ipv6Addr::UNSPECIFIED.into()
                } else {
                    Ipv4Addr::UNSPECIFIED.into()
                };
                self.connection = Some(Connection::new(zero));
            }
        }
        self
    }

    /// True when the author proposes ICE for this section: a user name fragment here or in the session
    /// (RFC 8839 §5.4), whether candidates are here already or will trickle in.
    pub fn has_ice_proposal(&self, session: &SessionDescription) -> bool {
        self.attribute_in::<IceUfrag>(session)
            .is_ok_and(|ufrag| ufrag.is_some())
    }

    /// True when a well-formed candidate is here.
    pub fn has_ice_candidates(&self) -> bool {
        self.attributes
            .all::<Candidate>()
            .any(|candidate| candidate.is_ok())
    }

    /// The names of the encodings of an RTP section, in order of preference, without what only accompanies codecs.
    pub fn codecs(&self) -> Vec<Text> {
        let codecs = self
            .rtp_formats()
            .into_iter()
            .filter(|format| !format.is_auxiliary());
        codecs.map(|format| format.encoding).collect()
    }

    /// The same section with one attribute more.
    #[must_use]
    pub fn with_attribute(mut self, attribute: Attribute) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// The same section in another direction.
    #[must_use]
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.attributes.set_direction(direction);
        self
    }

    /// The same section with another protocol.
    #[must_use]
    pub fn with_protocol(mut self, protocol: impl Into<Text>) -> Self {
        self.protocol = protocol.into();
        self
    }

    /// Which way media flows, as the author of this section sees it (RFC 8866 §6.7).
    ///
    /// The section's own attribute, else the session's, else `sendrecv`. An unspecified address (`c=IN IP4
    /// 0.0.0.0`) takes receiving away: the old form of hold (RFC 3264 §8.4).
    pub fn direction(&self, session: &SessionDescription) -> Direction {
        let said = self.attributes.direction().unwrap_or_else(|| session.direction());
        match self.connection_in(session) {
            Some(connection) if connection.is_unspecified() => said.intersect(Direction::SendOnly),
            _ => said,
        }
    }

    /// An attribute that the session may say for all sections (`setup`, `fingerprint`, `ice-ufrag`, ...): the section's
    /// own, else the session's. `None` when neither has it.
    ///
    /// # Errors
    /// When the one that holds is malformed.
    pub fn attribute_in<A: TypedAttribute>(
        &self,
        session: &SessionDescription,
    ) -> Result<Option<A>, MalformedAttribute> {
        match self.attributes.get()? {
            Some(own) => Ok(Some(own)),
            None => session.attributes.get(),
        }
    }

    /// The connection data that hold for this section: its own, else the session's.
    pub fn connection_in<'a>(&'a self, session: &'a SessionDescription) -> Option<&'a Connection> {
        self.connection.as_ref().or(session.connection.as_ref())
    }

    /// Where the stream is received. `None` when it is refused, or when the address is a host name or missing.
    pub fn media_address(&self, session: &SessionDescription) -> Option<SocketAddr> {
        if self.port == 0 {
            return None;
        }
        let ip = self.connection_in(session)?.ip()?;
        Some(SocketAddr::new(ip, self.port))
    }

    /// Where RTCP is received: beside the media with `rtcp-mux` (RFC 5761), where `a=rtcp` says (RFC 3605), else on
    /// the next port.
    ///
    /// `rtcp-mux` holds only when offer and answer both have it: for an offer with it, ask again of the answer.
    pub fn rtcp_address(&self, session: &SessionDescription) -> Option<SocketAddr> {
        let media = self.media_address(session)?;
        if self.attributes.rtcp_mux() {
            return Some(media);
        }
        match self.attributes.rtcp() {
            Some(Rtcp { port, connection }) => {
                let ip = connection.map_or(Some(media.ip()), |connection| connection.ip())?;
                Some(SocketAddr::new(ip, port))
            }
            None => Some(SocketAddr::new(media.ip(), media.port().checked_add(1)?)),
        }
    }

    /// The RTP formats of the `m=` line, in its order.
    ///
    /// A static payload type without an `rtpmap` gets the meaning that RFC 3551 §6 gives it; a dynamic one without
    /// an `rtpmap` means nothing and is left out, and so is what is not a payload type.
    pub fn rtp_formats(&self) -> Vec<RtpFormat> {
        self.formats
            .iter()
            .filter_map(|format| RtpFormat::find(format.parse().ok()?, &self.attributes))
            .collect()
    }

    /// Replaces the formats and their `rtpmap` and `fmtp` lines.
    pub fn set_rtp_formats(&mut self, formats: impl IntoIterator<Item = RtpFormat>) {
        self.attributes.remove("rtpmap");
        self.attributes.remove("fmtp");
        self.formats.clear();
        for format in formats {
            self.formats.push(&format.payload_type.to_string());
            self.attributes.push(Attribute::with_value(
                "rtpmap",
                format_args!("{}", format.rtpmap()),
            ));
            if let Some(parameters) = &format.fmtp {
                self.attributes.push(Attribute::with_value(
                    "fmtp",
                    format_args!("{} {parameters}", format.payload_type),
                ));
            }
        }
    }
}
