//! Echo cancellation, noise suppression and gain control around a device.
//!
//! The work is done by the parts of `sonora`, a port of the audio processing module of WebRTC; `docs/decisions/0004-echo-canceller.md`
//! has the figures, and why the parts are put together here. They take 10 ms at a time at 16 or 48 kHz: other rates are
//! resampled here.

mod bands;
mod chain;
mod echo;

use self::chain::Chain;
use crate::mixer::{MixerError, TickLength};
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
    options: VoiceOptions,
    chain: Chain,
    capture: Converter,
    render: Converter,
    /// Whether the microphone gave sound in this tick: both ways get the same number of frames.
    live: bool,
}

impl<P: AudioPort> VoiceProcessor<P> {
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
        let len = tick.samples(rate).filter(|&len| len > 0).ok_or(refused)?;
        let inner_rate = inner_rate(rate);
        let inner_len = tick.samples(inner_rate).ok_or(refused)?;
        let converter = || Converter::new(len, inner_len, inner_rate as usize / 100).ok_or(refused);
        Ok(Self {
            port,
            options,
            chain: Chain::new(inner_rate, options),
            capture: converter()?,
            render: converter()?,
            live: false,
        })
    }

    /// What is done.
    pub fn options(&self) -> VoiceOptions {
        self.options
    }

    /// Changes what is done, from the next tick on. What was learned about the room and the voice is forgotten.
    pub fn set_options(&mut self, options: VoiceOptions) {
        if options != self.options {
            self.options = options;
            self.chain = Chain::new(inner_rate(self.port.sample_rate()), options);
        }
    }

    /// By how many decibels the echo is weaker than it was, as the canceller itself believes; `None` without a canceller.
    pub fn echo_return_loss_enhancement(&self) -> Option<f64> {
        self.chain.echo_return_loss_enhancement()
    }

    /// The device.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// The device, to command it.
    pub fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }

    fn is_off(&self) -> bool {
        self.options == VoiceOptions::OFF
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
        self.live = produced == Produced::Audio && !self.is_off();
        if self.live {
            self.capture
                .convert(frame, |from, to| self.chain.capture(from, to));
        }
        produced
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if self.live {
            self.render.show(frame, |from, _| self.chain.render(from));
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
            .field("options", &self.options)
            .finish_non_exhaustive()
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
    fn new(len: usize, inner_len: usize, chunk: usize) -> Option<Self> {
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
