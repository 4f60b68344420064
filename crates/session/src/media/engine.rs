//! The mixer and the transports of all running streams, driven by one clock.

use super::MediaError;
use super::bridge::{BridgeCommand, Bridges, StreamBridgeId};
use super::command::{Attachment, Component, MediaCommand, MediaDatagram, MediaEvent, PortId, StreamId};
use super::early::EarlyHandshakes;
use super::port::MediaPort;
use super::streams::Streams;
use super::voice::{Voice, VoiceCommand};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, Gain, MixerConfig, MixerError, NullDevice, Slot, TickClock, TickLength,
};
use offhook_rtp_media::{AudioConfig, AudioEvent, AudioTransport, MediaKind, Statistics};
use offhook_sansio::{Entropy, Outbox, WallClock};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tracing::debug;

/// How the engine runs.
#[derive(Clone, Copy, Debug)]
pub struct MediaConfig {
    /// Samples a second inside the mixer. Default 48000: what Opus speaks, so that the widest codec is not resampled.
    pub sample_rate: u32,
    /// One beat of the clock. Default 20 ms: the packet time of nearly all peers (RFC 3551 §4.2).
    pub tick: TickLength,
    /// How often running streams report. Default 1 s.
    pub statistics_interval: Duration,
    /// Ticks made up at once when the clock was late; what lies further back is dropped and heard as a gap. Default
    /// 5 (100 ms): more would be heard late by everybody.
    pub most_late_ticks: u32,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            sample_rate: 48_000,
            tick: TickLength::Ms20,
            statistics_interval: Duration::from_secs(1),
            most_late_ticks: 5,
        }
    }
}

/// The mixer and the transports of all running streams. One thread owns it; see [`offhook_sansio`] for the verbs.
pub struct MediaEngine {
    config: MediaConfig,
    mixer: AudioMixer<MediaPort>,
    streams: Streams,
    attached: Vec<Attached>,
    voice: Voice,
    bridges: Bridges,
    /// Heard by every remote party, so that packets flow even when nobody talks: a peer that hears nothing at all
    /// takes the call for dead.
    silence: Slot,
    early: EarlyHandshakes,
    wall_clock: WallClock,
    entropy: Entropy,
    clock: TickClock,
    next_statistics: Instant,
    skipped_ticks: u64,
    events: Outbox<MediaEvent>,
}

struct Attached {
    port: PortId,
    stream: StreamId,
    slot: Slot,
}

impl MediaEngine {
    /// An engine without streams. Its clock starts with the first of them.
    ///
    /// # Errors
    /// When the mixer cannot run at that rate.
    pub fn new(
        config: MediaConfig,
        now: Instant,
        wall_clock: WallClock,
        entropy: Entropy,
    ) -> Result<Self, MixerError> {
        let mut mixer = AudioMixer::new(MixerConfig::at_rate(config.sample_rate).with_tick(config.tick))?;
        let silence = mixer.add_port(MediaPort::Attached(Box::new(NullDevice::new(config.sample_rate))))?;
        let voice = Voice::new(&mut mixer)?;
        Ok(Self {
            config,
            mixer,
            streams: Streams::default(),
            attached: Vec::new(),
            voice,
            bridges: Bridges::default(),
            silence,
            early: EarlyHandshakes::default(),
            wall_clock,
            entropy,
            clock: TickClock::new(config.tick, now),
            next_statistics: now + config.statistics_interval,
            skipped_ticks: 0,
            events: Outbox::new(),
        })
    }

