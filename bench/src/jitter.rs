//! The jitter buffer beside a fixed one and beside `neteq`, the port of WebRTC's NetEq to Rust, over the same packets: the table
//! of docs/jitter.md.

#[path = "../../crates/rtp-media/tests/jitter_table/players.rs"]
mod players;

use neteq::codec::AudioDecoder;
use neteq::neteq::SpeechType;
use neteq::{AudioPacket, NetEq, NetEqConfig, RtpHeader};
use offhook_rtp_media::codec::{AudioCodec, Decoder};
use offhook_rtp_media::packet::RtpPacket;
use offhook_testkit::net::{Trace, Weather};
use players::{FRAME, Fixed, NOISE, Ours, Outcome, Player, RATE, Speech};
use std::time::Duration;

/// Packets of one case, and of those in which clocks differ: a minute and five.
const PACKETS: usize = 3000;
const DRIFTING: usize = 15_000;

/// Each case is played through so many traces; the table shows the mean.
const TRACES: u64 = 5;

/// What a row is about.
struct Case {
    name: String,
    speech: Speech,
    traces: Vec<Trace>,
}

pub fn print() {
    println!("\n## Jitter buffers\n");
    println!("| network | buffer | mean delay, ms | at the end, ms | made up | quality, dB | missing | foreign |");
    println!("|---|---|---|---|---|---|---|---|");
    for case in cases() {
        let mut name = case.name.as_str();
        for (buffer, make) in BUFFERS {
            let outcomes: Vec<Outcome> =
                case.traces.iter().map(|trace| case.speech.play_to(make().as_mut(), trace)).collect();
            println!("| {name} | {buffer} | {} |", row(&outcomes));
            name = "";
        }
    }
}

type Make = fn() -> Box<dyn Player>;

const BUFFERS: [(&str, Make); 4] = [
    ("offhook", || Box::new(Ours::new())),
    ("fixed, 60 ms", || Box::new(Fixed::new(Duration::from_millis(60)))),
    ("fixed, 200 ms", || Box::new(Fixed::new(Duration::from_millis(200)))),
    ("neteq 0.9", || Box::new(Theirs::new())),
];

fn cases() -> Vec<Case> {
    let case = |name: &str, weather: Weather, speech: Speech, packets: usize| Case {
        name: name.to_owned(),
        speech,
        traces: (1..=TRACES).map(|seed| Trace::new(weather, packets, seed)).collect(),
    };
    let mut cases: Vec<Case> = Weather::ALL
        .into_iter()
        .map(|weather| {
            let packets = if let Weather::Drift(_) = weather { DRIFTING } else { PACKETS };
            case(weather.name(), weather, Speech::without_pauses(packets), packets)
        })
        .collect();
    cases.push(case("Wi-Fi bursts, with pauses", Weather::WiFi, Speech::with_pauses(PACKETS), PACKETS));
    cases
}

fn row(outcomes: &[Outcome]) -> String {
    let mean = |value: fn(&Outcome) -> f64| outcomes.iter().map(value).sum::<f64>() / outcomes.len() as f64;
    format!(
        "{:.0} | {:.0} | {:.2} % | {:.1} | {:.2} % | {:.2} %",
        mean(|outcome| outcome.delay.as_secs_f64() * 1e3),
        mean(|outcome| outcome.last_delay.as_secs_f64() * 1e3),
        mean(|outcome| outcome.concealed * 100.0),
        mean(|outcome| outcome.following.snr),
        mean(|outcome| outcome.following.missing * 100.0),
        mean(|outcome| outcome.following.foreign * 100.0),
    )
}

/// Their buffer, with our decoder of the same payloads.
struct Theirs {
    neteq: NetEq,
    concealed: Duration,
}

/// What their buffer plays at once.
const STEP: Duration = Duration::from_millis(10);

impl Theirs {
    fn new() -> Self {
        web_time::advance_to(Duration::ZERO);
        let config = NetEqConfig { sample_rate: RATE, ..NetEqConfig::default() };
        let mut neteq = NetEq::new(config).expect("a rate it takes");
        neteq.register_decoder(0, Box::new(Pcmu(AudioCodec::Pcmu.decoder().expect("built in"))));
        Self { neteq, concealed: Duration::ZERO }
    }
}

impl Player for Theirs {
    fn handle(&mut self, at: Duration, datagram: &[u8]) {
        web_time::advance_to(at);
        let packet = RtpPacket::parse(datagram).expect("one of ours");
        let header = packet.header();
        // It knows no comfort noise of RFC 3389.
        if header.payload_type.number() == NOISE {
            return;
        }
        let theirs = RtpHeader::new(header.sequence, header.timestamp, header.ssrc.0, 0, header.marker);
        let duration = FRAME as u32 * 1000 / RATE;
        let packet = AudioPacket::new(theirs, packet.payload().to_vec(), RATE, 1, duration);
        self.neteq.insert_packet(packet).expect("room for it");
    }

    fn play(&mut self, at: Duration, frame: &mut [i16]) {
        for (half, samples) in frame.chunks_mut(FRAME / 2).enumerate() {
            web_time::advance_to(at + STEP * half as u32);
            let heard = self.neteq.get_audio().expect("10 ms");
            if heard.speech_type == SpeechType::Expand {
                self.concealed += STEP;
            }
            for (sample, theirs) in samples.iter_mut().zip(heard.samples) {
                *sample = (theirs * 32_768.0) as i16;
            }
        }
    }

    fn concealed(&self) -> Duration {
        self.concealed
    }
}

struct Pcmu(Box<dyn Decoder>);

impl AudioDecoder for Pcmu {
    fn sample_rate(&self) -> u32 {
        RATE
    }

    fn channels(&self) -> u8 {
        1
    }

    fn decode(&mut self, encoded: &[u8]) -> neteq::Result<Vec<f32>> {
        let mut samples = [0; FRAME];
        let len = self.0.decode(encoded, &mut samples).expect("PCMU of any octets");
        Ok(samples[..len].iter().map(|sample| f32::from(*sample) / 32_768.0).collect())
    }
}
