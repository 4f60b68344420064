//! The way in: jitter buffer, decoder, and the audio decoded but not yet played.

use super::config::Playout;
use super::loss_pattern::LossPattern;
use crate::codec::{
    AudioCodec, CodecError, CodecSpec, ComfortNoise, Decoder, MAX_PACKET_MS, NoiseMaker, waveform,
};
use crate::jitter::{Advice, Inserted, JitterBuffer, JitterConfig, Pull};
use crate::session::{Extended, Statistics};
use crate::time::ticks_to_duration;
use std::time::Duration;

/// Room for one period more than the longest packet, for stretching.
const STRETCH_MS: u32 = 15;

/// Concealment comes in multiples of this part of a second: 2.5 ms, the shortest frame of Opus.
const QUANTUM: u32 = 400;

/// Receives one stream.
pub(super) struct Receiver {
    spec: CodecSpec,
    jitter: JitterBuffer,
    decoder: Box<dyn Decoder>,
    /// Decoded audio; played up to `played`, valid up to `len`.
    pcm: Box<[i16]>,
    played: usize,
    len: usize,
    pause: Option<Pause>,
    pattern: LossPattern,
    counts: Counts,
}

/// A pause of the peer that it described.
#[derive(Debug)]
struct Pause {
    noise: NoiseMaker,
    /// When it began, in media time: a voice after it ends it.
    since: i64,
}

#[derive(Debug, Default)]
struct Counts {
    late: u64,
    oversize: u64,
    duplicates: u64,
    undecodable: u64,
    comfort_noise: u64,
    concealments: u64,
    /// Samples made up.
    concealed: u64,
    shortened: u64,
    lengthened: u64,
}

impl Receiver {
    pub(super) fn new(codec: AudioCodec, config: JitterConfig, ptime_ms: u32) -> Result<Self, CodecError> {
        let spec = codec.spec();
        let packet = Duration::from_millis(u64::from(ptime_ms));
        // G.711 and G.722 take an octet per tick; Opus is far smaller.
        let payload = (spec.clock_rate.min(8000) / 1000 * ptime_ms) as usize;
        Ok(Self {
            spec,
            jitter: JitterBuffer::new(config, spec.clock_rate, packet, payload),
            decoder: codec.decoder()?,
            pcm: vec![0; (spec.sample_rate / 1000 * (MAX_PACKET_MS + STRETCH_MS)) as usize]
                .into_boxed_slice(),
            played: 0,
            len: 0,
            pause: None,
            pattern: LossPattern::default(),
            counts: Counts::default(),
        })
    }

    /// Takes a description of what a pause sounds like.
    pub(super) fn comfort(&mut self, at: Extended, payload: &[u8]) {
        let Ok(noise) = ComfortNoise::parse(payload) else {
            self.counts.undecodable += 1;
            return;
        };
        self.counts.comfort_noise += 1;
        match &mut self.pause {
            Some(pause) => {
                pause.noise.follow(noise);
                pause.since = pause.since.max(at.timestamp);
            }
            None => {
                self.pause = Some(Pause {
                    noise: NoiseMaker::new(noise),
                    since: at.timestamp,
                });
            }
        }
    }

    /// Takes an accepted packet that arrived at tick `arrival`.
    pub(super) fn insert(&mut self, arrival: i64, at: Extended, payload: &[u8]) {
        if self
            .pause
            .as_ref()
            .is_some_and(|pause| at.timestamp > pause.since)
        {
            self.pause = None;
        }
        let inserted = self.jitter.insert(arrival, at.sequence, at.timestamp, payload);
        match inserted {
            Inserted::Held => self.pattern.packet(at.sequence, true),
            Inserted::Late | Inserted::Oversize => self.pattern.packet(at.sequence, false),
            Inserted::Duplicate => {}
        }
        match inserted {
            Inserted::Held => {}
            Inserted::Duplicate => self.counts.duplicates += 1,
            Inserted::Late => self.counts.late += 1,
            Inserted::Oversize => self.counts.oversize += 1,
        }
    }

    /// Which packets came and were played.
    pub(super) fn loss_pattern(&self) -> &LossPattern {
        &self.pattern
    }

    /// Forgets what waits.
    pub(super) fn reset(&mut self) {
        self.jitter.reset();
        self.pattern.restart();
        self.pause = None;
        self.played = 0;
        self.len = 0;
    }

