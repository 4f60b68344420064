//! The way in: jitter buffer, decoder, and the audio decoded but not yet played.

use super::config::Playout;
use super::loss_pattern::LossPattern;
use super::voice::{Heard, Voice, samples};
use crate::codec::{AudioCodec, CodecError, ComfortNoise, MAX_PACKET_MS, NoiseMaker, rest_at_rate, waveform};
use crate::ids::PayloadType;
use crate::jitter::{Advice, Inserted, JitterBuffer, JitterConfig, Packet, Pull};
use crate::session::{Extended, Statistics};
use crate::time::{MEDIA_RATE, ticks_to_duration};
use std::time::Duration;

/// Room for one period more than the longest packet, for stretching.
const STRETCH_MS: u32 = 15;

/// Media time of the shortest packets that are made longer or shorter: 8 ms hold a period of most voices. A stream of shorter ones,
/// which linear audio of two channels is, is kept in step by what is dropped and concealed.
const SHORTEST_BENT: i64 = MEDIA_RATE as i64 * 8 / 1000;

/// How long one codec is blended into the next: their delays and loudness differ, and one that begins takes some milliseconds to
/// be itself.
const JOINT_MS: u32 = 10;

/// Receives one stream.
pub(super) struct Receiver {
    sample_rate: u32,
    jitter: JitterBuffer,
    bounds: JitterConfig,
    /// What may come; behind them those of before the last re-negotiation, whose packets may be on their way.
    voices: Vec<Voice>,
    /// How many of them are agreed on now.
    agreed: usize,
    /// Which of them was heard last.
    current: usize,
    /// What that would have said next, where another one comes.
    joint: Box<[i16]>,
    /// Decoded audio; played up to `played`, valid up to `len`.
    pcm: Box<[i16]>,
    /// Media time of the last packet.
    packet: i64,
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
    /// Media time made up.
    concealed: i64,
    shortened: u64,
    lengthened: u64,
}

impl Receiver {
    /// For codecs, of which the first gives the sample rate.
    pub(super) fn new(
        codecs: &[(PayloadType, AudioCodec)],
        bounds: JitterConfig,
        ptime_ms: u32,
    ) -> Result<Self, CodecError> {
        let sample_rate = rate_of(codecs);
        let voices = codecs
            .iter()
            .map(|(number, codec)| Voice::new(*number, *codec, sample_rate));
        Ok(Self {
            sample_rate,
            jitter: jitter_buffer(codecs, bounds, ptime_ms),
            bounds,
            voices: voices.collect::<Result<_, _>>()?,
            agreed: codecs.len(),
            current: 0,
            joint: joint(sample_rate),
            pcm: room(sample_rate),
            packet: 0,
            played: 0,
            len: 0,
            pause: None,
            pattern: LossPattern::default(),
            counts: Counts::default(),
        })
    }

    /// Takes other codecs after a re-negotiation. What waits of those before is played yet, and what is decoded stays; the
    /// codecs that go on keep their memory.
    pub(super) fn update(
        &mut self,
        codecs: &[(PayloadType, AudioCodec)],
        bounds: JitterConfig,
        ptime_ms: u32,
    ) -> Result<(), CodecError> {
        let agreed = self.voices[..self.agreed].iter().map(Voice::format);
        if !agreed.eq(codecs.iter().copied()) {
            let sample_rate = rate_of(codecs);
            let heard = self.voices.get(self.current).map(|voice| voice.format().1);
            self.take_voices(codecs, sample_rate)?;
            let again = self
                .voices
                .iter()
                .position(|voice| Some(voice.format().1) == heard);
            self.current = again.unwrap_or(0);
            self.change_rate(sample_rate);
        }
        if bounds != self.bounds {
            self.jitter = jitter_buffer(codecs, bounds, ptime_ms);
            self.bounds = bounds;
        }
        Ok(())
    }

