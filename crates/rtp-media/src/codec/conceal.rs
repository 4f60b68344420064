//! Loss concealment for codecs that bring none: the last period of the wave again and again, fading out.

use super::waveform;

/// How long concealment plays at full strength, and after how long it is silent, in milliseconds: what ITU-T
/// G.711 Appendix I does.
const FULL_MS: u32 = 10;
const SILENT_MS: u32 = 60;

/// How long the concealment is blended into the first good audio, in milliseconds.
const BLEND_MS: u32 = 5;

/// History kept, in milliseconds: two of the longest periods that [`waveform::period`] finds.
const HISTORY_MS: u32 = 25;

/// Remembers the last audio and continues it.
pub(super) struct Concealer {
    sample_rate: u32,
    /// The last audio heard, oldest first.
    history: Box<[i16]>,
    /// Samples of the repeated period; zero when there is nothing to repeat.
    period: usize,
    /// Samples made up since the last good one.
    concealed: usize,
}

impl Concealer {
    pub(super) fn new(sample_rate: u32) -> Self {
        Self {
            sample_rate,
            history: vec![0; samples(HISTORY_MS, sample_rate)].into_boxed_slice(),
            period: 0,
            concealed: 0,
        }
    }

    /// Takes good audio in; after a loss, blends the continued wave into its beginning.
    pub(super) fn heard(&mut self, pcm: &mut [i16]) {
        if self.concealed > 0 {
            let blend = samples(BLEND_MS, self.sample_rate).min(pcm.len());
            for (place, sample) in pcm[..blend].iter_mut().enumerate() {
                let continued = self.continued();
                *sample = waveform::mix(continued, *sample, place, blend);
            }
            self.concealed = 0;
        }
        let keep = self.history.len();
        if pcm.len() >= keep {
            self.history.copy_from_slice(&pcm[pcm.len() - keep..]);
        } else {
            self.history.copy_within(pcm.len().., 0);
            self.history[keep - pcm.len()..].copy_from_slice(pcm);
        }
    }

    /// Forgets what was heard: another codec has spoken since.
    pub(super) fn restart(&mut self) {
        self.history.fill(0);
        self.period = 0;
        self.concealed = 0;
    }

    /// Fills `pcm` with the continued wave.
    pub(super) fn conceal(&mut self, pcm: &mut [i16]) {
        if self.concealed == 0 {
            self.period = waveform::period(&self.history, self.sample_rate).map_or(0, |(period, _)| period);
        }
        for sample in pcm {
            *sample = self.continued();
        }
    }

    /// The next sample of the continued wave.
    fn continued(&mut self) -> i16 {
        let (full, silent) = (
            samples(FULL_MS, self.sample_rate),
            samples(SILENT_MS, self.sample_rate),
        );
        let place = self.concealed;
        self.concealed += 1;
        if self.period == 0 || place >= silent {
            return 0;
        }
        let sample = self.history[self.history.len() - self.period + place % self.period];
        if place < full {
            sample
        } else {
            waveform::mix(sample, 0, place - full, silent - full)
        }
    }
}

fn samples(ms: u32, sample_rate: u32) -> usize {
    (u64::from(sample_rate) * u64::from(ms) / 1000) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(from: usize, samples: usize) -> Vec<i16> {
        (from..from + samples)
            .map(|n| ((n as f32 / 40.0 * std::f32::consts::TAU).sin() * 8000.0) as i16)
            .collect()
    }

    #[test]
    fn a_lost_frame_of_a_tone_is_continued_and_then_fades() {
        let mut concealer = Concealer::new(8000);
        for frame in 0..4 {
            concealer.heard(&mut tone(frame * 160, 160));
        }
        let mut made_up = [0; 640];
        concealer.conceal(&mut made_up);
        let wanted = tone(640, 640);
        for (ours, theirs) in made_up[..80].iter().zip(&wanted) {
            assert!((i32::from(*ours) - i32::from(*theirs)).abs() < 300);
        }
        assert!(made_up[160..200].iter().any(|sample| sample.abs() > 1000));
        assert!(made_up[480..].iter().all(|sample| *sample == 0));
    }

    #[test]
    fn good_audio_after_a_loss_begins_without_a_step() {
        let mut concealer = Concealer::new(8000);
        concealer.heard(&mut tone(0, 400));
        let mut made_up = [0; 80];
        concealer.conceal(&mut made_up);
        let mut good = [-8000; 160];
        concealer.heard(&mut good);
        assert!((i32::from(good[0]) - i32::from(made_up[79])).abs() < 2000);
        assert_eq!(good[40..], [-8000; 120]);
    }

    #[test]
    fn nothing_heard_is_concealed_by_silence() {
        let mut pcm = [7; 160];
        Concealer::new(8000).conceal(&mut pcm);
        assert_eq!(pcm, [0; 160]);
    }
}
