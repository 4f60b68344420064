//! Media that a tool of its own sends and receives (`ExternalMediaSession` of the documents).

mod command;

pub use command::{ToolCommand, ToolCommandError};

use super::sdes::{Sdes, crypto};
use super::{
    Agreed, MediaStream, OtherDescription, StreamContext, StreamDescription, StreamError, StreamEvent,
    StreamSettings,
};
use crate::media::{LocalMedia, MediaCommand, MediaEvent, StreamId, ToolEvent, ToolStart};
use command::Place;
use offhook_rtp_media::srtp::{MasterKey, SrtpKeys, SrtpPolicy, SrtpSuite};
use offhook_sdp::offer_answer::{Preference, answer_formats, match_answer};
use offhook_sdp::{
    Attribute, Connection, Direction, Media, MediaKind, Protocol, RtpFormat, SessionDescription,
};
use std::net::{IpAddr, SocketAddr};

/// A stream of RTP that a tool sends and receives by itself: video, or audio of codecs that this SDK does not know
/// (`ExternalMediaSession` of the documents).
///
/// The stream offers and answers for the tool. When both sides agree, the ports that were kept for it are given free, and it is
/// started with the addresses and the format in its [command line](ToolCommand); its standard input has the session description
/// of what it shall receive. The stream runs as long as the tool does: a tool that ends fails its stream, with its exit code
/// and its last words. When the stream ends the tool is asked to end as well (SIGTERM on Unix), and ended after 3 s.
///
/// A tool is ended by us, so that one lives on when this process is ended without a chance to do so (SIGKILL).
///
/// Media go in the clear (`RTP/AVP`) unless [`with_srtp`](Self::with_srtp) says otherwise: it is the tool that encrypts. Neither side's
/// address can change once the tool runs, and neither can its keys.
#[derive(Debug)]
pub struct ExternalMediaStream {
    kind: MediaKind,
    formats: Vec<RtpFormat>,
    direction: Direction,
    command: ToolCommand,
    group: Option<Group>,
    srtp: SrtpPolicy,
    /// Our keys, once the stream is initialised.
    sdes: Option<Sdes>,
    /// What the tool decrypts with.
    remote_key: Option<MasterKey>,
    local: Option<LocalMedia>,
    /// Where media go, once that is agreed upon.
    remote: Option<SocketAddr>,
    is_running: bool,
}

/// What tools are given to encrypt with: every one that encrypts has these.
const SUITES: [SrtpSuite; 2] = [SrtpSuite::AesCm128HmacSha1_80, SrtpSuite::AesCm128HmacSha1_32];

/// What a tool is started with, and what stays so.
struct Tuning {
    start: ToolStart,
    /// Where the tool of the other side receives.
    remote: SocketAddr,
    remote_key: Option<MasterKey>,
}

/// A multicast group in which both sides send and receive.
#[derive(Clone, Debug)]
struct Group {
    connection: Connection,
    port: u16,
}

impl ExternalMediaStream {
    /// A stream of a kind in one of these formats, the best first.
    pub fn new(kind: MediaKind, formats: impl IntoIterator<Item = RtpFormat>, command: ToolCommand) -> Self {
        Self {
            kind,
            formats: formats.into_iter().collect(),
            direction: Direction::SendRecv,
            command,
            group: None,
            srtp: SrtpPolicy::Off,
            sdes: None,
            remote_key: None,
            local: None,
            remote: None,
            is_running: false,
        }
    }

    /// The same for a tool that only sends, or only receives.
    #[must_use]
    pub fn with_direction(mut self, direction: Direction) -> Self {
        self.direction = direction;
        self
    }

    /// Offers a multicast group of IPv4 instead of addresses of ours, which no packet leaves farther than so many routers.
    #[must_use]
    pub fn with_group(mut self, group: std::net::SocketAddrV4, ttl: u8) -> Self {
        self.group = Some(Group {
            connection: Connection::named(format!("{}/{ttl}", group.ip())),
            port: group.port(),
        });
        self
    }

    /// Whether media are encrypted, with keys in the session description (RFC 4568), which the tool is given: those that it shall
    /// encrypt with in its [command line](ToolCommand), those of the other side in the session description at its standard input.
    /// Default [`SrtpPolicy::Off`]. The suites are those of AES with 128 bits in counter mode, which all know.
    #[must_use]
    pub fn with_srtp(mut self, policy: SrtpPolicy) -> Self {
        self.srtp = policy;
        self
    }

