//! One audio stream of a session: RTP negotiated by SDP.

mod hold;
mod recording;
mod wishes;

pub use recording::{RecordedParties, recording_name};

use super::formats::{
    agree_on_formats, codec_agreed, codec_of, formats_of, formats_to_answer, is_among, nothing_in_common,
    packet_time, shared_formats,
};
use super::rtp_transport::RtpTransport;
use super::security::Security;
use super::{
    Agreed, AudioDescription, AudioEvent, MediaStream, StreamContext, StreamDescription, StreamError,
    StreamEvent, StreamSettings,
};
use crate::media::{Attachment, LocalMedia, MediaCommand, MediaEvent, PortId, StreamId, VoiceCommand};
use offhook_audio_mixer::{AudioPort, DeviceOptions, WaveFile};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtmf::Digit;
use offhook_rtp_media::jitter::JitterConfig;
use offhook_rtp_media::srtp::{SrtpPolicy, SrtpSuite};
use offhook_rtp_media::{AudioConfig, SilenceDetection, SrtpKeying};
use offhook_sdp::attribute::RtcpXr;
use offhook_sdp::offer_answer::{Preference, answer_formats};
use offhook_sdp::{Direction, Media, MediaKind, OpusParameters, RtpFormat, SessionDescription};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

/// An RTP audio stream (`AudioStream` of the documents): offered or answered, started, held and ended by its session.
///
/// What it plays to the remote party and what hears the remote party is attached before or while it runs.
pub struct AudioStream {
    /// Set by the application, else by the settings of the session's owner.
    codecs: Option<Vec<AudioCodec>>,
    /// All that it ever had: a dynamic payload type means one codec as long as the session lasts (RFC 3264 §8.3.2).
    numbered_codecs: Vec<AudioCodec>,
    /// What the running stream shall have instead, once the other side has agreed.
    wished_codecs: Option<Vec<AudioCodec>>,
    all_codecs: bool,
    opus: Option<OpusParameters>,
    rtp_timeout: Option<Duration>,
    srtp: Option<SrtpPolicy>,
    dtls_srtp: Option<SrtpPolicy>,
    silence: Option<SilenceDetection>,
    jitter: JitterConfig,
    device: Device,
    hold_music: Option<WaveFile>,
    /// The port that plays it.
    music: Option<PortId>,
    recorded: Option<recording::Recorded>,
    waiting: Vec<(PortId, Attachment, Box<dyn AudioPort>)>,
    ports: u32,
    transport: Option<RtpTransport>,
    running: Option<Running>,
    on_hold_by_local: bool,
}

/// Whether a stream is spoken and heard on devices, and which.
#[derive(Clone, Debug)]
enum Device {
    No,
    /// The one that all streams share, unless a port is attached.
    IfNothingElse,
    Shared,
    These(DeviceOptions),
}

/// That RTCP may go in reduced size (RFC 5506 §5).
const REDUCED_SIZE: &str = "rtcp-rsize";

/// What was agreed upon last.
#[derive(Clone, Debug, PartialEq)]
struct Running {
    codec: AudioCodec,
    direction: Direction,
    remote_rtp: SocketAddr,
    /// Where media comes from, as far as it is known to come from elsewhere.
    remote_rtp_received: SocketAddr,
    encryption: Option<SrtpSuite>,
    on_hold_by_remote: bool,
}

impl AudioStream {
    /// A stream to offer in a call that we make, or to accept in one that comes in. Its codecs and times are those of
    /// the [`StreamSettings`] unless it is given its own.
    pub fn offer() -> Self {
        Self {
            codecs: None,
            numbered_codecs: Vec::new(),
            wished_codecs: None,
            all_codecs: false,
            opus: None,
            rtp_timeout: None,
            srtp: None,
            dtls_srtp: None,
            silence: None,
            jitter: JitterConfig::default(),
            device: Device::IfNothingElse,
            hold_music: None,
            music: None,
            recorded: None,
            waiting: Vec::new(),
            ports: 0,
            transport: None,
            running: None,
            on_hold_by_local: false,
        }
    }

