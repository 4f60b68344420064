//! One port inside the mixer: its edge (rate, gain, mute) and what it listens to.

use super::kernel;
use crate::bridge::BridgeId;
use crate::gain::{Gain, Ramp};
use crate::level::Level;
use crate::port::{AudioPort, Produced, Role, Tick};
use crate::resample::Resampler;

/// A port with its edge.
pub(crate) struct Entry<P> {
    /// `None` in the one tick in which the sound of a removed port fades out.
    pub(crate) port: Option<P>,
    pub(crate) edge: Edge,
    pub(crate) input: Fader,
    pub(crate) output: Fader,
    /// The bridges that it is a member of.
    pub(crate) bridges: Vec<BridgeId>,
    pub(crate) sources: Vec<Source>,
    /// Whose ears it has, instead of its own.
    pub(crate) overhears: Option<usize>,
    /// The same in the last tick.
    pub(crate) overheard: Option<usize>,
    /// Ticks whose sound was late or lost.
    pub(crate) missing: u64,
    /// Its sound was faded out, because it is missing or the port gives none any more: what comes next fades in.
    rests: bool,
    /// What it said before it changed its rate, fading out. Empty but for one tick.
    leaving: Vec<i16>,
    /// It begins to take sound, which fades in.
    pub(crate) enters: bool,
}

/// What lies between the port's frames and the mixer's.
pub(crate) struct Edge {
    pub(crate) rate: u32,
    pub(crate) role: Role,
    /// One tick at the port's rate.
    frame: Vec<i16>,
    /// Apart from the rest, of which a tick reads something for each port.
    inward: Option<Box<Resampler>>,
    outward: Option<Box<Resampler>>,
}

/// A volume and a mute switch in one glide.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fader {
    pub(crate) gain: Gain,
    pub(crate) muted: bool,
    pub(crate) ramp: Ramp,
}

/// Another port that this one hears at a gain of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Source {
    pub(crate) from: usize,
    /// In the last tick; `None`: not by this.
    pub(crate) was: Option<Gain>,
    /// From this tick on.
    pub(crate) gain: Option<Gain>,
    /// Heard whatever the listener's own gain is.
    pub(crate) announced: bool,
}

impl<P: AudioPort> Entry<P> {
    pub(crate) fn new(port: P, edge: Edge) -> Self {
        Self {
            port: Some(port),
            edge,
            input: Fader::default(),
            output: Fader::default(),
            bridges: Vec::new(),
            sources: Vec::new(),
            overhears: None,
            overheard: None,
            missing: 0,
            rests: false,
            leaving: Vec::new(),
            enters: false,
        }
    }

    /// Whether the port takes sound, if there is some for it.
    pub(crate) fn listens(&self) -> bool {
        self.port.is_some() && self.edge.role.consumer
    }

    /// Whether the port is to leave as soon as it is silent.
    pub(crate) fn is_over(&self) -> bool {
        self.port.as_ref().is_some_and(AudioPort::is_over)
    }

    /// The ports at some places are gone: what they said fades out, and what they heard is heard no more.
    pub(crate) fn lose(&mut self, is_gone: impl Fn(usize) -> bool) {
        let sources = self.sources.iter_mut().filter(|source| is_gone(source.from));
        sources.for_each(|source| source.gain = None);
        self.overhears.take_if(|of| is_gone(*of));
    }

    /// There was nothing to hear of the port at a place, and another one may come there.
    pub(crate) fn forget(&mut self, place: usize) {
        self.sources.retain(|source| source.from != place);
    }

    /// Puts the port's sound of this tick into `voice`, which still holds the tick before. `None` is silence.
    pub(crate) fn produce(&mut self, tick: &Tick, voice: &mut [i16], before: Level) -> Option<Level> {
        let Some(port) = self.port.as_mut().filter(|_| self.edge.role.producer) else {
            return self.fall_silent(voice, before);
        };
        match self.edge.take(port, tick, voice, self.rests) {
            Produced::Audio => self.rests = false,
            Produced::Silence => {
                let leaves = self.leave(voice);
                self.rests = false;
                return leaves;
            }
            Produced::Missing => {
                self.missing += 1;
                return self.fall_silent(voice, before);
            }
        }
        if self.input.ramp.steady_gain() == Some(Gain::SILENT) {
            return None;
        }
        kernel::scale(voice, self.input.ramp);
        if !self.leaving.is_empty() {
            kernel::add(voice, &self.leaving);
            self.leaving.clear();
        }
        Some(Level::of(voice))
    }

    /// Lets what the port said last fade out, if it did not already.
    fn fall_silent(&mut self, voice: &mut [i16], before: Level) -> Option<Level> {
        if std::mem::replace(&mut self.rests, true) {
            return self.leave(voice);
        }
        if before == Level::SILENCE {
            return None;
        }
        fade_out_mirrored(voice);
        Some(Level::of(voice))
    }

    /// Lets what the port said at its earlier rate fade out alone.
    fn leave(&mut self, voice: &mut [i16]) -> Option<Level> {
        if self.leaving.is_empty() {
            return None;
        }
        voice.copy_from_slice(&self.leaving);
        self.leaving.clear();
        Some(Level::of(voice))
    }