    fn section(&self, formats: impl IntoIterator<Item = RtpFormat>, direction: Direction) -> Media {
        let port = match (&self.group, &self.local) {
            (Some(group), _) => group.port,
            (None, local) => local.map_or(0, |local| local.rtp.port()),
        };
        let mut media = Media::new(self.kind.clone(), port, Protocol::RtpAvp.as_str());
        media.set_rtp_formats(formats);
        media.connection = self.group.as_ref().map(|group| group.connection.clone());
        media.with_direction(direction)
    }

    /// Whether a section is of our kind, encrypted only where we may, and has a format of ours.
    fn shares(&self, section: &Media) -> bool {
        let is_known = Sdes::knows(section) && (Sdes::is_plain(section) || self.srtp != SrtpPolicy::Off);
        section.kind == self.kind
            && is_known
            && !section.is_rejected()
            && !answer_formats(&section.rtp_formats(), &self.formats, Preference::Offerer).is_empty()
    }

    /// With our keys, where there are some.
    fn keyed(&self, section: Media) -> Media {
        match &self.sdes {
            Some(sdes) => sdes.offer(section),
            None => section,
        }
    }

    fn nothing_in_common(&self, theirs: &Media) -> StreamError {
        let names = |formats: &[RtpFormat]| {
            let names: Vec<_> = formats.iter().map(|format| format.encoding.to_string()).collect();
            names.join(", ")
        };
        StreamError::NoCommonCodec {
            ours: names(&self.formats),
            theirs: names(&theirs.rtp_formats()),
        }
    }

    /// What the tool needs to know.
    fn agree(&self, agreed: Agreed<'_>) -> Result<Tuning, StreamError> {
        let sections = (
            agreed.local.media.get(agreed.index),
            agreed.remote.media.get(agreed.index),
        );
        let (Some(ours), Some(theirs)) = sections else {
            return Err(StreamError::Refused("external"));
        };
        if ours.is_rejected() || theirs.is_rejected() {
            return Err(StreamError::Refused("external"));
        }
        let remote = theirs
            .media_address(agreed.remote)
            .ok_or(StreamError::NoAddress)?;
        let local = ours.media_address(agreed.local).ok_or(StreamError::NoAddress)?;
        if remote.ip().is_multicast() && remote != local {
            return Err(StreamError::Lacks("the multicast group that was agreed upon"));
        }
        let (local_formats, remote_formats) = (ours.rtp_formats(), theirs.rtp_formats());
        let format = if agreed.is_offerer {
            match_answer(&local_formats, &remote_formats)
                .into_iter()
                .map(|pair| pair.remote)
                .next()
        } else {
            match_answer(&remote_formats, &local_formats)
                .into_iter()
                .map(|pair| pair.local)
                .next()
        };
        let format = format.ok_or_else(|| self.nothing_in_common(theirs))?;
        let keys = match &self.sdes {
            Some(sdes) => sdes.agree(ours, theirs, agreed.is_offerer)?,
            None => None,
        };
        let rtcp = |media: &Media, session| media.rtcp_address(session).map_or(0, |address| address.port());
        let direction = ours.direction(agreed.local);
        let words = self.command.fill(|place| match place {
            Place::LocalIp => local.ip().to_string(),
            Place::LocalPort => local.port().to_string(),
            Place::LocalRtcpPort => rtcp(ours, agreed.local).to_string(),
            Place::RemoteIp => remote.ip().to_string(),
            Place::RemotePort => remote.port().to_string(),
            Place::RemoteRtcpPort => rtcp(theirs, agreed.remote).to_string(),
            Place::PayloadType => format.payload_type.to_string(),
            Place::Encoding => format.encoding.to_string(),
            Place::ClockRate => format.clock_rate.to_string(),
            Place::Direction => direction.to_string(),
            Place::SrtpSuite => keys
                .as_ref()
                .map_or("", |keys| keys.local.suite().name())
                .to_owned(),
            Place::SrtpLocalKey => keys
                .as_ref()
                .map(|keys| in_base64(&keys.local))
                .unwrap_or_default(),
            Place::SrtpRemoteKey => keys
                .as_ref()
                .map(|keys| in_base64(&keys.remote))
                .unwrap_or_default(),
        });
        let mut words = words.into_iter();
        let mut description = agreed.local.clone();
        description.media = vec![received_as(ours.clone(), keys.as_ref())];
        let start = ToolStart {
            program: words.next().unwrap_or_default(),
            arguments: words.collect(),
            description: description.to_string(),
        };
        Ok(Tuning {
            start,
            remote,
            remote_key: keys.map(|keys| keys.remote),
        })
    }
}