    /// Sends a digit to the remote party (RFC 4733).
    ///
    /// # Errors
    /// When the stream does not run.
    pub fn send_dtmf(&mut self, cx: &mut StreamContext<'_>, digit: Digit) -> Result<(), StreamError> {
        let stream = self.stream()?.stream;
        cx.plane.send(MediaCommand::SendDtmf { stream, digit });
        Ok(())
    }

    /// Wishes other codecs for a running stream, in order of preference: its session offers them as soon as it can (RFC 3264
    /// §8.3.2). The stream goes on with what is agreed then; [`AudioEvent::DidChangeRtpParameters`] tells it, or
    /// [`AudioEvent::CodecChangeDidFail`] that the other side refused, and all is as before.
    ///
    /// # Errors
    /// When the stream does not run, or the list is empty.
    pub fn set_codecs(&mut self, codecs: &[AudioCodec]) -> Result<(), StreamError> {
        if self.running.is_none() {
            return Err(StreamError::NotRunning("audio"));
        }
        if codecs.is_empty() {
            return Err(StreamError::NoCodecs);
        }
        self.wished_codecs = Some(codecs.to_vec());
        self.number(codecs.to_vec());
        Ok(())
    }

    /// An audio section that the other side proposes, as an application sees it.
    pub(super) fn describe_proposal(offer: &SessionDescription, index: usize) -> StreamDescription {
        let section = offer.media.get(index);
        StreamDescription::Audio(AudioDescription {
            codec: None,
            sample_rate: None,
            local_rtp: None,
            remote_rtp: section.and_then(|media| media.media_address(offer)),
            direction: section.map_or(Direction::SendRecv, |media| media.direction(offer).reversed()),
            encryption: None,
            recording: None,
        })
    }

    fn formats(&self, codecs: &[AudioCodec]) -> Vec<RtpFormat> {
        formats_of(codecs, &self.numbered_codecs, self.opus.unwrap_or_default())
    }

    fn number(&mut self, mut codecs: Vec<AudioCodec>) {
        codecs.retain(|codec| !self.numbered_codecs.contains(codec));
        self.numbered_codecs.extend(codecs);
    }

    fn codecs(&self) -> &[AudioCodec] {
        self.codecs.as_deref().unwrap_or(AudioCodec::ALL)
    }

    /// Ports are numbered within their stream: it has no name yet.
    fn next_port(&mut self) -> PortId {
        self.ports += 1;
        PortId(self.ports)
    }

    fn section(&self, formats: impl IntoIterator<Item = RtpFormat>, direction: Direction) -> Media {
        let port = self.local().map_or(0, |local| local.rtp.port());
        let mut media = Media::audio(port, formats);
        media
            .attributes
            .push(offhook_sdp::Attribute::with_value("ptime", "20"));
        media
            .attributes
            .push(offhook_sdp::Attribute::from(&RtcpXr::voip_metrics()));
        media.with_direction(direction)
    }

    fn wished_direction(&self) -> Direction {
        if self.on_hold_by_local {
            Direction::default().held()
        } else {
            Direction::SendRecv
        }
    }

    fn agree(&self, agreed: Agreed<'_>) -> Result<(Running, AudioConfig), StreamError> {
        let remote = agreed
            .remote
            .media
            .get(agreed.index)
            .ok_or(StreamError::Refused("audio"))?;
        let local = agreed
            .local
            .media
            .get(agreed.index)
            .ok_or(StreamError::Refused("audio"))?;
        if remote.is_rejected() || local.is_rejected() {
            return Err(StreamError::Refused("audio"));
        }
        let pairs = shared_formats(agreed).unwrap_or_default();
        let (codec, format) = pairs
            .iter()
            .find_map(|pair| Some((codec_agreed(pair)?, pair)))
            .ok_or_else(|| nothing_in_common(self.codecs(), &remote.rtp_formats()))?;
        let remote_rtp = remote
            .media_address(agreed.remote)
            .ok_or(StreamError::NoAddress)?;
        let both_mux = remote.attributes.rtcp_mux() && local.attributes.rtcp_mux();
        let remote_rtcp = remote.rtcp_address(agreed.remote).ok_or(StreamError::NoAddress)?;
        let remote_direction = remote.direction(agreed.remote);
        let direction = local
            .direction(agreed.local)
            .intersect(remote_direction.reversed());
        let mut config = AudioConfig::new(codec, remote_rtp);
        config.remote_rtcp = remote_rtcp;
        agree_on_formats(&mut config, format, &pairs);
        config.ptime_ms = packet_time(codec, &remote.attributes);
        config.silence_detection = self.silence;
        let wishes = remote.attributes.get::<RtcpXr>().ok().flatten();
        config.voip_metrics = wishes.is_some_and(|wishes| wishes.wants(RtcpXr::VOIP_METRICS));
        config.direction = flow(direction);
        config.rtcp_mux = both_mux;
        config.rtcp_reduced_size = [remote, local]
            .iter()
            .all(|media| media.attributes.contains(REDUCED_SIZE));
        config.srtp = self
            .transport()?
            .agree((local, remote), agreed.remote, agreed.is_offerer)?;
        config.jitter = self.jitter;
        if let Some(timeout) = self.rtp_timeout {
            config.rtp_timeout = timeout;
        }
        let running = Running {
            codec,
            direction,
            remote_rtp,
            remote_rtp_received: remote_rtp,
            encryption: config.srtp.as_ref().and_then(SrtpKeying::suite),
            on_hold_by_remote: !remote_direction.receives(),
        };
        Ok((running, config))
    }

