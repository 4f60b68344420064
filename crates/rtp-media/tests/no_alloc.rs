//! Counts what a running call allocates: nothing, but inside the Opus port.

use offhook_rtp_media::SrtpKeying;
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::srtp::{MasterKey, SrtpKeys, SrtpSuite};
use offhook_rtp_media::{AudioConfig, AudioTransport, MediaKind};
use offhook_sansio::{Entropy, WallClock};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

/// Two ends that pass each other packets without allocating.
struct Call {
    now: Instant,
    ends: [AudioTransport; 2],
    addresses: [SocketAddr; 2],
    frame: Vec<i16>,
    heard: Vec<i16>,
    datagram: [u8; 1500],
}

impl Call {
    fn new(codec: AudioCodec) -> Self {
        Self::with(codec, None)
    }

    fn with(codec: AudioCodec, suite: Option<SrtpSuite>) -> Self {
        let now = Instant::now();
        let clock = WallClock::new(now, Duration::from_hours(500_000));
        let addresses: [SocketAddr; 2] =
            ["192.0.2.1:4000", "192.0.2.2:5000"].map(|text| text.parse().unwrap());
        let end = |remote: usize| {
            let mut config = AudioConfig::new(codec, addresses[remote]);
            config.srtp = suite.map(|suite| {
                let key = |side| MasterKey::generate(suite, &mut Entropy::from_number(side));
                SrtpKeying::Keys(SrtpKeys::new(key(remote as u64), key(1 - remote as u64)))
            });
            AudioTransport::new(config, now, clock, Entropy::from_number(remote as u64)).unwrap()
        };
        let ends = [end(1), end(0)];
        let samples = ends[0].sample_rate() as usize / 50;
        let frame = (0..samples)
            .map(|n| ((n as f32 * 0.05).sin() * 9000.0) as i16)
            .collect();
        Self {
            now,
            ends,
            addresses,
            frame,
            heard: vec![0; samples],
            datagram: [0; 1500],
        }
    }

    /// One tick; every tenth packet is lost, and reports flow.
    fn tick(&mut self, tick: u64) {
        self.now += Duration::from_millis(20);
        for (from, to) in [(0, 1), (1, 0)] {
            self.ends[from].write(self.now, &self.frame);
            self.ends[from].handle_timeout(self.now);
            while let Some(transmit) = self.ends[from].poll_transmit() {
                let (kind, len) = (transmit.kind, transmit.bytes.len());
                self.datagram[..len].copy_from_slice(transmit.bytes);
                let datagram = &mut self.datagram[..len];
                match kind {
                    MediaKind::Rtp if tick % 10 == 3 => {}
                    MediaKind::Rtp => self.ends[to].handle_rtp(self.now, self.addresses[from], datagram),
                    MediaKind::Rtcp => {
                        let mut address = self.addresses[from];
                        address.set_port(address.port() + 1);
                        self.ends[to].handle_rtcp(self.now, address, datagram);
                    }
                }
            }
            self.ends[to].read(self.now, &mut self.heard);
            while self.ends[to].poll_event().is_some() {}
        }
    }

    /// Allocations of `ticks` ticks.
    fn allocations(&mut self, ticks: u64) -> u64 {
        let counted = allocation_counter::measure(|| {
            for tick in 0..ticks {
                self.tick(tick);
            }
        });
        counted.count_total
    }
}

#[test]
fn a_running_call_allocates_nothing_per_packet_and_tick() {
    let codecs = AudioCodec::ALL
        .iter()
        .copied()
        .filter(|codec| codec.spec().clock_rate == 8000)
        .chain(["L16/16000", "L16/44100/2"].map(|name| name.parse().unwrap()));
    for codec in codecs {
        let mut call = Call::new(codec);
        call.allocations(100);
        assert_eq!(call.allocations(2000), 0, "{codec}");
        assert!(call.ends[0].statistics().rtcp_received > 2);
    }
}

#[test]
fn an_encrypted_call_allocates_nothing_either() {
    for &suite in SrtpSuite::ALL {
        let mut call = Call::with(AudioCodec::Pcmu, Some(suite));
        call.allocations(100);
        assert_eq!(call.allocations(2000), 0, "{suite}");
        let statistics = call.ends[0].statistics();
        assert!(statistics.packets_received > 1800 && statistics.rtcp_received > 2);
    }
}

#[cfg(feature = "opus")]
#[test]
fn with_opus_only_the_codec_allocates() {
    let mut call = Call::new(AudioCodec::Opus);
    call.allocations(100);
    let ticks = 500;
    let per_frame = call.allocations(ticks) as f64 / ticks as f64 / 2.0;
    // The same frames through the codec alone.
    let mut encoder = AudioCodec::Opus.encoder("").unwrap();
    let mut decoder = AudioCodec::Opus.decoder().unwrap();
    let (mut payload, mut pcm) = ([0; 1275], [0; 5760]);
    let counted = allocation_counter::measure(|| {
        for _ in 0..ticks {
            let len = encoder.encode(&call.frame, &mut payload).unwrap();
            decoder.decode(&payload[..len], &mut pcm).unwrap();
        }
    });
    let codec_alone = counted.count_total as f64 / ticks as f64;
    assert!(
        per_frame <= codec_alone + 1.0,
        "{per_frame} in a call, {codec_alone} alone"
    );
}
