//! The media engine by its commands: what runs, what comes back, what a tick costs.

use offhook_audio_mixer::{AudioPort, Leased, Produced, Role, Tick};
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::dtls::{DtlsCertificate, DtlsParameters, DtlsRole, FingerprintHash};
use offhook_rtp_media::{AudioConfig, SrtpKeying};
use offhook_sansio::{Entropy, WallClock};
use offhook_session::media::{
    Attachment, BridgeCommand, Component, MediaCommand, MediaConfig, MediaEngine, MediaEvent, PortId,
    StreamBridgeId, StreamId, VoiceCommand,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

const TICK: Duration = Duration::from_millis(20);

struct Bench {
    engine: MediaEngine,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::from_hours(500_000));
        let config = MediaConfig {
            sample_rate: 16_000,
            ..MediaConfig::default()
        };
        let engine =
            MediaEngine::new(config, now, clock, Entropy::from_number(1)).expect("a rate that mixes");
        Self { engine, now }
    }

    fn start(&mut self, stream: u32, codec: AudioCodec) {
        let config = Box::new(AudioConfig::new(codec, remote(stream)));
        self.order(MediaCommand::StartAudio {
            stream: StreamId(stream),
            config,
        });
    }

    fn attach(&mut self, stream: u32, port: u32, audio: impl AudioPort + 'static) {
        self.order(MediaCommand::Attach {
            stream: StreamId(stream),
            port: PortId(port),
            attachment: Attachment::TalksAndListens,
            audio: Box::new(audio),
        });
    }

    fn order(&mut self, command: MediaCommand) {
        self.engine.handle_command(self.now, command);
    }

    fn voice(&mut self, command: VoiceCommand) {
        self.order(MediaCommand::Voice(command));
    }

    fn stop(&mut self, stream: u32) {
        self.order(MediaCommand::Stop {
            stream: StreamId(stream),
        });
    }

    /// Lets ticks pass; gives the payload types of the RTP packets and counts them.
    fn ticks(&mut self, count: u32) -> Vec<u8> {
        let mut types = Vec::new();
        for _ in 0..count {
            self.now += TICK;
            self.engine.handle_timeout(self.now);
            self.engine.drain_transmits(|packet| {
                if packet.component == Component::Rtp {
                    types.push(packet.bytes[1] & 0x7f);
                }
            });
        }
        types
    }

    /// How far the loudest sample of a stream's next packet is from silence, in steps of its law (PCMU).
    fn loudest_packet(&mut self, stream: u32) -> u8 {
        let mut loudest = 0;
        self.now += TICK;
        self.engine.handle_timeout(self.now);
        self.engine.drain_transmits(|packet| {
            if packet.component == Component::Rtp && packet.stream == StreamId(stream) {
                let steps = packet.bytes[12..].iter().map(|byte| 0x7f - (byte & 0x7f));
                loudest = loudest.max(steps.max().unwrap_or(0));
            }
        });
        loudest
    }

    fn events(&mut self) -> Vec<String> {
        let mut events = Vec::new();
        while let Some(event) = self.engine.poll_event() {
            if !matches!(event, MediaEvent::Statistics { .. }) {
                events.push(format!("{event:?}"));
            }
        }
        events
    }
}

fn remote(stream: u32) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], 4000 + stream as u16 * 2))
}

/// Hums, and counts the ticks at which it hears.
#[derive(Default)]
struct Hum {
    heard: Arc<AtomicU64>,
}