    /// What the media side is to do now, and the transport with it.
    fn establish(
        &mut self,
        agreed: Agreed<'_>,
    ) -> Result<(StreamId, Running, Box<AudioConfig>), StreamError> {
        let stream = self.stream()?.stream;
        let (running, config) = self.agree(agreed)?;
        if let Some(transport) = &mut self.transport {
            transport.establish(config.remote_rtp, config.srtp.clone());
        }
        Ok((stream, running, Box::new(config)))
    }

    /// After a renegotiation: takes the codecs over that we offered in it, and tells if what is spoken has changed, or was asked to.
    fn notice_codec(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>, before: Option<AudioCodec>) {
        let offered = || -> Option<Vec<AudioCodec>> {
            let local = agreed.local.media.get(agreed.index)?;
            Some(local.rtp_formats().iter().filter_map(codec_of).collect())
        };
        // What is wished may have come too late for this offer.
        let granted = agreed.is_offerer && self.wished_codecs.is_some() && self.wished_codecs == offered();
        if granted {
            self.codecs = self.wished_codecs.take();
        }
        if let Some(running) = self
            .running
            .as_ref()
            .filter(|running| granted || before != Some(running.codec))
        {
            cx.tell(StreamEvent::Audio(running.parameters()));
        }
    }

    fn stream(&self) -> Result<LocalMedia, StreamError> {
        self.local().ok_or(StreamError::NotRunning("audio"))
    }

    /// Lets the stream be spoken and heard: on the shared device, if it wants that, and through the ports that wait and are chosen.
    fn attach(&mut self, cx: &mut StreamContext<'_>, stream: StreamId, chosen: impl Fn(Attachment) -> bool) {
        if matches!(self.device, Device::Shared) {
            cx.plane.send(MediaCommand::Voice(VoiceCommand::Join(stream)));
        }
        for (port, attachment, audio) in self
            .waiting
            .extract_if(.., |(_, attachment, _)| chosen(*attachment))
        {
            cx.plane.send(MediaCommand::Attach {
                stream,
                port,
                attachment,
                audio,
            });
        }
    }

    fn local(&self) -> Option<LocalMedia> {
        self.transport.as_ref().and_then(RtpTransport::local)
    }

    fn transport(&self) -> Result<&RtpTransport, StreamError> {
        self.transport.as_ref().ok_or(StreamError::NotRunning("audio"))
    }
}

impl MediaStream for AudioStream {
    fn takes(&self, offer: &SessionDescription, index: usize) -> bool {
        let section = offer.media.get(index);
        section.is_some_and(|media| media.kind == MediaKind::Audio)
    }