    /// Makes the decoders for what is agreed now, and behind them those for what was until now. Nothing has changed after an
    /// error.
    fn take_voices(
        &mut self,
        codecs: &[(PayloadType, AudioCodec)],
        sample_rate: u32,
    ) -> Result<(), CodecError> {
        let is_new = |(number, _): &(PayloadType, AudioCodec)| codecs.iter().any(|(new, _)| new == number);
        let before: Vec<_> = self.voices[..self.agreed].iter().map(Voice::format).collect();
        let retired = before.iter().copied().filter(|format| !is_new(format));
        let wanted: Vec<_> = codecs.iter().copied().chain(retired).collect();
        let fits = |voice: &Voice, codec| voice.format().1 == codec && voice.sample_rate() == sample_rate;
        let made: Vec<Option<Voice>> = wanted
            .iter()
            .map(|(number, codec)| {
                let known = self.voices.iter().any(|voice| fits(voice, *codec));
                (!known)
                    .then(|| Voice::new(*number, *codec, sample_rate))
                    .transpose()
            })
            .collect::<Result<_, _>>()?;
        if before
            .iter()
            .any(|format| is_new(format) && !codecs.contains(format))
        {
            // A number means another codec now: what waits would be taken for that.
            self.jitter.reset();
        }
        let mut known = std::mem::take(&mut self.voices);
        for ((number, codec), made) in wanted.into_iter().zip(made) {
            let kept = known.iter().position(|voice| fits(voice, codec));
            // One codec under two numbers has one memory, under the first.
            let voice = kept
                .map(|place| known.swap_remove(place).numbered(number))
                .or(made);
            self.voices.extend(voice);
        }
        self.agreed = codecs.len().min(self.voices.len());
        Ok(())
    }

    /// Goes on at another sample rate, with what is decoded and not yet played.
    fn change_rate(&mut self, sample_rate: u32) {
        if sample_rate == self.sample_rate {
            return;
        }
        // A codec of a rate that cannot be reached was refused before.
        let rest = rest_at_rate(&self.pcm[..self.len], self.played, self.sample_rate, sample_rate);
        let rest = rest.unwrap_or_default();
        self.pcm = room(sample_rate);
        self.played = 0;
        self.len = rest.len().min(self.pcm.len());
        self.pcm[..self.len].copy_from_slice(&rest[..self.len]);
        self.joint = joint(sample_rate);
        self.sample_rate = sample_rate;
    }

    /// The clock rate of a codec that may come under this number.
    pub(super) fn clock_rate(&self, number: PayloadType) -> Option<u32> {
        let voice = self.voices.iter().find(|voice| voice.format().0 == number)?;
        Some(voice.format().1.spec().clock_rate)
    }

