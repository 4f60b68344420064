//! The way out: captured audio gathered to packets and encoded.

use super::silence::{SilenceDetection, SilenceDetector};
use crate::codec::{AudioCodec, CodecError, CodecSpec, ComfortNoise, Encoder, rest_at_rate};
use crate::dtmf::{DIGIT, Digit, TelephoneEvent, write_tones};

/// Gathers captured audio to packets.
pub(super) struct Sender {
    encoder: Box<dyn Encoder>,
    /// Audio of the packet in the making; `gathered` samples of it are there.
    pcm: Box<[i16]>,
    gathered: usize,
    /// Ticks of one packet.
    ticks: u32,
    ptime_ms: u32,
    sample_rate: u32,
    silence: Option<SilenceDetector>,
    /// Milliseconds since the last comfort noise, while it is silent.
    noise_age_ms: Option<u32>,
    pub(super) suppressed: u64,
    /// The next packet begins a talk spurt.
    pub(super) marker: bool,
}

/// How often comfort noise is repeated while the pause lasts: routers between forget who does not send (RFC 4787 §4.3 lets
/// them after two minutes, many do after 30 s), and the background changes.
const NOISE_EVERY_MS: u32 = 5000;

/// Longest payload of linear audio, in octets: what an Ethernet frame carries beside the headers of IP, UDP and SRTP.
const LONGEST_LINEAR: usize = 1400;

/// What a full packet is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// To be encoded and sent.
    Voice,
    /// To be described by this.
    Noise(ComfortNoise),
    /// Nothing new.
    Nothing,
}

impl Sender {
    pub(super) fn new(codec: AudioCodec, ptime_ms: u32, remote_fmtp: &str) -> Result<Self, CodecError> {
        let CodecSpec {
            sample_rate,
            clock_rate,
            ..
        } = codec.spec();
        let ptime_ms = that_fits(codec, ptime_ms);
        let samples = (u64::from(sample_rate) * u64::from(ptime_ms) / 1000) as u32;
        Ok(Self {
            encoder: codec.encoder(remote_fmtp)?,
            pcm: vec![0; samples as usize].into_boxed_slice(),
            gathered: 0,
            ticks: (u64::from(samples) * u64::from(clock_rate) / u64::from(sample_rate)) as u32,
            ptime_ms,
            sample_rate,
            silence: None,
            noise_age_ms: None,
            suppressed: 0,
            marker: true,
        })
    }

    /// Takes as much of a frame as the packet in the making holds; returns what is left of the frame, and whether
    /// the packet is full.
    pub(super) fn gather<'f>(&mut self, frame: &'f [i16]) -> (&'f [i16], bool) {
        let taken = frame.len().min(self.pcm.len() - self.gathered);
        let (now, later) = frame.split_at(taken);
        self.pcm[self.gathered..self.gathered + taken].copy_from_slice(now);
        self.gathered += taken;
        let full = self.gathered == self.pcm.len();
        if full {
            self.gathered = 0;
        }
        (later, full)
    }

    /// The audio of the packet in the making, at the rate of who goes on with it.
    pub(super) fn into_begun(self, sample_rate: u32) -> Vec<i16> {
        // A rate that cannot be reached was refused before.
        rest_at_rate(&self.pcm[..self.gathered], 0, self.sample_rate, sample_rate).unwrap_or_default()
    }

    pub(super) fn sample_rate(&self) -> u32 {
        self.sample_rate
    }

    /// Milliseconds of one packet.
    pub(super) fn ptime_ms(&self) -> u32 {
        self.ptime_ms
    }

    /// Ticks of one packet.
    pub(super) fn ticks(&self) -> u32 {
        self.ticks
    }

    /// Takes the settings of silence detection; the same as before change nothing.
    pub(super) fn detect_silence(&mut self, config: Option<SilenceDetection>) {
        if self.silence.as_ref().map(SilenceDetector::config) != config {
            self.silence = config.map(SilenceDetector::new);
            self.noise_age_ms = None;
        }
    }

    /// Puts a digit's tones in place of the packet's audio, which the event lasts until the end of.
    pub(super) fn play_digit(&mut self, event: TelephoneEvent, clock_rate: u32) {
        let samples =
            |ticks: u32| (u64::from(ticks) * u64::from(self.sample_rate) / u64::from(clock_rate)) as usize;
        let end = samples(event.duration.into());
        let length = (DIGIT.as_secs_f64() * f64::from(self.sample_rate)) as usize;
        if let Some(digit) = Digit::from_event(event.event) {
            let place = end.saturating_sub(self.pcm.len());
            write_tones(digit, self.sample_rate, place, length.max(end), &mut self.pcm);
        }
    }

    /// Judges the full packet.
    pub(super) fn judge(&mut self) -> Worth {
        let Some(silence) = &mut self.silence else {
            return Worth::Voice;
        };
        if !silence.is_silence(&self.pcm, self.ptime_ms) {
            self.noise_age_ms = None;
            return Worth::Voice;
        }
        self.suppressed += 1;
        let age = self.noise_age_ms.map(|age| age + self.ptime_ms);
        if age.is_none_or(|age| age >= NOISE_EVERY_MS) {
            self.noise_age_ms = Some(0);
            return Worth::Noise(ComfortNoise::measure(&self.pcm));
        }
        self.noise_age_ms = age;
        Worth::Nothing
    }

    /// Encodes the full packet.
    pub(super) fn encode(&mut self, payload: &mut [u8]) -> Result<usize, CodecError> {
        self.encoder.encode(&self.pcm, payload)
    }

    /// Tells the encoder what the peer loses, in 1/256.
    pub(super) fn expect_loss(&mut self, fraction: u8) {
        self.encoder.expect_loss((u32::from(fraction) * 100 / 256) as u8);
    }
}

/// The packet time wished for, or 20, 10 or 5 ms where more of linear audio does not go in one Ethernet frame.
fn that_fits(codec: AudioCodec, ptime_ms: u32) -> u32 {
    let times = [ptime_ms, 20, 10, 5];
    let fits = |ms: &u32| *ms <= ptime_ms && codec.octets_of(*ms) <= LONGEST_LINEAR;
    times.into_iter().find(fits).unwrap_or(ptime_ms)
}
