//! What is done to 10 ms of a voice, in the order of WebRTC's audio processing module.

use super::VoiceOptions;
use super::bands::{self, BAND_LEN, Bands, Splitter};
use super::echo::Echo;
use sonora::config::{AdaptiveDigital, GainController2};
use sonora::high_pass_filter::HighPassFilter;
use sonora::{AudioProcessing, Config, StreamConfig};
use sonora_ns::noise_suppressor::NoiseSuppressor;

/// High-pass filter, echo canceller, noise suppression and gain control, for frames of 10 ms.
pub(super) struct Chain {
    high_pass: HighPassFilter,
    capture: Splitter,
    render: Splitter,
    bands: Bands,
    /// One channel, as the filter takes it.
    sound: [Vec<f32>; 1],
    rounded: Vec<i16>,
    echo: Option<Echo>,
    noise: Option<NoiseSuppressor>,
    gain: Option<AudioProcessing>,
}

impl Chain {
    /// For sound at `rate` hertz: 16,000 or 48,000.
    pub(super) fn new(rate: u32, options: VoiceOptions) -> Self {
        let bands = bands::count(rate);
        let echo = (!options.tail_length.is_zero()).then(|| Echo::new(bands, options.tail_length));
        let noise = || NoiseSuppressor::new_with_bands(sonora_ns::config::NsConfig::default(), bands);
        Self {
            high_pass: HighPassFilter::new(rate as i32, 1),
            capture: Splitter::new(rate),
            render: Splitter::new(rate),
            bands: Bands::new(bands),
            sound: [vec![0.0; bands * BAND_LEN]],
            rounded: vec![0; bands * BAND_LEN],
            echo,
            noise: options.noise_suppression.then(noise),
            gain: options.gain_control.then(|| gain_control(rate)),
        }
    }

    /// The microphone hears `from`; `to` is what is left of it.
    pub(super) fn capture(&mut self, from: &[i16], to: &mut [i16]) {
        load(from, &mut self.sound[0]);
        self.high_pass.process_channels(&mut self.sound);
        if self.echo.is_some() || self.noise.is_some() {
            self.clean();
        }
        let [sound] = &self.sound;
        for (sample, &sound) in self.rounded.iter_mut().zip(sound) {
            // `as` saturates.
            *sample = sound.round() as i16;
        }
        // The lengths are those that the library was made for: it has no other error.
        let gain = self.gain.as_mut();
        if gain.is_none_or(|gain| gain.process_capture_i16(&self.rounded, to).is_err()) {
            to.copy_from_slice(&self.rounded);
        }
    }

    /// Takes echo and noise out.
    fn clean(&mut self) {
        let saturated = self.sound[0].iter().any(|sample| sample.abs() >= SATURATED);
        self.capture.split(&self.sound[0], &mut self.bands);
        // It must see the noise of the room, not that which comforts where there was echo.
        if let (Some(noise), Some(lowest)) = (&mut self.noise, self.bands.iter_mut().next()) {
            noise.analyze(lowest);
        }
        if let Some(echo) = &mut self.echo {
            echo.capture(&mut self.bands, saturated);
        }
        if let Some(noise) = &mut self.noise {
            suppress(noise, &mut self.bands);
        }
        self.capture.join(&self.bands, &mut self.sound[0]);
    }

    /// The loudspeaker says this.
    pub(super) fn render(&mut self, frame: &[i16]) {
        if let Some(echo) = &mut self.echo {
            load(frame, &mut self.sound[0]);
            self.render.split(&self.sound[0], &mut self.bands);
            echo.render(&mut self.bands);
        }
    }

    /// By how many decibels the echo is weaker than it was, as the canceller believes.
    pub(super) fn echo_return_loss_enhancement(&self) -> Option<f64> {
        self.echo.as_ref().map(Echo::return_loss_enhancement)
    }
}

fn load(from: &[i16], sound: &mut [f32]) {
    for (sound, &sample) in sound.iter_mut().zip(from) {
        *sound = f32::from(sample);
    }
}

/// The lowest band is looked at closely, those above it follow.
fn suppress(noise: &mut NoiseSuppressor, bands: &mut Bands) {
    let mut bands = bands.iter_mut();
    if let Some(lowest) = bands.next() {
        noise.process(lowest);
    }
    let gain = noise.upper_band_gain();
    for (index, band) in bands.enumerate() {
        noise.process_upper_band(band, index, gain);
        NoiseSuppressor::clamp_frame(band);
    }
}

fn gain_control(rate: u32) -> AudioProcessing {
    let gain = GainController2 {
        adaptive_digital: Some(AdaptiveDigital::default()),
        ..GainController2::default()
    };
    let config = Config {
        gain_controller2: Some(gain),
        ..Config::default()
    };
    let stream = StreamConfig::new(rate, 1);
    let builder = AudioProcessing::builder().config(config);
    builder.capture_config(stream).render_config(stream).build()
}

/// From here on a microphone is taken to clip, of 32768.
const SATURATED: f32 = 32_700.0;