impl AudioPort for Hum {
    fn sample_rate(&self) -> u32 {
        16_000
    }
    fn role(&self) -> Role {
        Role::BOTH
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        frame
            .iter_mut()
            .enumerate()
            .for_each(|(n, sample)| *sample = (n as i16 % 40) * 100);
        Produced::Audio
    }
    fn consume(&mut self, _: &Tick, _: &[i16]) {
        self.heard.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_stream_sends_from_its_start_to_its_stop_and_gives_everything_back() {
    let mut bench = Bench::new();
    bench.start(3, AudioCodec::Pcmu);
    bench.attach(3, 1, Hum::default());
    assert!(bench.ticks(10).len() >= 9);
    bench.stop(3);
    assert_eq!(bench.events(), ["Detached(StreamId(3), PortId(1))"]);
    bench.ticks(1);
    assert_eq!(bench.events(), ["Stopped(StreamId(3))"]);
    assert_eq!(bench.ticks(10), [0; 0]);
}

#[test]
fn a_stop_without_a_start_gives_the_sockets_back_and_later_commands_find_nothing() {
    let mut bench = Bench::new();
    bench.stop(5);
    assert_eq!(bench.events(), ["Stopped(StreamId(5))"]);
    bench.order(MediaCommand::UpdateAudio {
        stream: StreamId(5),
        config: Box::new(AudioConfig::new(AudioCodec::Pcmu, remote(5))),
    });
    bench.order(MediaCommand::SendDtmf {
        stream: StreamId(5),
        digit: '1'.try_into().expect("a digit"),
    });
    assert_eq!(bench.events(), [""; 0]);
    assert_eq!(bench.ticks(5), [0; 0]);
}

#[test]
fn a_port_for_a_stream_that_is_not_there_comes_back() {
    let mut bench = Bench::new();
    bench.attach(9, 4, Hum::default());
    assert_eq!(bench.events(), ["Detached(StreamId(9), PortId(4))"]);
}

#[test]
fn a_port_is_detached_from_its_own_stream_only() {
    let mut bench = Bench::new();
    let (first, second) = (Hum::default(), Hum::default());
    let (heard_first, heard_second) = (first.heard.clone(), second.heard.clone());
    for (stream, hum) in [(0, first), (1, second)] {
        bench.start(stream, AudioCodec::Pcmu);
        bench.attach(stream, 1, hum);
    }
    bench.ticks(5);
    bench.order(MediaCommand::Detach {
        stream: StreamId(0),
        port: PortId(1),
    });
    assert_eq!(bench.events(), ["Detached(StreamId(0), PortId(1))"]);
    let before = (
        heard_first.load(Ordering::Relaxed),
        heard_second.load(Ordering::Relaxed),
    );
    bench.ticks(5);
    let after = (
        heard_first.load(Ordering::Relaxed),
        heard_second.load(Ordering::Relaxed),
    );
    assert_eq!((after.0 - before.0, after.1 - before.1), (0, 5));
}

#[test]
fn an_update_changes_the_codec_under_a_running_port() {
    let mut bench = Bench::new();
    bench.start(0, AudioCodec::Pcmu);
    bench.attach(0, 1, Hum::default());
    let before = bench.ticks(10);
    assert!(before.iter().all(|kind| *kind == 0), "{before:?}");
    bench.order(MediaCommand::UpdateAudio {
        stream: StreamId(0),
        config: Box::new(AudioConfig::new(AudioCodec::G722, remote(0))),
    });
    let after = bench.ticks(10);
    assert!(
        after.len() >= 9 && after.iter().all(|kind| *kind == 9),
        "{after:?}"
    );
    assert_eq!(bench.events(), [""; 0]);
}

#[test]
fn a_clock_that_comes_late_skips_what_is_too_old_and_counts_it() {
    let mut bench = Bench::new();
    bench.start(0, AudioCodec::Pcmu);
    bench.ticks(10);
    assert_eq!(bench.engine.skipped_ticks(), 0);
    bench.now += Duration::from_secs(10);
    let burst = bench.ticks(1).len();
    assert!(burst <= 7, "{burst} packets at once");
    let skipped = bench.engine.skipped_ticks();
    assert!((490..=500).contains(&skipped), "{skipped} of 500");
    let told = std::iter::from_fn(|| bench.engine.poll_event()).find_map(|event| match event {
        MediaEvent::Statistics { statistics, .. } => Some(statistics.skipped_ticks),
        _ => None,
    });
    assert_eq!(told, Some(skipped));
    assert_eq!(bench.ticks(10).len(), 10, "and then the clock is even again");
}

#[test]
fn a_packet_between_two_ticks_is_answered_before_the_next() {
    let mut bench = Bench::new();
    for stream in 0..3 {
        let mut config = AudioConfig::new(AudioCodec::Pcmu, remote(stream));
        config.dtmf_payload_type = Some(101);
        bench.order(MediaCommand::StartAudio {
            stream: StreamId(stream),
            config: Box::new(config),
        });
    }
    bench.ticks(10);
    let tell = |bench: &mut Bench, event: &[u8]| {
        let mut packet = [&[0x80, 101, 0, event[0], 0, 0, 0, 0, 0, 0, 0, 9][..], &event[1..]].concat();
        let from = remote(1);
        bench
            .engine
            .handle_datagram(bench.now, StreamId(1), Component::Rtp, from, &mut packet);
        bench.engine.handle_timeout(bench.now);
        bench
            .engine
            .drain_transmits(|packet| panic!("{packet:?} between two ticks"));
    };
    // A digit that begins and ends: RFC 4733 in packets of their own. The first ones prove their source.
    for (sequence, is_over) in [(1, false), (2, false), (3, true)] {
        tell(
            &mut bench,
            &[sequence, 5, if is_over { 0x8a } else { 0x0a }, 3, 0],
        );
    }
    assert_eq!(bench.events(), ["GotDtmf(StreamId(1))"]);
}

#[test]
fn streams_go_over_to_another_voice_device_and_its_mute_stays() {
    let mut bench = Bench::new();
    let (first, second) = (Hum::default(), Hum::default());
    let (heard_first, heard_second) = (Arc::clone(&first.heard), Arc::clone(&second.heard));
    bench.voice(VoiceCommand::SetDevice(Box::new(first)));
    assert_eq!(bench.engine.poll_timeout(), None, "a device alone needs no clock");
    for stream in [0, 1] {
        bench.start(stream, AudioCodec::Pcmu);
        bench.voice(VoiceCommand::Join(StreamId(stream)));
    }
    bench.voice(VoiceCommand::Join(StreamId(9)));
    bench.ticks(10);
    // The first tick is due at once.
    assert_eq!(
        heard_first.load(Ordering::Relaxed),
        11,
        "one frame a tick, of both"
    );
    assert!(bench.loudest_packet(0) > 0 && bench.loudest_packet(1) > 0);
    bench.voice(VoiceCommand::SetInputMuted(true));
    bench.ticks(5);
    assert_eq!((bench.loudest_packet(0), bench.loudest_packet(1)), (0, 0));
    assert_eq!(bench.events(), [""; 0]);
    bench.voice(VoiceCommand::SetDevice(Box::new(second)));
    assert_eq!(bench.events(), ["Released"]);
    bench.ticks(5);
    assert_eq!(bench.loudest_packet(0), 0, "the next device is muted as well");
    assert!(heard_second.load(Ordering::Relaxed) == 6 && heard_first.load(Ordering::Relaxed) == 20);
    bench.voice(VoiceCommand::SetInputMuted(false));
    bench.ticks(5);
    let full = bench.loudest_packet(0);
    bench.voice(VoiceCommand::SetInputGain(
        offhook_audio_mixer::Gain::from_percent(25),
    ));
    bench.ticks(5);
    let soft = bench.loudest_packet(0);
    assert!(soft > 0 && soft < full, "{soft} of {full}");
    for stream in [0, 1] {
        bench.stop(stream);
    }
    bench.ticks(1);
    assert_eq!(bench.engine.poll_timeout(), None);
    // Beside the device: the clock runs for it alone.
    let (beside, heard) = (Hum::default(), Arc::clone(&heard_second));
    let before = heard.load(Ordering::Relaxed);
    let (port, audio) = (PortId(1), Box::new(beside));
    bench.voice(VoiceCommand::Add { port, audio });
    assert_eq!(bench.ticks(10), [0; 0]);
    assert!(heard.load(Ordering::Relaxed) >= before + 10);
    bench.events();
    bench.voice(VoiceCommand::Remove(port));
    assert_eq!(bench.events(), ["Released"]);
    assert_eq!(bench.engine.poll_timeout(), None);
}

#[test]
fn ports_whose_leases_are_dropped_leave_wherever_they_are() {
    let mut bench = Bench::new();
    bench.start(2, AudioCodec::Pcmu);
    let (attached, stream_lease) = Leased::new(Hum::default());
    bench.attach(2, 5, attached);
    let (device, device_lease) = Leased::new(Hum::default());
    bench.voice(VoiceCommand::SetDevice(Box::new(device)));
    bench.ticks(2);
    assert_eq!(bench.events(), [""; 0]);
    drop(stream_lease);
    bench.ticks(3);
    assert_eq!(bench.events(), ["Detached(StreamId(2), PortId(5))"]);
    drop(device_lease);
    bench.ticks(3);
    assert_eq!(bench.events(), ["Released"]);
    bench.voice(VoiceCommand::SetInputMuted(true));
    bench.stop(2);
    bench.ticks(1);
    assert_eq!(bench.events(), ["Stopped(StreamId(2))"]);

    // The clock runs for these two alone, and as long as they are there.
    let (beside, beside_lease) = Leased::new(Hum::default());
    let (port, audio) = (PortId(1), Box::new(beside));
    bench.voice(VoiceCommand::Add { port, audio });
    let (bridged, bridged_lease) = Leased::new(Hum::default());
    let bridge = |command| MediaCommand::Bridge {
        bridge: StreamBridgeId(1),
        command,
    };
    bench.order(bridge(BridgeCommand::Open));
    let (port, audio) = (PortId(2), Box::new(bridged));
    bench.order(bridge(BridgeCommand::AddPort { port, audio }));
    for lease in [beside_lease, bridged_lease] {
        bench.ticks(2);
        assert!(bench.engine.poll_timeout().is_some());
        drop(lease);
        bench.ticks(3);
        assert_eq!(bench.events(), ["Released"]);
    }
    assert_eq!(bench.engine.poll_timeout(), None);
}

#[test]
fn two_running_calls_allocate_nothing_per_tick() {
    let mut bench = Bench::new();
    for (stream, codec) in [(0, AudioCodec::Pcmu), (1, AudioCodec::G722)] {
        bench.start(stream, codec);
        bench.attach(stream, 1, Hum::default());
        bench.voice(VoiceCommand::Join(StreamId(stream)));
    }
    bench.voice(VoiceCommand::SetDevice(Box::new(Hum::default())));
    let mut copies = vec![([0_u8; 1500], 0, StreamId(0), Component::Rtp); 16];
    let mut tick = |bench: &mut Bench| {
        bench.now += TICK;
        bench.engine.handle_timeout(bench.now);
        let mut count = 0;
        bench.engine.drain_transmits(|packet| {
            let (bytes, length, stream, component) = &mut copies[count];
            bytes[..packet.bytes.len()].copy_from_slice(packet.bytes);
            (*length, *stream, *component) = (packet.bytes.len(), packet.stream, packet.component);
            count += 1;
        });
        // Each stream hears what the other side of it would say: itself, under another name.
        for (bytes, length, stream, component) in &mut copies[..count] {
            let mut from = remote(stream.0);
            if *component == Component::Rtcp {
                from.set_port(from.port() + 1);
            }
            bytes[8] ^= 0x55;
            bench
                .engine
                .handle_datagram(bench.now, *stream, *component, from, &mut bytes[..*length]);
        }
    };
    for _ in 0..100 {
        tick(&mut bench);
    }
    while bench.engine.poll_event().is_some() {}
    // Forty ticks hold no report to the application: there is one a second, and its figures are boxed.
    let counted = allocation_counter::measure(|| {
        for _ in 0..40 {
            tick(&mut bench);
        }
    });
    assert_eq!(counted.count_total, 0);
}

#[test]
fn one_that_we_hold_hears_nobody_at_once() {
    let mut bench = Bench::new();
    bench.start(1, AudioCodec::Pcmu);
    bench.attach(1, 1, Hum::default());
    bench.ticks(2);
    assert!(bench.loudest_packet(1) > 20);
    let hold = |on_hold| MediaCommand::SetHeld {
        stream: StreamId(1),
        on_hold,
    };
    bench.order(hold(true));
    bench.ticks(3); // what fades out
    assert_eq!(bench.loudest_packet(1), 0);
    bench.order(hold(false));
    bench.ticks(1);
    assert!(bench.loudest_packet(1) > 20);
}

fn bridge(command: BridgeCommand) -> MediaCommand {
    MediaCommand::Bridge {
        bridge: StreamBridgeId(0),
        command,
    }
}

#[test]
fn in_a_bridge_the_device_is_heard_as_long_as_it_takes_part_and_ports_come_back() {
    let mut bench = Bench::new();
    bench.voice(VoiceCommand::SetDevice(Box::<Hum>::default()));
    bench.order(bridge(BridgeCommand::Open));
    bench.order(bridge(BridgeCommand::AddStream(StreamId(1)))); // before it starts
    for stream in [1, 2] {
        bench.start(stream, AudioCodec::Pcmu);
        bench.voice(VoiceCommand::Join(StreamId(stream)));
    }
    bench.ticks(2);
    assert!(bench.loudest_packet(1) > 20 && bench.loudest_packet(2) > 20);

    bench.order(bridge(BridgeCommand::SetDevice(false)));
    bench.ticks(2);
    assert_eq!(bench.loudest_packet(1), 0, "it is the bridge's, not the device's");
    assert!(bench.loudest_packet(2) > 20);
    // Another device takes the place of the first, and stays out.
    bench.voice(VoiceCommand::SetDevice(Box::<Hum>::default()));
    bench.ticks(2);
    assert_eq!(bench.loudest_packet(1), 0);

    let audio: Box<dyn AudioPort> = Box::<Hum>::default();
    bench.order(bridge(BridgeCommand::AddPort {
        port: PortId(7),
        audio,
    }));
    bench.ticks(2);
    assert!(bench.loudest_packet(1) > 20, "a port of the bridge");
    bench.order(bridge(BridgeCommand::RemovePort(PortId(7))));
    bench.ticks(2);
    assert_eq!(bench.loudest_packet(1), 0);
    assert_eq!(bench.events(), ["Released", "Released"]);

    bench.order(bridge(BridgeCommand::RemoveStream(StreamId(1))));
    bench.ticks(2);
    assert!(bench.loudest_packet(1) > 20, "back with the device");
    let audio: Box<dyn AudioPort> = Box::<Hum>::default();
    bench.order(bridge(BridgeCommand::AddPort {
        port: PortId(8),
        audio,
    }));
    bench.order(bridge(BridgeCommand::Close));
    assert_eq!(bench.events(), ["Released"]);
    let audio: Box<dyn AudioPort> = Box::<Hum>::default();
    bench.order(bridge(BridgeCommand::AddPort {
        port: PortId(9),
        audio,
    }));
    assert_eq!(bench.events(), ["Released"], "a closed one takes none");
    bench.order(bridge(BridgeCommand::AddStream(StreamId(1))));
    bench.ticks(2);
    assert!(bench.loudest_packet(1) > 20, "nor streams");
}

#[test]
fn a_port_in_a_bridge_keeps_the_clock_running() {
    let mut bench = Bench::new();
    bench.order(bridge(BridgeCommand::Open));
    assert_eq!(bench.engine.poll_timeout(), None);
    let hum = Hum::default();
    let heard = hum.heard.clone();
    bench.order(bridge(BridgeCommand::AddPort {
        port: PortId(1),
        audio: Box::new(hum),
    }));
    bench.ticks(5);
    assert!(heard.load(Ordering::Relaxed) >= 4);
    bench.order(bridge(BridgeCommand::Close));
    assert_eq!(bench.engine.poll_timeout(), None);
}

/// RFC 5763 §5: who answers begins the handshake, and media are faster than signalling.
#[test]
fn a_handshake_that_begins_before_the_answer_is_here_costs_no_second() {
    let certificate = || DtlsCertificate::generate().expect("the system has entropy");
    let (ours, theirs) = (certificate(), certificate());
    let keying = |role, own: &DtlsCertificate, other: &DtlsCertificate| {
        Some(SrtpKeying::Dtls(DtlsParameters {
            role,
            certificate: own.clone(),
            fingerprints: vec![other.fingerprint(FingerprintHash::Sha256)],
        }))
    };
    let (mut caller, mut called) = (Bench::new(), Bench::new());
    let start = |bench: &mut Bench, srtp| {
        let mut config = AudioConfig::new(AudioCodec::Pcmu, remote(1));
        config.srtp = srtp;
        bench.order(MediaCommand::StartAudio {
            stream: StreamId(1),
            config: Box::new(config),
        });
    };
    start(&mut called, keying(DtlsRole::Client, &theirs, &ours));
    assert!(pass(&mut called, &mut caller), "it begins");
    called.now += 2 * TICK;
    called.engine.handle_timeout(called.now);
    caller.now = called.now;
    start(&mut caller, keying(DtlsRole::Server, &ours, &theirs));
    for _ in 0..10 {
        pass(&mut caller, &mut called);
        pass(&mut called, &mut caller);
    }
    for bench in [&mut caller, &mut called] {
        let events = bench.events();
        assert!(
            events.iter().any(|event| event.starts_with("Secured")),
            "{events:?}"
        );
    }
}

/// Carries what one end has to send to the other. Whether there was something.
fn pass(from: &mut Bench, to: &mut Bench) -> bool {
    let mut sent = Vec::new();
    from.engine
        .drain_transmits(|packet| sent.push((packet.component, packet.bytes.to_vec())));
    for (component, bytes) in &mut sent {
        to.engine
            .handle_datagram(to.now, StreamId(1), *component, remote(1), bytes);
    }
    to.engine.handle_timeout(to.now);
    !sent.is_empty()
}