    /// Goes on at another rate or in another role; `said` is what the port said last. A direction that stays as it was is not
    /// disturbed.
    pub(crate) fn turn_to(&mut self, edge: Edge, said: Option<Vec<i16>>) {
        let old = std::mem::replace(&mut self.edge, edge);
        let (was, is) = (old.role, self.edge.role);
        let same_rate = old.rate == self.edge.rate;
        if same_rate && was.producer && is.producer {
            self.edge.inward = old.inward;
        } else if let Some(said) = said.filter(|_| is.producer && !self.rests) {
            self.leaving = said;
            fade_out_mirrored(&mut self.leaving);
            self.rests = true;
        }
        if same_rate && was.consumer && is.consumer {
            self.edge.outward = old.outward;
        } else {
            self.enters = is.consumer;
        }
    }

    /// Hears the port at a place at a gain, from the next tick on. If it did so in the other way, that one glides out.
    pub(crate) fn hear(&mut self, from: usize, gain: Gain, announced: bool) {
        let mut there = false;
        for source in self.sources.iter_mut().filter(|source| source.from == from) {
            let is_it = source.announced == announced;
            source.gain = is_it.then_some(gain);
            there |= is_it;
        }
        if !there {
            self.sources.push(Source {
                from,
                was: None,
                gain: Some(gain),
                announced,
            });
        }
    }

    /// Hands the port what it hears.
    pub(crate) fn consume(&mut self, tick: &Tick, heard: &[i16]) {
        let Some(port) = &mut self.port else { return };
        match &mut self.edge.outward {
            None => port.consume(tick, heard),
            Some(resampler) => {
                resampler.process(heard, &mut self.edge.frame);
                port.consume(tick, &self.edge.frame);
            }
        }
    }

    /// The tick is over: glides have reached their targets.
    pub(crate) fn settle(&mut self) {
        self.input.ramp.advance();
        self.output.ramp.advance();
        self.overheard = self.overhears;
        self.sources.retain(|source| source.gain.is_some());
        self.sources
            .iter_mut()
            .for_each(|source| source.was = source.gain);
    }
}

impl Edge {
    /// An edge for a port that now says `rate` and `role`. `None` when the ratio of rates cannot be resampled.
    pub(crate) fn new(rate: u32, role: Role, port_len: usize, mixer_len: usize) -> Option<Self> {
        let resamples = port_len != mixer_len;
        let resampler = |needed: bool, from, to| {
            if needed {
                Resampler::new(from, to).map(Box::new).map(Some)
            } else {
                Some(None)
            }
        };
        Some(Self {
            rate,
            role,
            inward: resampler(resamples && role.producer, port_len, mixer_len)?,
            outward: resampler(resamples && role.consumer, mixer_len, port_len)?,
            frame: vec![0; if resamples { port_len } else { 0 }],
        })
    }

    /// Takes one frame from the port, and lets it fade in if it shall.
    fn take(
        &mut self,
        port: &mut impl AudioPort,
        tick: &Tick,
        voice: &mut [i16],
        fades_in: bool,
    ) -> Produced {
        let fade_in = |frame: &mut [i16]| {
            if fades_in {
                kernel::glide(frame, Ramp::fade_in(Gain::UNITY));
            }
        };
        let Some(resampler) = &mut self.inward else {
            let produced = port.produce(tick, voice);
            if produced == Produced::Audio {
                fade_in(voice);
            }
            return produced;
        };
        match port.produce(tick, &mut self.frame) {
            // Behind an empty filter the sound would begin in the middle of its fade.
            Produced::Audio if resampler.is_silent() => {
                fade_in(&mut self.frame);
                resampler.process(&self.frame, voice);
            }
            Produced::Audio => {
                resampler.process(&self.frame, voice);
                fade_in(voice);
            }
            Produced::Silence if !resampler.is_silent() => resampler.process_silence(voice),
            Produced::Missing if !resampler.is_silent() => {
                // What was heard last fades out: the end of the sound, which is still in the filter, must not come behind that.
                resampler.process_silence(&mut []);
                return Produced::Missing;
            }
            nothing => return nothing,
        }
        Produced::Audio
    }
}

impl Default for Fader {
    fn default() -> Self {
        Self {
            gain: Gain::UNITY,
            muted: false,
            ramp: Ramp::steady(Gain::UNITY),
        }
    }
}

impl Fader {
    pub(crate) fn set_gain(&mut self, gain: Gain) {
        self.gain = gain;
        self.aim();
    }

    pub(crate) fn set_muted(&mut self, muted: bool) {
        self.muted = muted;
        self.aim();
    }

    fn aim(&mut self) {
        self.ramp.aim(if self.muted { Gain::SILENT } else { self.gain });
    }
}

/// The end of a port that is gone or says something else, or whose sound is missing: its last tick played backwards joins on
/// without a step, and fades to nothing.
fn fade_out_mirrored(voice: &mut [i16]) {
    voice.reverse();
    kernel::glide(voice, Ramp::fade_out());
}
