//! Echo cancellation, noise suppression and gain control around a device.
//!
//! The work is done by the parts of `sonora`, a port of the audio processing module of WebRTC; `docs/decisions/0004-echo-canceller.md`
//! has the figures, and why the parts are put together here. They take 10 ms at a time at 16 or 48 kHz: other rates are
//! resampled here.

mod bands;
mod chain;
mod echo;

use self::chain::Chain;
use crate::gain::{Gain, Ramp};
use crate::mixer::{MixerError, TickLength, kernel};
use crate::pace::ClockReading;
use crate::port::{AudioPort, Produced, Role, Tick};
use crate::resample::Resampler;
use std::fmt;
use std::time::Duration;

/// What is done to the voice that a microphone hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceOptions {
    /// How long the room echoes what the loudspeaker says (`ec_tail_length` of the SIP SIMPLE documents). Zero switches the
    /// echo canceller off. Default 50 ms.
    ///
    /// The canceller finds the delay of the sound card by itself. Its linear filter then models so much of the echo, in steps of
    /// 4 ms from 20 ms up to [`MAX_TAIL`](Self::MAX_TAIL); what comes later is suppressed by a model of the reverberation. A
    /// longer filter costs more time and learns more slowly.
    pub tail_length: Duration,
    /// Whether steady noise is taken away. Default true. Costs 6 ms of delay.
    pub noise_suppression: bool,
    /// Whether a voice is brought to a usual level. Default true.
    pub gain_control: bool,
}

impl Default for VoiceOptions {
    fn default() -> Self {
        Self {
            tail_length: Duration::from_millis(50),
            noise_suppression: true,
            gain_control: true,
        }
    }
}

impl VoiceOptions {
    /// All off: the voice passes as it is.
    pub const OFF: Self = Self {
        tail_length: Duration::ZERO,
        noise_suppression: false,
        gain_control: false,
    };

    /// The longest tail that is modelled; a longer one is taken as this.
    pub const MAX_TAIL: Duration = Duration::from_millis(500);
}

/// A device whose microphone hears its loudspeaker, as a port that does not: what `P` is given to play is taken out of what
/// it hears.
///
/// Both ways are processed on the mixer's clock: what is consumed in one tick is what may echo from the next one on.
/// The library allocates, about 80 times in 20 ms, and takes its time: in a mixer that ticks in real time this belongs on a
/// thread of its own ([`ThreadedPort`](crate::ThreadedPort)).
pub struct VoiceProcessor<P> {
    port: P,
    capture: Capture,
    /// What was done until the options changed, and is heard until the new is warm.
    leaving: Option<Leaving>,
    render: Converter,
    /// The last tick in which the microphone gave sound: both ways get the same number of frames. One that is muted is not
    /// asked, and the loudspeaker goes on.
    live: Option<u64>,
}

impl<P: AudioPort> VoiceProcessor<P> {
    /// How long the library takes until its sound is whole: its first blocks are not.
    pub const WARM_UP: Duration = Duration::from_millis(100);

    /// Puts a device behind a processor, in a mixer with ticks of `tick`.
    ///
    /// # Errors
    /// [`MixerError::PortRate`] for a rate that no mixer with such ticks takes.
    pub fn new(port: P, tick: TickLength, options: VoiceOptions) -> Result<Self, MixerError> {
        let rate = port.sample_rate();
        let refused = MixerError::PortRate {
            rate,
            tick: tick.duration(),
        };
        Ok(Self {
            port,
            capture: Capture::new(rate, tick, options).ok_or(refused)?,
            leaving: None,
            render: Converter::new(rate, tick).ok_or(refused)?,
            live: None,
        })
    }

    /// What is done.
    pub fn options(&self) -> VoiceOptions {
        self.capture.options
    }

    /// Changes what is done. What was learned about the room and the voice is forgotten, so the new begins beside the old; after
    /// [`WARM_UP`](Self::WARM_UP) the one glides into the other within a tick.
    pub fn set_options(&mut self, options: VoiceOptions) {
        if options == self.capture.options {
            return;
        }
        if let Some(capture) = self.capture.with(options) {
            let heard = std::mem::replace(&mut self.capture, capture);
            let ticks = Self::WARM_UP.as_millis() / self.capture.tick.duration().as_millis();
            let leaving = self.leaving.take();
            self.leaving = Some(Leaving {
                heard: leaving.map_or(heard, |leaving| leaving.heard),
                ticks: ticks as u32,
            });
        }
    }

    /// By how many decibels the echo is weaker than it was, as the canceller itself believes; `None` without a canceller.
    pub fn echo_return_loss_enhancement(&self) -> Option<f64> {
        self.capture.chain.echo_return_loss_enhancement()
    }

    /// The device.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// The device, to command it.
    pub fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }
}

impl<P: AudioPort> AudioPort for VoiceProcessor<P> {
    fn sample_rate(&self) -> u32 {
        self.port.sample_rate()
    }