    fn initialize(
        &mut self,
        cx: &mut StreamContext<'_>,
        local: IpAddr,
        settings: &StreamSettings,
    ) -> Result<(), StreamError> {
        let codecs = self.codecs.get_or_insert_with(|| settings.audio_codecs.clone());
        let codecs = codecs.clone();
        self.number(codecs);
        self.all_codecs |= settings.answer_all_codecs;
        self.opus.get_or_insert(settings.opus);
        self.rtp_timeout.get_or_insert(settings.rtp_timeout);
        self.silence = self.silence.or(settings.silence_detection);
        self.hold_music = self.hold_music.take().or_else(|| settings.hold_music.clone());
        let srtp = self.srtp.unwrap_or(settings.srtp);
        let dtls_srtp = self.dtls_srtp.unwrap_or(settings.dtls_srtp);
        let mut transport = RtpTransport::new(srtp, dtls_srtp);
        transport.set_init(cx.plane, local)?;
        self.transport = Some(transport);
        cx.tell(StreamEvent::DidInitialize);
        Ok(())
    }

    fn offer(&self) -> Media {
        let mut formats = self.formats(self.wished_codecs.as_deref().unwrap_or(self.codecs()));
        if self.silence.is_none() {
            formats.retain(|format| !format.is("CN"));
        }
        let mut section = self.section(formats, self.wished_direction());
        section.attributes.push(offhook_sdp::Attribute::new(REDUCED_SIZE));
        match &self.transport {
            Some(transport) => transport.offer(section),
            None => section,
        }
    }

    /// One codec only, the first of the offer's that we have, so that both sides know what is sent; or all that we have, of
    /// which each may come then (RFC 3264 §6.1).
    fn answer(&mut self, offer: &SessionDescription, index: usize) -> Result<Media, StreamError> {
        let offered = offer.media.get(index).ok_or(StreamError::Refused("audio"))?;
        if offered.kind != MediaKind::Audio || !Security::knows(offered) {
            return Err(StreamError::Unsupported {
                kind: offered.kind.to_string(),
                protocol: offered.protocol.to_string(),
            });
        }
        let theirs = offered.rtp_formats();
        let pairs = answer_formats(&theirs, &self.formats(self.codecs()), Preference::Offerer);
        let most = if self.all_codecs { usize::MAX } else { 1 };
        let formats =
            formats_to_answer(&pairs, most).ok_or_else(|| nothing_in_common(self.codecs(), &theirs))?;
        let direction = offered.direction(offer).answered_with(self.wished_direction());
        let answer = self.section(formats, direction);
        let mut answer = self.transport()?.answer(offered, offer, answer)?;
        if offered.attributes.contains(REDUCED_SIZE) {
            answer.attributes.push(offhook_sdp::Attribute::new(REDUCED_SIZE));
        }
        if offered.attributes.rtcp_mux() {
            answer.attributes.push(offhook_sdp::Attribute::new("rtcp-mux"));
        }
        Ok(answer)
    }

    fn start(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let (stream, running, config) = self.establish(agreed)?;
        // Where something was heard before, this is an update.
        cx.plane.send(MediaCommand::StartAudio { stream, config });
        if self.on_hold_by_local {
            self.hold_media(cx, stream);
        }
        self.attach(cx, stream, |_| true);
        self.running = Some(running);
        cx.tell(StreamEvent::DidStart);
        Ok(())
    }

    /// We only listen: the other side has not accepted, and nobody here expects to be heard. Keys by DTLS wait until it has.
    fn start_early(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let stream = self.stream()?.stream;
        let (_, mut config) = self.agree(agreed)?;
        if matches!(config.srtp, Some(SrtpKeying::Dtls(_))) {
            return Ok(());
        }
        config.direction = offhook_rtp_media::Direction::RecvOnly;
        cx.plane.send(MediaCommand::StartAudio {
            stream,
            config: Box::new(config),
        });
        // What is played to the other side begins when it accepts.
        self.attach(cx, stream, |attachment| attachment != Attachment::Talks);
        Ok(())
    }

    fn is_running(&self) -> bool {
        self.running.is_some()
    }

    fn validate_update(&self, remote: &SessionDescription, index: usize) -> bool {
        remote.media.get(index).is_some_and(|media| {
            !media.is_rejected()
                && media.media_address(remote).is_some()
                && self
                    .transport
                    .as_ref()
                    .is_some_and(|transport| transport.could_answer(media, remote))
                && media
                    .rtp_formats()
                    .iter()
                    .any(|format| is_among(self.codecs(), format))
        })
    }

