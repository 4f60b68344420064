//! One audio m-line as a plain value: session, jitter buffer, codec and digits together.

mod admit;
mod application;
mod config;
mod loss_pattern;
mod outgoing;
mod protection;
mod receive;
mod send;
mod silence;
mod transmit;
mod voice;

pub use config::{
    AudioConfig, AudioError, AudioEvent, Direction, MAX_OTHERS, OtherCodec, OtherEvents, Playout,
};
pub use outgoing::{MediaKind, MediaTransmit};
pub use protection::SrtpKeying;
pub use silence::SilenceDetection;

use crate::codec::AudioCodec;
use crate::dtmf::{Digit, DtmfReceiver, DtmfSender, ToneDetector};
use crate::ids::Ssrc;
use crate::jitter::Packet;
use crate::packet::is_rtcp;
use crate::rtcp::VoipMetrics;
use crate::session::{PAYLOAD_AT, PayloadClock, RtpSession, SessionConfig, SourceNews, Statistics};
use crate::srtp::MAX_OVERHEAD;
use crate::time::{MEDIA_RATE, MediaClock, ticks_to_duration};
use config::Numbers;
use offhook_sansio::{Deadlines, Entropy, Outbox, Timer, WallClock, earliest};
use outgoing::Outgoing;
use protection::{Protection, Remotes};
use receive::Receiver;
use send::Sender;
use std::fmt;
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tracing::debug;

/// Events that wait at most; later ones are lost when the owner does not drain them.
const MAX_EVENTS: usize = 64;

#[derive(Clone, Copy, Debug)]
enum StreamTimer {
    RtpTimeout,
}

impl Timer for StreamTimer {
    const ALL: &'static [Self] = &[Self::RtpTimeout];

    fn index(self) -> usize {
        self as usize
    }
}

/// The audio of one call: datagrams in and out on one side, PCM on the other.
///
/// Its owner is a media thread. For each datagram it calls [`handle_rtp`](Self::handle_rtp) or
/// [`handle_rtcp`](Self::handle_rtcp); on each tick it calls [`read`](Self::read) for what to play and
/// [`write`](Self::write) with what was captured, both at [`sample_rate`](Self::sample_rate); and after each call
/// it drains [`poll_transmit`](Self::poll_transmit) and [`poll_event`](Self::poll_event). Reports and time-outs
/// happen in [`handle_timeout`](Self::handle_timeout) at [`poll_timeout`](Self::poll_timeout): calling it once per
/// tick is enough.
///
/// After the first packets nothing here allocates (the Opus port does, inside).
///
/// ```
/// use offhook_rtp_media::codec::AudioCodec;
/// use offhook_rtp_media::{AudioConfig, AudioTransport};
/// use offhook_sansio::{Entropy, WallClock};
/// use std::net::SocketAddr;
/// use std::time::{Duration, Instant};
///
/// let now = Instant::now();
/// let clock = WallClock::new(now, Duration::from_hours(500_000));
/// let bob: SocketAddr = "192.0.2.1:4000".parse()?;
/// let config = AudioConfig::new(AudioCodec::Pcmu, bob);
/// let mut audio = AudioTransport::new(config, now, clock, Entropy::from_number(1))?;
/// audio.write(now, &[0; 160]);
/// let transmit = audio.poll_transmit().expect("20 ms make a packet");
/// assert_eq!(transmit.to, bob);
/// assert_eq!(transmit.bytes.len(), 12 + 160);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct AudioTransport {
    config: AudioConfig,
    numbers: Numbers,
    clock: MediaClock,
    session: RtpSession,
    protection: Protection,
    receiver: Receiver,
    sender: Sender,
    dtmf_in: DtmfReceiver,
    /// In which the digit that is heard counts its duration.
    dtmf_in_clock: u32,
    dtmf_out: DtmfSender,
    /// Where digits are heard as tones.
    tones: Option<ToneDetector>,
    outgoing: Outgoing,
    events: Outbox<AudioEvent>,
    timers: Deadlines<StreamTimer, 1>,
    last_rtp: Instant,
    told_exhausted: bool,
    stopped: bool,
}