    /// The codec that was heard last.
    pub(super) fn codec(&self) -> AudioCodec {
        self.voices[self.current].format().1
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
    pub(super) fn insert(&mut self, arrival: i64, at: Extended, packet: Packet<'_>) {
        if self
            .pause
            .as_ref()
            .is_some_and(|pause| at.timestamp > pause.since)
        {
            self.pause = None;
        }
        let inserted = self.jitter.insert(arrival, at.sequence, at.timestamp, packet);
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
        let offset = filled as i64 * i64::from(MEDIA_RATE) / i64::from(self.sample_rate);
        // Of packets that are shorter than a tick, each is pulled for its own time.
        let (now, offset) = match self.packet {
            0 => (now, offset),
            packet => (now + offset / packet * packet, offset % packet),
        };
        let Self {
            jitter,
            voices,
            current,
            joint,
            pcm,
            pause,
            counts,
            packet: length,
            ..
        } = self;
        self.played = 0;
        match jitter.pull(now) {
            Pull::Packet(packet) => {
                if let Some(heard) = decode(voices, current, joint, packet, pcm) {
                    self.len = heard.samples;
                    jitter.played(heard.ticks);
                    *length = heard.ticks;
                    if heard.ticks >= SHORTEST_BENT {
                        self.bend(offset);
                    }
                    return Playout::Voice;
                }
                counts.undecodable += 1;
                let made_up = voices[*current].conceal(wanted, pcm);
                counts.concealed += made_up.ticks;
                jitter.played(made_up.ticks);
                self.len = made_up.samples;
                Playout::Concealed
            }
            Pull::Lost { ticks, next } => {
                counts.concealments += 1;
                let lost = ticks * i64::from(self.sample_rate) / i64::from(MEDIA_RATE);
                let recovered = next.and_then(|next| voices[*current].recover(next, lost as usize, pcm));
                let made_up = recovered.unwrap_or_else(|| {
                    let made_up = voices[*current].conceal(lost as usize, pcm);
                    counts.concealed += made_up.ticks;
                    made_up
                });
                self.len = made_up.samples;
                Playout::Concealed
            }
            Pull::Underrun => {
                // Where the voice ends and the peer has described its pause, there is nothing to make up.
                if let Some(pause) = pause {
                    let len = wanted.min(pcm.len());
                    pause.noise.fill(&mut pcm[..len]);
                    jitter.held(len as i64 * i64::from(MEDIA_RATE) / i64::from(self.sample_rate));
                    self.len = len;
                    return Playout::Voice;
                }
                let made_up = voices[*current].conceal(wanted, pcm);
                jitter.held(made_up.ticks);
                counts.concealments += 1;
                counts.concealed += made_up.ticks;
                self.len = made_up.samples;
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
                let most = most.saturating_mul(self.sample_rate.into()) / i64::from(MEDIA_RATE);
                let left = waveform::shorten(&mut self.pcm[..self.len], most as usize, self.sample_rate);
                self.counts.shortened += u64::from(left.is_some());
                left
            }
            Advice::Slower => {
                let longest = samples(STRETCH_MS, self.sample_rate);
                let room = longest.min(self.pcm.len() - self.len);
                let len = waveform::lengthen(&mut self.pcm[..self.len + room], room, self.sample_rate);
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
        statistics.concealed += ticks_to_duration(self.counts.concealed, MEDIA_RATE);
        statistics.shortened += self.counts.shortened;
        statistics.lengthened += self.counts.lengthened;
        statistics.target_delay = self.jitter.target_delay();
    }
}

/// Decodes a packet with the codec that its payload type names. Where that is another one than was heard until now, the
/// voice of before is continued for a moment and blended into it.
fn decode(
    voices: &mut [Voice],
    current: &mut usize,
    joint: &mut [i16],
    packet: Packet<'_>,
    pcm: &mut [i16],
) -> Option<Heard> {
    let place = voices
        .iter()
        .position(|voice| voice.format().0 == packet.payload_type)?;
    let before = std::mem::replace(current, place);
    if before != place {
        voices[place].restart();
    }
    let heard = voices[place].decode(packet.payload, pcm).ok()?;
    if heard.samples == 0 {
        return None;
    }
    if before != place {
        let made_up = voices[before].conceal(joint.len() / 2, joint);
        let len = made_up.samples.min(heard.samples);
        for (place, (sample, continued)) in pcm[..len].iter_mut().zip(joint).enumerate() {
            *sample = waveform::mix(*continued, *sample, place, len);
        }
    }
    Some(heard)
}

fn rate_of(codecs: &[(PayloadType, AudioCodec)]) -> u32 {
    codecs.first().map_or(8000, |(_, codec)| codec.spec().sample_rate)
}

fn jitter_buffer(codecs: &[(PayloadType, AudioCodec)], bounds: JitterConfig, ptime_ms: u32) -> JitterBuffer {
    let packet = Duration::from_millis(u64::from(ptime_ms));
    let payloads = codecs.iter().map(|(_, codec)| codec.octets_of(ptime_ms));
    JitterBuffer::new(bounds, MEDIA_RATE, packet, payloads.max().unwrap_or_default())
}

/// Room for the longest packet and one period more.
fn room(sample_rate: u32) -> Box<[i16]> {
    vec![0; samples(MAX_PACKET_MS + STRETCH_MS, sample_rate)].into_boxed_slice()
}

/// Room for twice as long as codecs are blended: concealment comes in steps.
fn joint(sample_rate: u32) -> Box<[i16]> {
    vec![0; 2 * samples(JOINT_MS, sample_rate)].into_boxed_slice()
}