    /// Carries out a command of the signalling side.
    pub fn handle_command(&mut self, now: Instant, command: MediaCommand) {
        self.streams.stir_all();
        match command {
            MediaCommand::StartAudio { stream, config } => self.start_audio(now, stream, *config),
            MediaCommand::UpdateAudio { stream, config } => self.update_audio(now, stream, *config),
            MediaCommand::SetHeld { stream, on_hold } => {
                if let Some(remote) = self.slot_of(stream) {
                    // Its port is there.
                    let _ = self.mixer.set_input_muted(remote, on_hold);
                    let _ = self.mixer.set_output_muted(remote, on_hold);
                }
            }
            MediaCommand::SendDtmf { stream, digit } => {
                if let Some(transport) = self.transport(stream)
                    && let Err(error) = transport.send_dtmf(digit)
                {
                    debug!(%error, "a digit was not sent");
                }
            }
            MediaCommand::Attach {
                stream,
                port,
                attachment,
                audio,
            } => {
                self.attach(stream, port, attachment, audio);
            }
            MediaCommand::Detach { stream, port } => {
                self.detach(|attached| attached.stream == stream && attached.port == port);
            }
            MediaCommand::Voice(command) => self.handle_voice(now, command),
            MediaCommand::Bridge { bridge, command } => self.handle_bridge(now, bridge, command),
            MediaCommand::Stop { stream } => self.stop(now, stream),
            // Message streams live elsewhere: they have no tick.
            MediaCommand::Msrp { .. } | MediaCommand::StartTool { .. } => {}
        }
    }

    /// Takes a packet that arrived on one of a stream's sockets. The packet is decrypted and decoded in place.
    pub fn handle_datagram(
        &mut self,
        now: Instant,
        stream: StreamId,
        component: Component,
        from: SocketAddr,
        packet: &mut [u8],
    ) {
        self.streams.stir(stream);
        match self.transport(stream) {
            Some(transport) => receive(transport, now, component, from, packet),
            None => self.early.keep(stream, component, from, packet),
        }
    }