/// What a tool shall receive: decrypted with the key of who sends it, where a description of ours names our own.
fn received_as(mut section: Media, keys: Option<&SrtpKeys>) -> Media {
    section.attributes.remove("crypto");
    match keys {
        Some(keys) => section.with_attribute(Attribute::from(&crypto(1, &keys.remote))),
        None => section,
    }
}

/// Key and salt as a session description has them.
fn in_base64(key: &MasterKey) -> String {
    let keys = crypto(1, key);
    keys.inline_keys().map(ToString::to_string).collect()
}

impl MediaStream for ExternalMediaStream {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        offer.media.get(index).is_some_and(|section| self.shares(section))
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        _settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        let local = cx.plane.open_tool(local)?;
        self.local = Some(local);
        self.sdes = Some(Sdes::with_suites(self.srtp, &SUITES, &mut cx.plane.entropy()));
        cx.tell(StreamEvent::DidInitialize);
        Ok(())
    }

    fn offer(&self) -> Media {
        self.keyed(self.section(self.formats.clone(), self.direction))
    }

    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        let offered = offer.media.get(index).ok_or(StreamError::Refused("external"))?;
        let theirs = offered.rtp_formats();
        let pairs = answer_formats(&theirs, &self.formats, Preference::Offerer);
        let format = pairs.into_iter().next().filter(|_| self.shares(offered));
        let format = format.ok_or_else(|| self.nothing_in_common(offered))?.local;
        // A group is the same for both sides, and so is who sends (RFC 3264 §6.2).
        let is_group = offered
            .connection_in(offer)
            .and_then(Connection::ip)
            .is_some_and(|ip| ip.is_multicast());
        self.group = is_group
            .then(|| offered.connection_in(offer).cloned())
            .flatten()
            .map(|connection| Group {
                connection,
                port: offered.port,
            });
        let direction = if is_group {
            offered.direction(offer)
        } else {
            offered.direction(offer).answered_with(self.direction)
        };
        let section = self.section([format], direction);
        match &self.sdes {
            Some(sdes) => Ok(sdes.answer(offered, section)?),
            None => Ok(section),
        }
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let stream = self.id().ok_or(StreamError::NotRunning("external"))?;
        let tuning = self.agree(agreed)?;
        (self.remote, self.remote_key) = (Some(tuning.remote), tuning.remote_key);
        let start = Box::new(tuning.start);
        cx.plane.send(MediaCommand::StartTool { stream, start });
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.is_running
    }

    /// The tool cannot be told of another address, nor of other keys.
    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        remote.media.get(index).is_some_and(|section| {
            let stays = |known| section.media_address(remote) == Some(known);
            let key = self.sdes.as_ref().and_then(|sdes| sdes.offered_key(section));
            self.shares(section) && self.remote.is_none_or(stays) && key == self.remote_key
        })
    }

    fn update(&mut self, _cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        self.agree(agreed).map(drop)
    }

    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError> {
        match event {
            MediaEvent::Tool {
                event: ToolEvent::Started,
                ..
            } => {
                self.is_running = true;
                cx.tell(StreamEvent::DidStart);
                Ok(())
            }
            MediaEvent::Tool {
                event: ToolEvent::Ended { reason },
                ..
            } => Err(StreamError::Tool(reason)),
            _ => Ok(()),
        }
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.is_running = false;
        if let Some(LocalMedia { stream, .. }) = self.local.take() {
            cx.plane.send(MediaCommand::Stop { stream });
            cx.tell(StreamEvent::WillEnd);
            cx.tell(StreamEvent::DidEnd);
        }
    }

    fn id(&self) -> Option<StreamId> {
        self.local.map(|local| local.stream)
    }

    fn describe(&self) -> StreamDescription {
        StreamDescription::Other(OtherDescription {
            kind: self.kind.to_string(),
            protocol: self.offer().protocol.to_string(),
        })
    }
}
