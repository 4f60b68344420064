//! Comfort noise (RFC 3389): what a pause sounds like, in a few octets, so that the line does not seem dead.

use super::{CodecError, room};

/// The static payload type of comfort noise at 8000 Hz (RFC 3389 §4, RFC 3551 §6).
pub const COMFORT_NOISE_PAYLOAD: u8 = 13;

/// Reflection coefficients that are written: enough for the colour of a room. More are read.
const ORDER: usize = 8;

/// Reflection coefficients that are read at most; what comes behind is passed over.
const MAX_ORDER: usize = 16;

/// Octets of a payload that is written.
#[cfg(test)]
const COMFORT_NOISE_LEN: usize = 1 + ORDER;

/// What noise sounds like: its level and its colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ComfortNoise {
    /// Decibels below overload (-dBov), 0 to 127: 0 is a square wave at full scale (RFC 3389 §3.1).
    pub level: u8,
    /// Reflection coefficients as they are sent, 127 for none (§3.2).
    coefficients: [u8; MAX_ORDER],
    order: usize,
}

impl ComfortNoise {
    /// White noise.
    pub fn white(level: u8) -> Self {
        Self {
            level: level.min(127),
            coefficients: [127; MAX_ORDER],
            order: 0,
        }
    }

    /// Listens to a frame of a pause.
    pub fn measure(pcm: &[i16]) -> Self {
        let mut correlation = [0f32; ORDER + 1];
        for (lag, sum) in correlation.iter_mut().enumerate() {
            let pairs = pcm.iter().zip(pcm.iter().skip(lag));
            *sum = pairs
                .map(|(one, other)| f32::from(*one) * f32::from(*other))
                .sum();
        }
        let mut noise = Self::white(level(pcm));
        noise.order = ORDER;
        // A little white noise below the sound keeps the recursion from dividing by nothing.
        correlation[0] = correlation[0] * 1.0001 + 1.0;
        for (octet, reflection) in noise.coefficients.iter_mut().zip(reflections(correlation)) {
            // §3.2: k = 258 * (N - 127) / 32768.
            *octet = ((reflection * 32768.0 / 258.0).round() + 127.0).clamp(0.0, 254.0) as u8;
        }
        noise
    }

    /// Reads a payload.
    ///
    /// # Errors
    /// When it is empty.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let (level, coefficients) = payload.split_first().ok_or(CodecError::Payload { len: 0 })?;
        let mut noise = Self::white(level & 0x7f);
        noise.order = coefficients.len().min(MAX_ORDER);
        noise.coefficients[..noise.order].copy_from_slice(&coefficients[..noise.order]);
        Ok(noise)
    }

    /// Writes a payload; returns its length.
    ///
    /// # Errors
    /// When it does not fit.
    pub fn write(&self, payload: &mut [u8]) -> Result<usize, CodecError> {
        let payload = room(payload, 1 + self.order)?;
        payload[0] = self.level;
        payload[1..].copy_from_slice(&self.coefficients[..self.order]);
        Ok(payload.len())
    }

    /// The reflection coefficients, each between -1 and 1.
    fn reflections(&self) -> [f32; MAX_ORDER] {
        let mut reflections = [0.0; MAX_ORDER];
        for (reflection, octet) in reflections.iter_mut().zip(&self.coefficients[..self.order]) {
            // 255 is reserved; it is taken for the highest.
            *reflection = 258.0 * (f32::from((*octet).min(254)) - 127.0) / 32768.0;
        }
        reflections
    }
}

/// Decibels of a frame below overload, 0 to 127.
pub(crate) fn level(pcm: &[i16]) -> u8 {
    let energy: f64 = pcm.iter().map(|sample| f64::from(*sample).powi(2)).sum();
    let mean = energy / pcm.len().max(1) as f64;
    if mean < 1e-9 {
        return 127;
    }
    (-10.0 * (mean / 32768f64.powi(2)).log10())
        .round()
        .clamp(0.0, 127.0) as u8
}

/// The Levinson-Durbin recursion: reflection coefficients of a signal with this autocorrelation.
fn reflections(correlation: [f32; ORDER + 1]) -> [f32; ORDER] {
    let mut predictor = [0f32; ORDER + 1];
    let mut found = [0f32; ORDER];
    let mut error = correlation[0];
    for step in 1..=ORDER {
        let sum: f32 = (1..step)
            .map(|lag| predictor[lag] * correlation[step - lag])
            .sum();
        let reflection = (-(correlation[step] + sum) / error).clamp(-0.999, 0.999);
        found[step - 1] = reflection;
        let before = predictor;
        for lag in 1..step {
            predictor[lag] = before[lag] + reflection * before[step - lag];
        }
        predictor[step] = reflection;
        error *= 1.0 - reflection * reflection;
    }
    found
}

/// Makes the noise that a payload describes, for as long as the pause lasts.
#[derive(Debug)]
pub(crate) struct NoiseMaker {
    reflections: [f32; MAX_ORDER],
    order: usize,
    gain: f32,
    /// Backward errors of the lattice.
    state: [f32; MAX_ORDER + 1],
    random: u32,
}