    /// Fills a frame, at tick `now`.
    pub(super) fn read(&mut self, now: i64, frame: &mut [i16]) -> Playout {
        let mut filled = 0;
        let mut playout = if self.played < self.len {
            Playout::Voice
        } else {
            Playout::Silence
        };
        while filled < frame.len() {
            let ready = &self.pcm[self.played..self.len];
            let taken = ready.len().min(frame.len() - filled);
            frame[filled..filled + taken].copy_from_slice(&ready[..taken]);
            filled += taken;
            self.played += taken;
            if filled < frame.len() {
                match self.refill(now, filled, frame.len() - filled) {
                    Playout::Voice if playout == Playout::Silence => playout = Playout::Voice,
                    Playout::Concealed => playout = Playout::Concealed,
                    _ => {}
                }
            }
        }
        playout
    }

    /// Puts at least one sample into the empty buffer, to be heard `filled` samples after `now`; `wanted` are needed now.
    fn refill(&mut self, now: i64, filled: usize, wanted: usize) -> Playout {
        let Self {
            spec,
            jitter,
            decoder,
            pcm,
            pause,
            counts,
            ..
        } = self;
        self.played = 0;
        let ticks_of =
            |samples: usize| samples as i64 * i64::from(spec.clock_rate) / i64::from(spec.sample_rate);
        let quantum = (spec.sample_rate / QUANTUM) as usize;
        let most = pcm.len() / quantum * quantum;
        let made_up = |samples: usize| samples.next_multiple_of(quantum).clamp(quantum, most);
        match jitter.pull(now) {
            Pull::Payload(payload) => match decoder.decode(payload, pcm) {
                Ok(samples) if samples > 0 => {
                    self.len = samples;
                    jitter.played(ticks_of(samples));
                    let offset = ticks_of(filled);
                    self.bend(offset);
                    Playout::Voice
                }
                _ => {
                    counts.undecodable += 1;
                    let len = made_up(wanted);
                    decoder.conceal(&mut pcm[..len]);
                    counts.concealed += len as u64;
                    jitter.played(ticks_of(len));
                    self.len = len;
                    Playout::Concealed
                }
            },
            Pull::Lost { ticks, next } => {
                counts.concealments += 1;
                let samples = ticks * i64::from(spec.sample_rate) / i64::from(spec.clock_rate);
                let len = made_up(samples as usize);
                let recovered = next.is_some_and(|next| decoder.recover(next, &mut pcm[..len]));
                if !recovered {
                    decoder.conceal(&mut pcm[..len]);
                    counts.concealed += len as u64;
                }
                self.len = len;
                Playout::Concealed
            }
            // Where the voice ends and the peer has described its pause, there is nothing to make up.
            Pull::Underrun => {
                let len = made_up(wanted);
                jitter.held(ticks_of(len));
                self.len = len;
                if let Some(pause) = pause {
                    pause.noise.fill(&mut pcm[..len]);
                    return Playout::Voice;
                }
                counts.concealments += 1;
                counts.concealed += len as u64;
                decoder.conceal(&mut pcm[..len]);
                Playout::Concealed
            }
            Pull::Silence => {
                let len = wanted.min(pcm.len());
                self.len = len;
                if let Some(pause) = pause {
                    pause.noise.fill(&mut pcm[..len]);
                    return Playout::Voice;
                }
                pcm[..len].fill(0);
                Playout::Silence
            }
        }
    }

    /// Makes the packet just decoded a period shorter or longer, where the jitter buffer asks for it.
    fn bend(&mut self, offset: i64) {
        let bent = match self.jitter.advice(offset) {
            Advice::Keep => None,
            Advice::Faster { most } => {
                let most =
                    most.saturating_mul(self.spec.sample_rate.into()) / i64::from(self.spec.clock_rate);
                let left = waveform::shorten(&mut self.pcm[..self.len], most as usize, self.spec.sample_rate);
                self.counts.shortened += u64::from(left.is_some());
                left
            }
            Advice::Slower => {
                let longest = (self.spec.sample_rate / 1000 * STRETCH_MS) as usize;
                let room = longest.min(self.pcm.len() - self.len);
                let len = waveform::lengthen(&mut self.pcm[..self.len + room], room, self.spec.sample_rate);
                self.counts.lengthened += u64::from(len.is_some());
                len
            }
        };
        if let Some(len) = bent {
            self.len = len;
            self.jitter.bent();
        }
    }

    /// Adds what was counted here.
    pub(super) fn add_to(&self, statistics: &mut Statistics) {
        statistics.late += self.counts.late;
        statistics.duplicates += self.counts.duplicates;
        statistics.discarded += self.counts.oversize + self.jitter.dropped();
        statistics.undecodable += self.counts.undecodable;
        statistics.comfort_noise += self.counts.comfort_noise;
        statistics.concealments += self.counts.concealments;
        statistics.concealed += ticks_to_duration(self.counts.concealed as i64, self.spec.sample_rate);
        statistics.shortened += self.counts.shortened;
        statistics.lengthened += self.counts.lengthened;
        statistics.target_delay = self.jitter.target_delay();
    }
}