    fn role(&self) -> Role {
        self.port.role()
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        let produced = self.port.produce(tick, frame);
        let is_live = produced == Produced::Audio;
        self.live = is_live.then_some(tick.index);
        if is_live {
            let mut raw = self.leaving.as_ref().map(|_| frame.to_vec());
            self.capture.process(frame);
            let leaving = self.leaving.take().zip(raw.as_deref_mut());
            self.leaving = leaving.and_then(|(leaving, raw)| leaving.stand_in(raw, frame));
        } else {
            self.leaving = None;
        }
        produced
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if self.live == Some(tick.index) && (self.leaving.is_some() || !self.capture.is_off()) {
            let leaving = self.leaving.as_mut().map(|leaving| &mut leaving.heard.chain);
            let mut chains = [Some(&mut self.capture.chain), leaving];
            self.render.show(frame, |from, _| {
                for chain in chains.iter_mut().flatten() {
                    chain.render(from);
                }
            });
        }
        self.port.consume(tick, frame);
    }

    fn is_over(&self) -> bool {
        self.port.is_over()
    }

    fn clock(&self) -> Option<ClockReading> {
        self.port.clock()
    }
}

impl<P: fmt::Debug> fmt::Debug for VoiceProcessor<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VoiceProcessor")
            .field("port", &self.port)
            .field("options", &self.capture.options)
            .finish_non_exhaustive()
    }
}

/// What the microphone's sound goes through.
struct Capture {
    rate: u32,
    tick: TickLength,
    options: VoiceOptions,
    chain: Chain,
    converter: Converter,
}

impl Capture {
    /// `None` for a rate that no mixer with such ticks takes.
    fn new(rate: u32, tick: TickLength, options: VoiceOptions) -> Option<Self> {
        Some(Self {
            rate,
            tick,
            options,
            chain: Chain::new(inner_rate(rate), options),
            converter: Converter::new(rate, tick)?,
        })
    }

    /// The same with other options, and nothing learned.
    fn with(&self, options: VoiceOptions) -> Option<Self> {
        Self::new(self.rate, self.tick, options)
    }

    fn is_off(&self) -> bool {
        self.options == VoiceOptions::OFF
    }

    fn process(&mut self, frame: &mut [i16]) {
        if !self.is_off() {
            self.converter
                .convert(frame, |from, to| self.chain.capture(from, to));
        }
    }
}

/// What is still heard while another begins.
struct Leaving {
    heard: Capture,
    /// So many ticks more, this one included; the last one glides.
    ticks: u32,
}

impl Leaving {
    /// Makes of the sound of the microphone what is heard in place of `frame`, the sound of the new. Gives itself back if it is
    /// heard in the next tick, too.
    fn stand_in(mut self, raw: &mut [i16], frame: &mut [i16]) -> Option<Self> {
        self.heard.process(raw);
        self.ticks -= 1;
        if self.ticks > 0 {
            frame.copy_from_slice(raw);
            return Some(self);
        }
        kernel::glide(raw, Ramp::fade_out());
        kernel::glide(frame, Ramp::fade_in(Gain::UNITY));
        kernel::add(frame, raw);
        None
    }
}

/// The rate at which a port's sound is processed.
fn inner_rate(rate: u32) -> u32 {
    if rate > 16_000 { 48_000 } else { 16_000 }
}

/// One tick at the port's rate as frames of 10 ms at the library's, and back.
struct Converter {
    resamplers: Option<(Resampler, Resampler)>,
    from: Vec<i16>,
    to: Vec<i16>,
    chunk: usize,
}

impl Converter {
    /// `None` for a rate that no mixer with such ticks takes.
    fn new(rate: u32, tick: TickLength) -> Option<Self> {
        let inner_rate = inner_rate(rate);
        let len = tick.samples_of_port(rate)?;
        let (inner_len, chunk) = (tick.samples(inner_rate)?, inner_rate as usize / 100);
        let resamplers = if len == inner_len {
            None
        } else {
            Some((Resampler::new(len, inner_len)?, Resampler::new(inner_len, len)?))
        };
        Some(Self {
            resamplers,
            from: vec![0; inner_len],
            to: vec![0; inner_len],
            chunk,
        })
    }

    /// Replaces the frame by what `process` makes of it.
    fn convert(&mut self, frame: &mut [i16], process: impl FnMut(&[i16], &mut [i16])) {
        self.show(frame, process);
        match &mut self.resamplers {
            None => frame.copy_from_slice(&self.to),
            Some((_, back)) => back.process(&self.to, frame),
        }
    }

    /// Shows the frame to `process`.
    fn show(&mut self, frame: &[i16], mut process: impl FnMut(&[i16], &mut [i16])) {
        match &mut self.resamplers {
            None => self.from.copy_from_slice(frame),
            Some((there, _)) => there.process(frame, &mut self.from),
        }
        let chunks = self.from.chunks_exact(self.chunk);
        for (from, to) in chunks.zip(self.to.chunks_exact_mut(self.chunk)) {
            process(from, to);
        }
    }
}