impl AudioTransport {
    /// Starts the audio of what was negotiated. `wall_clock` dates sender reports; `entropy` gives SSRC, first
    /// sequence number and timestamp, and the times of reports.
    ///
    /// # Errors
    /// When a number in the configuration is out of its range, or the codec cannot be made.
    pub fn new(
        config: AudioConfig,
        now: Instant,
        wall_clock: WallClock,
        entropy: Entropy,
    ) -> Result<Self, AudioError> {
        let numbers = config.numbers()?;
        let mut transport = Self {
            clock: MediaClock::new(now, MEDIA_RATE),
            session: RtpSession::new(session_config(&config), now, wall_clock, entropy),
            protection: Protection::new(config.srtp.as_ref(), remotes(&config), now),
            receiver: Receiver::new(&numbers.codecs, config.jitter, config.ptime_ms)?,
            sender: Sender::new(config.codec, config.ptime_ms, &config.remote_fmtp)?,
            dtmf_in: DtmfReceiver::default(),
            dtmf_in_clock: config.dtmf_clock_rate,
            dtmf_out: DtmfSender::new(config.dtmf_clock_rate),
            tones: detector(&config),
            outgoing: Outgoing::new(config.remote_rtp),
            events: Outbox::new(),
            timers: Deadlines::new(),
            last_rtp: now,
            told_exhausted: false,
            stopped: false,
            numbers,
            config,
        };
        transport
            .sender
            .detect_silence(transport.config.silence_detection);
        transport.watch(now);
        transport.carry_handshake();
        Ok(transport)
    }

    /// Takes new addresses, codec, numbers or direction after a re-negotiation. SSRC and sequence numbers go on,
    /// and so does what did not change.
    ///
    /// # Errors
    /// As for [`new`](Self::new), and when the transport was stopped; nothing has changed then.
    pub fn update(&mut self, config: AudioConfig, now: Instant) -> Result<(), AudioError> {
        if self.stopped {
            return Err(AudioError::Stopped);
        }
        let numbers = config.numbers()?;
        let other_codec = config.codec != self.config.codec;
        let other_packets = other_codec
            || config.ptime_ms != self.config.ptime_ms
            || config.remote_fmtp != self.config.remote_fmtp;
        let sender = other_packets
            .then(|| Sender::new(config.codec, config.ptime_ms, &config.remote_fmtp))
            .transpose()?;
        self.receiver
            .update(&numbers.codecs, config.jitter, config.ptime_ms)?;
        let mut begun = Vec::new();
        if let Some(sender) = sender {
            let before = std::mem::replace(&mut self.sender, sender);
            self.sender.suppressed = before.suppressed;
            begun = before.into_begun(self.sender.sample_rate());
        }
        self.sender.detect_silence(config.silence_detection);
        self.session.update(session_config(&config));
        self.protection
            .update(config.srtp.as_ref(), remotes(&config), now);
        self.carry_handshake();
        self.dtmf_out.set_clock_rate(config.dtmf_clock_rate);
        self.numbers = numbers;
        if other_codec || self.tones.is_some() != config.has_tones() {
            self.tones = detector(&config);
        }
        // What plays goes on playing: most re-negotiations refresh a call and change nothing.
        let before = std::mem::replace(&mut self.config, config).direction;
        self.turn(before, now);
        self.write(now, &begun);
        Ok(())
    }