    fn update(&mut self, cx: &mut StreamContext<'_>, agreed: Agreed<'_>) -> Result<(), StreamError> {
        let (stream, running, config) = self.establish(agreed)?;
        cx.plane.send(MediaCommand::UpdateAudio { stream, config });
        let before = self.running.replace(running);
        self.pause_recording_on_hold();
        self.notice_codec(cx, agreed, before.map(|before| before.codec));
        Ok(())
    }

    fn wants_offer(&self) -> bool {
        self.wished_codecs.is_some()
    }

    fn offer_refused(&mut self, cx: &mut StreamContext<'_>, reason: &str) {
        if self.wished_codecs.take().is_some() {
            let reason = reason.to_owned();
            cx.tell(StreamEvent::Audio(AudioEvent::CodecChangeDidFail { reason }));
        }
    }

    fn set_hold(&mut self, cx: &mut StreamContext<'_>, on_hold: bool) {
        self.on_hold_by_local = on_hold;
        self.pause_recording_on_hold();
        if self.is_running()
            && let Some(LocalMedia { stream, .. }) = self.local()
        {
            self.hold_media(cx, stream);
        }
    }

    fn supports_hold(&self) -> bool {
        true
    }

    fn is_on_hold_by_local(&self) -> bool {
        self.on_hold_by_local
    }

    fn is_on_hold_by_remote(&self) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.on_hold_by_remote)
    }

    fn handle_media_event(
        &mut self,
        cx: &mut StreamContext<'_>,
        event: MediaEvent,
    ) -> Result<(), StreamError> {
        let event = match event {
            MediaEvent::Statistics { statistics, .. } => {
                self.notice_failed_recording(cx);
                AudioEvent::Statistics(statistics)
            }
            MediaEvent::GotDtmf { digit, .. } => AudioEvent::GotDtmf { digit },
            // Before the other side accepts, it owes us nothing.
            MediaEvent::RtpTimeout { .. } if self.running.is_none() => return Ok(()),
            MediaEvent::RtpTimeout { .. } => AudioEvent::DidTimeoutRtp,
            MediaEvent::Secured { suite, .. } => {
                if let Some(running) = &mut self.running {
                    running.encryption = Some(suite);
                }
                AudioEvent::DidEnableEncryption { suite }
            }
            MediaEvent::RemoteAddressChanged { remote, .. } => {
                let Some(running) = &mut self.running else {
                    return Ok(());
                };
                running.remote_rtp_received = remote;
                running.parameters()
            }
            _ => return Ok(()),
        };
        cx.tell(StreamEvent::Audio(event));
        Ok(())
    }

    fn end(&mut self, cx: &mut StreamContext<'_>) {
        self.running = None;
        // Its file is closed when its ports come back from the media side.
        drop(self.stop_recording(cx));
        if let Some(mut transport) = self.transport.take() {
            cx.tell(StreamEvent::WillEnd);
            transport.close(cx.plane);
            cx.tell(StreamEvent::DidEnd);
        }
    }

    fn id(&self) -> Option<StreamId> {
        self.local().map(|local| local.stream)
    }

    fn describe(&self) -> StreamDescription {
        let running = self.running.as_ref();
        StreamDescription::Audio(AudioDescription {
            codec: running.map(|running| running.codec.spec().name.to_owned()),
            sample_rate: running.map(|running| running.codec.spec().sample_rate),
            local_rtp: self.local().map(|local| local.rtp),
            remote_rtp: running.map(|running| running.remote_rtp),
            direction: running.map_or(self.wished_direction(), |running| running.direction),
            encryption: running.and_then(|running| running.encryption),
            recording: self.recording_path().map(Path::to_owned),
        })
    }
}

impl Running {
    fn parameters(&self) -> AudioEvent {
        let spec = self.codec.spec();
        AudioEvent::DidChangeRtpParameters {
            codec: spec.name.to_owned(),
            sample_rate: spec.sample_rate,
            remote: self.remote_rtp_received,
        }
    }
}

/// The same word in the language of RTP.
fn flow(direction: Direction) -> offhook_rtp_media::Direction {
    match direction {
        Direction::SendRecv => offhook_rtp_media::Direction::SendRecv,
        Direction::SendOnly => offhook_rtp_media::Direction::SendOnly,
        Direction::RecvOnly => offhook_rtp_media::Direction::RecvOnly,
        Direction::Inactive => offhook_rtp_media::Direction::Inactive,
    }
}