    /// Does what is due: ticks, reports, RTCP.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.is_idle() {
            return;
        }
        // After a long pause of the whole program, what lies far back is a gap, not a burst.
        let horizon = self.config.tick.duration() * self.config.most_late_ticks;
        self.skipped_ticks += self.clock.skip(now, horizon);
        while self.clock.due() <= now {
            self.mixer.tick(self.clock.due());
            self.part_from_departed();
            self.clock.advance(self.mixer.clock_reading());
            self.streams.stir_all();
        }
        for (stream, slot) in self.streams.stirred() {
            let Some(MediaPort::Remote(transport)) = self.mixer.port_mut(slot) else {
                continue;
            };
            transport.handle_timeout(now);
            while let Some(event) = transport.poll_event() {
                self.events.extend(translate(stream, event));
            }
        }
        if self.next_statistics <= now {
            self.report();
        }
        while self.next_statistics <= now {
            self.next_statistics += self.config.statistics_interval;
        }
    }

    /// Tells what each stream counted.
    fn report(&mut self) {
        for (stream, slot) in self.streams.all() {
            if let Some(MediaPort::Remote(transport)) = self.mixer.port(slot) {
                let statistics = told(transport, self.skipped_ticks);
                self.events.push(MediaEvent::Statistics { stream, statistics });
            }
        }
    }

    /// Hands every packet that is ready to `send`, and lets go of the streams that have said goodbye.
    pub fn drain_transmits(&mut self, mut send: impl FnMut(MediaDatagram<'_>)) {
        for (stream, slot) in self.streams.stirred() {
            let Some(MediaPort::Remote(transport)) = self.mixer.port_mut(slot) else {
                continue;
            };
            while let Some(packet) = transport.poll_transmit() {
                let component = match packet.kind {
                    MediaKind::Rtp => Component::Rtp,
                    MediaKind::Rtcp => Component::Rtcp,
                };
                send(MediaDatagram {
                    stream,
                    component,
                    to: packet.to,
                    bytes: packet.bytes,
                });
            }
        }
        self.streams.settle();
        while let Some((stream, slot)) = self.streams.take_stopped() {
            self.voice.forget(slot);
            self.bridges.remove_stream(&mut self.mixer, stream, Some(slot));
            if let Some(MediaPort::Remote(transport)) = self.mixer.remove_port(slot) {
                let statistics = told(&transport, self.skipped_ticks);
                self.events.push(MediaEvent::Stopped { stream, statistics });
            }
        }
    }

    /// What the signalling side should know. Call until `None`.
    #[must_use = "an event that is polled and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<MediaEvent> {
        self.events.pop()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next; `None` while no stream runs and nothing is beside the
    /// voice device: the clock stands still, and an end-point that waits for calls costs nothing.
    pub fn poll_timeout(&self) -> Option<Instant> {
        if self.is_idle() {
            return None;
        }
        // What the streams have to do between two ticks waits for the next: reports and time-outs are not that exact.
        Some(self.clock.due())
    }

    /// Ticks that were dropped because the clock was called too late.
    pub fn skipped_ticks(&self) -> u64 {
        self.skipped_ticks
    }

    fn start_audio(&mut self, now: Instant, stream: StreamId, config: AudioConfig) {
        if self.slot_of(stream).is_some() {
            return self.update_audio(now, stream, config);
        }
        let started = AudioTransport::new(config, now, self.wall_clock, self.entropy.fork())
            .map_err(MediaError::from)
            .and_then(|transport| Ok(self.add_remote(transport)?));
        if self.is_idle() {
            self.start_clock(now);
        }
        match started {
            Ok(slot) => {
                self.bridges.started(&mut self.mixer, stream, slot);
                self.streams.insert(stream, slot);
                self.catch_up(now, stream);
            }
            Err(error) => self.events.push(MediaEvent::Failed { stream, error }),
        }
    }

    /// Nothing runs that needs the clock.
    fn is_idle(&self) -> bool {
        self.streams.is_empty() && !self.voice.is_busy() && !self.bridges.is_busy()
    }

    fn handle_voice(&mut self, now: Instant, command: VoiceCommand) {
        let (voice, mixer) = (&mut self.voice, &mut self.mixer);
        let outcome = match command {
            VoiceCommand::SetDevice(audio) => voice.set_device(mixer, audio),
            VoiceCommand::Join(stream) => match self.slot_of(stream) {
                Some(remote) => {
                    let is_away = self.bridges.has(stream);
                    let joined = self.voice.join(&mut self.mixer, remote, is_away);
                    joined.map(|()| None)
                }
                None => Ok(None),
            },
            VoiceCommand::Add { port, audio } => {
                if self.is_idle() {
                    self.start_clock(now);
                }
                self.voice.add(&mut self.mixer, port, audio).map(|()| None)
            }
            VoiceCommand::Remove(port) => Ok(voice.remove(mixer, port)),
            VoiceCommand::SetInputMuted(muted) => voice.set_input_muted(mixer, muted).map(|()| None),
            VoiceCommand::SetOutputMuted(muted) => voice.set_output_muted(mixer, muted).map(|()| None),
            VoiceCommand::SetInputGain(gain) => voice.set_input_gain(mixer, gain).map(|()| None),
            VoiceCommand::SetOutputGain(gain) => voice.set_output_gain(mixer, gain).map(|()| None),
        };
        match outcome {
            Ok(Some(audio)) => self.events.push(MediaEvent::Released { audio }),
            Ok(None) => {}
            // A port of a rate that no mixer takes, or too many of them.
            Err(error) => debug!(%error, "the voice device"),
        }
    }

    fn handle_bridge(&mut self, now: Instant, id: StreamBridgeId, command: BridgeCommand) {
        let outcome = match command {
            BridgeCommand::Open => self.bridges.open(&mut self.mixer, &mut self.voice, id),
            BridgeCommand::AddStream(stream) => {
                let remote = self.slot_of(stream);
                let is_in = self.bridges.add_stream(&mut self.mixer, id, stream, remote);
                match remote {
                    Some(remote) if is_in => self.voice.go_away(&mut self.mixer, remote),
                    Some(remote) => self.voice.come_back(&mut self.mixer, remote),
                    None => Ok(()),
                }
            }
            BridgeCommand::RemoveStream(stream) => {
                let remote = self.slot_of(stream);
                self.bridges.remove_stream(&mut self.mixer, stream, remote);
                remote.map_or(Ok(()), |remote| self.voice.come_back(&mut self.mixer, remote))
            }
            BridgeCommand::AddPort { port, audio } => {
                if self.is_idle() {
                    self.start_clock(now);
                }
                let added = self.bridges.add_port(&mut self.mixer, id, port, audio);
                added.map(|left| self.release(left))
            }
            BridgeCommand::RemovePort(port) => {
                let removed = self.bridges.remove_port(&mut self.mixer, id, port);
                self.release(removed);
                Ok(())
            }
            BridgeCommand::SetDevice(takes_part) => {
                self.bridges
                    .set_device(&mut self.mixer, &mut self.voice, id, takes_part);
                Ok(())
            }
            BridgeCommand::Close => self.close_bridge(id),
        };
        if let Err(error) = outcome {
            // A port of a rate that no mixer takes, or too many of them.
            debug!(%error, ?id, "a bridge between streams");
        }
    }

    fn close_bridge(&mut self, id: StreamBridgeId) -> Result<(), MixerError> {
        let (streams, ports) = self.bridges.close(&mut self.mixer, &mut self.voice, id);
        self.release(ports);
        for stream in streams {
            if let Some(remote) = self.slot_of(stream) {
                self.voice.come_back(&mut self.mixer, remote)?;
            }
        }
        Ok(())
    }

    fn release(&mut self, ports: impl IntoIterator<Item = Box<dyn AudioPort>>) {
        let released = ports.into_iter().map(|audio| MediaEvent::Released { audio });
        self.events.extend(released);
    }

    fn start_clock(&mut self, now: Instant) {
        self.clock.restart(now);
        self.next_statistics = now + self.config.statistics_interval;
    }

    fn add_remote(&mut self, transport: AudioTransport) -> Result<Slot, MixerError> {
        let slot = self.mixer.add_port(MediaPort::Remote(Box::new(transport)))?;
        if let Err(error) = self.mixer.connect(self.silence, slot, Gain::UNITY) {
            self.mixer.remove_port(slot);
            return Err(error);
        }
        Ok(slot)
    }

    fn update_audio(&mut self, now: Instant, stream: StreamId, config: AudioConfig) {
        let Some(slot) = self.slot_of(stream) else { return };
        let Some(MediaPort::Remote(transport)) = self.mixer.port_mut(slot) else {
            return;
        };
        let direction = config.direction;
        let updated = transport.update(config, now).map_err(MediaError::from);
        transport.set_direction(direction, now);
        // Another codec may sample at another rate.
        if let Err(error) = updated.and_then(|()| Ok(self.mixer.port_did_change(slot).map(drop)?)) {
            self.events.push(MediaEvent::Failed { stream, error });
        }
    }

    fn attach(&mut self, stream: StreamId, port: PortId, attachment: Attachment, audio: Box<dyn AudioPort>) {
        let Some(remote) = self.slot_of(stream) else {
            // Not dropped here: a recorder that goes may wait for the disk.
            return self.events.push(MediaEvent::Detached { stream, port, audio });
        };
        if let Err(error) = self.connect(remote, stream, port, attachment, audio) {
            self.events.push(MediaEvent::Failed {
                stream,
                error: error.into(),
            });
        }
    }

    fn connect(
        &mut self,
        remote: Slot,
        stream: StreamId,
        port: PortId,
        attachment: Attachment,
        audio: Box<dyn AudioPort>,
    ) -> Result<(), MixerError> {
        let slot = self.mixer.add_port(MediaPort::Attached(audio))?;
        self.attached.push(Attached { port, stream, slot });
        match attachment {
            Attachment::Talks => self.mixer.connect(slot, remote, Gain::UNITY)?,
            Attachment::Listens => self.mixer.connect(remote, slot, Gain::UNITY)?,
            Attachment::TalksAndListens => {
                self.mixer.connect(slot, remote, Gain::UNITY)?;
                self.mixer.connect(remote, slot, Gain::UNITY)?;
            }
            Attachment::Overhears => self.mixer.overhear(slot, remote)?,
            Attachment::Witnesses => {
                self.mixer.overhear(slot, remote)?;
                self.mixer.connect(remote, slot, Gain::UNITY)?;
            }
            Attachment::Announces => self.mixer.announce(slot, remote, Gain::UNITY)?,
        }
        // The stream's own sound card, perhaps; a port without a clock changes nothing.
        if attachment == Attachment::TalksAndListens && self.mixer.clock().is_none() {
            self.mixer.set_clock(Some(slot))?;
        }
        Ok(())
    }

    fn detach(&mut self, chosen: impl Fn(&Attached) -> bool) {
        while let Some(place) = self.attached.iter().position(&chosen) {
            let Attached { port, stream, slot } = self.attached.swap_remove(place);
            if let Some(MediaPort::Attached(audio)) = self.mixer.remove_port(slot) {
                self.events.push(MediaEvent::Detached { stream, port, audio });
            }
        }
    }

    /// Ports that left the mixer by themselves are out of the engine, too.
    fn part_from_departed(&mut self) {
        while let Some((gone, port)) = self.mixer.take_departed() {
            let MediaPort::Attached(audio) = port else {
                continue;
            };
            if let Some(place) = self.attached.iter().position(|attached| attached.slot == gone) {
                let Attached { port, stream, .. } = self.attached.swap_remove(place);
                self.events.push(MediaEvent::Detached { stream, port, audio });
            } else {
                self.voice.lose(gone);
                self.bridges.lose(gone);
                self.release(Some(audio));
            }
        }
    }

    /// Hands a stream that has started what came before.
    fn catch_up(&mut self, now: Instant, stream: StreamId) {
        let early = self.early.take(stream);
        let Some(transport) = self.transport(stream) else {
            return;
        };
        for mut early in early {
            receive(transport, now, early.component, early.from, &mut early.bytes);
        }
    }

    fn stop(&mut self, now: Instant, stream: StreamId) {
        self.early.take(stream);
        self.detach(|attached| attached.stream == stream);
        if let Some(slot) = self.streams.stop(stream) {
            if let Some(MediaPort::Remote(transport)) = self.mixer.port_mut(slot) {
                transport.stop(now);
            }
        } else {
            // Opened and never started: there are only sockets to close.
            self.bridges.remove_stream(&mut self.mixer, stream, None);
            self.events.push(MediaEvent::Stopped {
                stream,
                statistics: Box::default(),
            });
        }
    }

    fn slot_of(&self, stream: StreamId) -> Option<Slot> {
        self.streams.slot_of(stream)
    }

    fn transport(&mut self, stream: StreamId) -> Option<&mut AudioTransport> {
        match self.mixer.port_mut(self.slot_of(stream)?) {
            Some(MediaPort::Remote(transport)) => Some(transport),
            _ => None,
        }
    }
}