    /// Takes a datagram from the RTP socket. It is worked on in place.
    pub fn handle_rtp(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        if self.config.rtcp_mux && is_rtcp(datagram) {
            self.handle_rtcp(now, from, datagram);
            return;
        }
        let Some(datagram) = self.admit(now, MediaKind::Rtp, from, datagram) else {
            return;
        };
        let arrival = self.clock.ticks(now);
        let (numbers, receiver) = (&self.numbers, &self.receiver);
        let clock_of = |number| match receiver.clock_rate(number) {
            Some(rate) => PayloadClock::Rate(rate),
            None if numbers.noise == Some(number) || numbers.event_clock(number).is_some() => {
                PayloadClock::OfTheVoice
            }
            None => PayloadClock::NotAgreed,
        };
        let Some(packet) = self.session.receive(now, arrival, from, datagram, clock_of) else {
            return;
        };
        self.last_rtp = now;
        if let Some(before) = packet.moved_from {
            push(
                &mut self.events,
                AudioEvent::RemoteAddressChanged {
                    from: before,
                    to: from,
                },
            );
        }
        if let Some(news) = packet.news {
            self.receiver.reset();
            let pressed = self.dtmf_in.reset();
            report_digits(&mut self.events, pressed, self.dtmf_in_clock);
            if let SourceNews::Changed { from, to } = news {
                push(&mut self.events, AudioEvent::SourceChanged { from, to });
            }
        }
        if !self.config.direction.receives() {
            return;
        }
        let payload_type = packet.header.payload_type;
        if self.receiver.clock_rate(payload_type).is_some() {
            let payload = packet.payload;
            let waiting = Packet {
                payload_type,
                payload,
            };
            self.receiver.insert(arrival, packet.extended, waiting);
        } else if let Some(clock_rate) = self.numbers.event_clock(payload_type) {
            let pressed = self
                .dtmf_in
                .receive(now, packet.extended.timestamp, packet.payload);
            self.dtmf_in_clock = clock_rate;
            report_digits(&mut self.events, pressed.into_iter().flatten(), clock_rate);
        } else {
            self.receiver.comfort(packet.extended, packet.payload);
        }
    }

    /// Takes a datagram from the RTCP socket. It is worked on in place.
    pub fn handle_rtcp(&mut self, now: Instant, from: SocketAddr, datagram: &mut [u8]) {
        let Some(datagram) = self.admit(now, MediaKind::Rtcp, from, datagram) else {
            return;
        };
        let news = self.session.receive_rtcp(now, from, datagram);
        if let Some(loss) = news.loss {
            self.sender.expect_loss(loss);
        }
        if news.left {
            push(&mut self.events, AudioEvent::SourceLeft);
        }
    }

    /// Fills `frame` with what to play: audio of a tick, at [`sample_rate`](Self::sample_rate). Any length does.
    pub fn read(&mut self, now: Instant, frame: &mut [i16]) -> Playout {
        if self.stopped || !self.config.direction.receives() {
            frame.fill(0);
            return Playout::Silence;
        }
        let playout = self.receiver.read(self.clock.ticks(now), frame);
        if let Some(tones) = &mut self.tones {
            let events = &mut self.events;
            tones.listen(frame, |digit, duration| {
                push(events, AudioEvent::GotDtmf { digit, duration });
            });
        }
        playout
    }

    /// Takes captured audio of a tick, at [`sample_rate`](Self::sample_rate), and makes a packet of each
    /// [`ptime_ms`](AudioConfig::ptime_ms) of it. Call it while nothing is sent as well: media time passes.
    pub fn write(&mut self, now: Instant, frame: &[i16]) {
        let mut rest = frame;
        while !rest.is_empty() && !self.stopped {
            let (later, full) = self.sender.gather(rest);
            rest = later;
            if full {
                self.send_packet();
                self.session.advance(self.sender.ticks(), now);
            }
        }
    }