impl NoiseMaker {
    pub(crate) fn new(noise: ComfortNoise) -> Self {
        let mut maker = Self {
            reflections: [0.0; MAX_ORDER],
            order: 0,
            gain: 0.0,
            state: [0.0; MAX_ORDER + 1],
            random: 0x2545_f491,
        };
        maker.follow(noise);
        maker
    }

    /// Goes on with other noise, without a click.
    pub(crate) fn follow(&mut self, noise: ComfortNoise) {
        self.reflections = noise.reflections();
        self.order = noise.order;
        let loudness = 32768.0 * 10f32.powf(-f32::from(noise.level) / 20.0);
        // The filter makes what goes in louder by the energy that its poles add.
        let flatness: f32 = self.reflections.iter().map(|k| 1.0 - k * k).product();
        self.gain = loudness * flatness.max(0.0).sqrt();
    }

    pub(crate) fn fill(&mut self, pcm: &mut [i16]) {
        for sample in pcm {
            let mut forward = self.gain * self.white();
            for stage in (0..self.order).rev() {
                forward -= self.reflections[stage] * self.state[stage];
                self.state[stage + 1] = self.state[stage] + self.reflections[stage] * forward;
            }
            self.state[0] = forward;
            // Ill-chosen coefficients of a peer may ring; they are cut off here and in the state.
            *sample = forward.clamp(-32768.0, 32767.0) as i16;
            if !forward.is_finite() || forward.abs() > 1e6 {
                self.state = [0.0; MAX_ORDER + 1];
            }
        }
    }

    /// Evenly spread noise whose mean square is 1.
    fn white(&mut self) -> f32 {
        // xorshift: nobody may predict a key from it, and nobody makes one.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        (self.random as f32 / u32::MAX as f32 - 0.5) * 12f32.sqrt()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn white(level: u8, samples: usize) -> Vec<i16> {
        let mut pcm = vec![0; samples];
        NoiseMaker::new(ComfortNoise::white(level)).fill(&mut pcm);
        pcm
    }

    /// How alike neighbours are: near 1 for a dark sound, below 0 for a bright one.
    fn colour(pcm: &[i16]) -> f64 {
        let product = |lag: usize| -> f64 {
            let pairs = pcm.iter().zip(&pcm[lag..]);
            pairs
                .map(|(one, other)| f64::from(*one) * f64::from(*other))
                .sum()
        };
        product(1) / product(0)
    }

    #[test]
    fn noise_is_as_loud_as_the_payload_says() {
        for wanted in [20, 40, 60, 70] {
            let heard = level(&white(wanted, 16_000));
            assert!(heard.abs_diff(wanted) <= 1, "{heard} for {wanted}");
        }
        assert_eq!(level(&[0; 160]), 127);
        assert_eq!(level(&[-32768; 160]), 0);
    }

    #[test]
    fn what_is_measured_sounds_like_what_was_heard() {
        let source = white(30, 16_000);
        let mut dark = vec![0i16; source.len()];
        let mut before = 0.0;
        for (out, sample) in dark.iter_mut().zip(&source) {
            before = 0.9 * before + 0.3 * f64::from(*sample);
            *out = before as i16;
        }
        for pcm in [source, dark] {
            let noise = ComfortNoise::measure(&pcm);
            let mut payload = [0; COMFORT_NOISE_LEN];
            assert_eq!(noise.write(&mut payload), Ok(COMFORT_NOISE_LEN));
            let read = ComfortNoise::parse(&payload).unwrap();
            assert_eq!(read, noise);
            let mut made = vec![0; 16_000];
            NoiseMaker::new(read).fill(&mut made);
            assert!(
                level(&made).abs_diff(level(&pcm)) <= 2,
                "{} {}",
                level(&made),
                level(&pcm)
            );
            assert!(
                (colour(&made) - colour(&pcm)).abs() < 0.1,
                "{} {}",
                colour(&made),
                colour(&pcm)
            );
        }
    }

    #[test]
    fn any_payload_makes_bounded_noise_or_is_refused() {
        assert_eq!(ComfortNoise::parse(&[]), Err(CodecError::Payload { len: 0 }));
        for octet in 0..=255u8 {
            for len in [1, 2, 9, 17, 100] {
                let mut payload = vec![octet; len];
                payload[0] = 10;
                let noise = ComfortNoise::parse(&payload).unwrap();
                let mut pcm = [0; 800];
                NoiseMaker::new(noise).fill(&mut pcm);
            }
        }
    }

    #[test]
    fn white_noise_is_written_as_its_level_alone() {
        let mut payload = [0; 4];
        assert_eq!(ComfortNoise::white(55).write(&mut payload), Ok(1));
        assert_eq!(payload[0], 55);
        assert_eq!(
            ComfortNoise::measure(&[5; 160]).write(&mut payload),
            Err(CodecError::BufferTooSmall { need: 9, have: 4 })
        );
    }
}