fn receive(
    transport: &mut AudioTransport,
    now: Instant,
    component: Component,
    from: SocketAddr,
    packet: &mut [u8],
) {
    match component {
        Component::Rtp => transport.handle_rtp(now, from, packet),
        Component::Rtcp => transport.handle_rtcp(now, from, packet),
    }
}

/// What a transport counted, and the clock that drives it.
fn told(transport: &AudioTransport, skipped_ticks: u64) -> Box<Statistics> {
    let counted = transport.statistics();
    Box::new(Statistics {
        skipped_ticks,
        ..counted
    })
}

/// What of a transport's news the signalling side should know.
fn translate(stream: StreamId, event: AudioEvent) -> Option<MediaEvent> {
    Some(match event {
        AudioEvent::GotDtmf { digit, .. } => MediaEvent::GotDtmf { stream, digit },
        AudioEvent::Secured { suite } => MediaEvent::Secured { stream, suite },
        AudioEvent::DtlsFailed(failure) => MediaEvent::Failed {
            stream,
            error: failure.into(),
        },
        AudioEvent::RtpTimeout { .. } => MediaEvent::RtpTimeout { stream },
        AudioEvent::RemoteAddressChanged { to, .. } => {
            MediaEvent::RemoteAddressChanged { stream, remote: to }
        }
        other => {
            debug!(?other, "news of a stream");
            return None;
        }
    })
}