    /// The next datagram to send, until `None`.
    #[must_use = "a datagram that is polled and not sent is lost"]
    pub fn poll_transmit(&mut self) -> Option<MediaTransmit<'_>> {
        self.outgoing.pop()
    }

    /// The next event, until `None`.
    #[must_use = "an event that is polled and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<AudioEvent> {
        self.events.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.stopped {
            return None;
        }
        let own = earliest(self.timers.soonest(), self.dtmf_in.over_at());
        let own = earliest(own, self.protection.poll_timeout());
        earliest(own, Some(self.session.report_at()))
    }

    /// Does what is due: reports, time-outs, the end of digits whose last packets were lost.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.stopped {
            return;
        }
        self.protection.handle_timeout(now);
        self.carry_handshake();
        if self.session.report_at() <= now {
            let metrics = self.config.voip_metrics.then(|| self.metrics());
            self.send_rtcp(|session, buffer| session.poll_report(now, metrics.as_ref(), buffer));
        }
        let pressed = self.dtmf_in.take_over(now);
        report_digits(&mut self.events, pressed, self.dtmf_in_clock);
        while let Some(StreamTimer::RtpTimeout) = self.timers.take_expired(now) {
            let silent_for = now.saturating_duration_since(self.last_rtp);
            let next = if silent_for >= self.config.rtp_timeout {
                push(&mut self.events, AudioEvent::RtpTimeout { silent_for });
                now + self.config.rtp_timeout
            } else {
                self.last_rtp + self.config.rtp_timeout
            };
            self.timers.set(StreamTimer::RtpTimeout, next);
        }
    }

    /// Changes whether media flows.
    pub fn set_direction(&mut self, direction: Direction, now: Instant) {
        let before = std::mem::replace(&mut self.config.direction, direction);
        self.turn(before, now);
    }

    /// Queues a digit to be sent: 160 ms long, with 80 ms of audio before the next. It goes as telephone-event where that was
    /// agreed, else as tones in the audio.
    ///
    /// # Errors
    /// When neither [may be](AudioConfig::inband_dtmf), the stream does not send, or 64 digits wait already.
    pub fn send_dtmf(&mut self, digit: Digit) -> Result<(), AudioError> {
        if self.stopped {
            return Err(AudioError::Stopped);
        }
        if self.numbers.dtmf.is_none() && !self.config.has_tones() {
            return Err(AudioError::NoDtmf);
        }
        if !self.config.direction.sends() {
            return Err(AudioError::NotSending);
        }
        if self.dtmf_out.push(digit) {
            Ok(())
        } else {
            Err(AudioError::TooManyDigits)
        }
    }

    /// Ends the stream: queues a goodbye by RTCP, and nothing is sent or heard any more. Does nothing the second
    /// time.
    pub fn stop(&mut self, now: Instant) {
        if self.stopped {
            return;
        }
        debug!(ssrc = %self.session.ssrc(), "audio stopped");
        self.send_rtcp(|session, buffer| session.write_goodbye(now, buffer));
        self.stopped = true;
        self.timers.stop_all();
    }

    /// What was counted since the stream began.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = self.session.statistics();
        self.receiver.add_to(&mut statistics);
        statistics.suppressed = self.sender.suppressed;
        statistics.estimate_quality(self.config.codec.impairment(), self.config.ptime_ms);
        statistics.overflowed = self.outgoing.overflowed();
        statistics
    }

    /// How the call is heard here (RFC 3611 §4.7).
    fn metrics(&self) -> VoipMetrics {
        let statistics = self.statistics();
        let packet = Duration::from_millis(self.config.ptime_ms.into());
        let (loss_rate, discard_rate, bursts) = self.receiver.loss_pattern().metrics(packet);
        let quality = statistics.quality;
        let most = self.config.jitter.max_delay;
        VoipMetrics {
            loss_rate,
            discard_rate,
            bursts,
            round_trip: statistics.round_trip.unwrap_or_default(),
            // A packet is gathered before it goes, and what comes waits in the buffer.
            end_system: packet + statistics.target_delay,
            r_factor: quality.map(|quality| quality.r_factor),
            mos_lq: quality.map(|quality| quality.mos_lq),
            mos_cq: quality.map(|quality| quality.mos_cq),
            receiver_configuration: VoipMetrics::ADAPTIVE_WITH_CONCEALMENT,
            jitter_nominal: statistics.target_delay,
            jitter_maximum: most,
            jitter_absolute_maximum: most,
            ..VoipMetrics::default()
        }
    }

    /// Samples per second of the PCM that is read and written, one channel.
    pub fn sample_rate(&self) -> u32 {
        self.config.codec.spec().sample_rate
    }

    /// True when what is sent and heard is encrypted; by DTLS that is nothing at all until [`AudioEvent::Secured`].
    pub fn is_encrypted(&self) -> bool {
        self.protection.is_encrypted()
    }

    /// True until it is [stopped](Self::stop): it cannot be started again.
    pub fn is_active(&self) -> bool {
        !self.stopped
    }

    /// The codec that was heard last: the one of the configuration, or one of its others.
    pub fn codec_heard(&self) -> AudioCodec {
        self.receiver.codec()
    }

    /// The codec that is sent.
    pub fn codec(&self) -> AudioCodec {
        self.config.codec
    }

    /// Whether media flows.
    pub fn direction(&self) -> Direction {
        self.config.direction
    }

    /// What was agreed on.
    pub fn config(&self) -> &AudioConfig {
        &self.config
    }

    /// Our SSRC.
    pub fn ssrc(&self) -> Ssrc {
        self.session.ssrc()
    }

    /// The SSRC that is heard, once one is.
    pub fn remote_ssrc(&self) -> Option<Ssrc> {
        self.session.remote_ssrc()
    }

    /// Where RTP is sent to.
    pub fn remote_rtp(&self) -> SocketAddr {
        self.session.remote_rtp()
    }

    /// Where RTCP is sent to.
    pub fn remote_rtcp(&self) -> SocketAddr {
        self.session.remote_rtcp()
    }

    /// Where RTP was received from, once any was.
    pub fn received_from(&self) -> Option<SocketAddr> {
        self.session.received_from()
    }

    /// Does what another direction than before asks for.
    fn turn(&mut self, before: Direction, now: Instant) {
        let direction = self.config.direction;
        if direction == before || self.stopped {
            return;
        }
        if direction.receives() != before.receives() {
            self.receiver.reset();
        }
        if !before.sends() {
            self.sender.marker = true;
        }
        self.watch(now);
    }

    /// Watches for the peer's silence while media flows both ways.
    fn watch(&mut self, now: Instant) {
        self.last_rtp = now;
        if self.config.direction == Direction::SendRecv {
            self.timers
                .set(StreamTimer::RtpTimeout, now + self.config.rtp_timeout);
        } else {
            self.timers.stop(StreamTimer::RtpTimeout);
        }
    }
}

