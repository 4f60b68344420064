//! Echo cancellation, noise suppression and gain control around a device.
//!
//! The work is done by `sonora`, a port of the audio processing module of WebRTC; `docs/decisions/0004-echo-canceller.md`
//! has the figures. It takes 10 ms at a time at 16, 32 or 48 kHz: other rates are resampled here.

use crate::mixer::{MixerError, TickLength};
use crate::pace::ClockReading;
use crate::port::{AudioPort, Produced, Role, Tick};
use crate::resample::Resampler;
use sonora::config::{AdaptiveDigital, EchoCanceller, GainController2, HighPassFilter, NoiseSuppression};
use sonora::{AudioProcessing, Config, StreamConfig};
use std::fmt;
use std::time::Duration;

/// What is done to the voice that a microphone hears.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VoiceOptions {
    /// How long the room echoes what the loudspeaker says (`ec_tail_length` of the SIP SIMPLE documents). Zero switches the
    /// echo canceller off. Default 50 ms.
    ///
    /// Any other length switches it on; the library chooses the rest: it finds the delay of the sound card by itself, models
    /// the first 52 ms after it and suppresses what comes later.
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

    fn config(self) -> Config {
        Config {
            high_pass_filter: Some(HighPassFilter::default()),
            echo_canceller: (!self.tail_length.is_zero()).then(EchoCanceller::default),
            noise_suppression: self.noise_suppression.then(NoiseSuppression::default),
            gain_controller2: self.gain_control.then(|| GainController2 {
                adaptive_digital: Some(AdaptiveDigital::default()),
                ..GainController2::default()
            }),
            ..Config::default()
        }
    }
}

/// A device whose microphone hears its loudspeaker, as a port that does not: what `P` is given to play is taken out of what
/// it hears.
///
/// Both ways are processed on the mixer's clock: what is consumed in one tick is what may echo from the next one on.
/// Unlike all else in a tick the library allocates, about 80 times in 20 ms; there is one device in a program, not one for
/// each port.
pub struct VoiceProcessor<P> {
    port: P,
    options: VoiceOptions,
    library: AudioProcessing,
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
        let stream = StreamConfig::new(inner_rate, 1);
        let library = AudioProcessing::builder()
            .config(options.config())
            .capture_config(stream)
            .render_config(stream)
            .build();
        let converter = || Converter::new(len, inner_len, inner_rate as usize / 100).ok_or(refused);
        Ok(Self {
            port,
            options,
            library,
            capture: converter()?,
            render: converter()?,
            live: false,
        })
    }

    /// What is done.
    pub fn options(&self) -> VoiceOptions {
        self.options
    }

    /// Changes what is done, from the next tick on. What the canceller learned about the room is forgotten if it is
    /// switched on anew.
    pub fn set_options(&mut self, options: VoiceOptions) {
        if options != self.options {
            self.options = options;
            self.library.apply_config(options.config());
        }
    }

    /// By how many decibels the echo is weaker than it was, as the canceller itself believes; `None` until it knows.
    pub fn echo_return_loss_enhancement(&self) -> Option<f64> {
        self.library.statistics().echo_return_loss_enhancement
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
            let library = &mut self.library;
            // The lengths are those that the library was made for: it has no other error.
            self.capture
                .convert(frame, |from, to| library.process_capture_i16(from, to).is_ok());
        }
        produced
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if self.live {
            let library = &mut self.library;
            self.render
                .show(frame, |from, to| library.process_render_i16(from, to).is_ok());
        }
        self.port.consume(tick, frame);
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
    match rate {
        ..=16_000 => 16_000,
        32_000 => 32_000,
        _ => 48_000,
    }
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
    fn convert(&mut self, frame: &mut [i16], process: impl FnMut(&[i16], &mut [i16]) -> bool) {
        self.show(frame, process);
        match &mut self.resamplers {
            None => frame.copy_from_slice(&self.to),
            Some((_, back)) => back.process(&self.to, frame),
        }
    }

    /// Shows the frame to `process`.
    fn show(&mut self, frame: &[i16], mut process: impl FnMut(&[i16], &mut [i16]) -> bool) {
        match &mut self.resamplers {
            None => self.from.copy_from_slice(frame),
            Some((there, _)) => there.process(frame, &mut self.from),
        }
        let chunks = self.from.chunks_exact(self.chunk);
        for (from, to) in chunks.zip(self.to.chunks_exact_mut(self.chunk)) {
            if !process(from, to) {
                to.copy_from_slice(from);
            }
        }
    }
}