impl fmt::Debug for AudioTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AudioTransport")
            .field("codec", &self.config.codec)
            .field("direction", &self.config.direction)
            .field("ssrc", &self.session.ssrc())
            .field("stopped", &self.stopped)
            .finish_non_exhaustive()
    }
}

fn detector(config: &AudioConfig) -> Option<ToneDetector> {
    config
        .has_tones()
        .then(|| ToneDetector::new(config.codec.spec().sample_rate))
}

fn remotes(config: &AudioConfig) -> Remotes {
    Remotes {
        rtp: config.remote_rtp,
        rtcp: (!config.rtcp_mux).then_some(config.remote_rtcp),
    }
}

fn session_config(config: &AudioConfig) -> SessionConfig {
    SessionConfig {
        clock_rate: config.codec.spec().clock_rate,
        remote_rtp: config.remote_rtp,
        remote_rtcp: config.remote_rtcp,
        rtcp_mux: config.rtcp_mux,
        cname: config.cname.clone(),
    }
}

fn push(events: &mut Outbox<AudioEvent>, event: AudioEvent) {
    if events.len() < MAX_EVENTS {
        events.push(event);
    }
}

fn report_digits(
    events: &mut Outbox<AudioEvent>,
    pressed: impl IntoIterator<Item = (Digit, u16)>,
    clock_rate: u32,
) {
    for (digit, ticks) in pressed {
        let duration = ticks_to_duration(i64::from(ticks), clock_rate);
        push(events, AudioEvent::GotDtmf { digit, duration });
    }
}
