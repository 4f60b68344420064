//! Gaps without clicks.

/// Lets sound that breaks off fade out, and fade in when it comes back.
#[derive(Debug)]
pub(super) struct Fade {
    length: i32,
    /// The last sample that was sound.
    last: i16,
    /// How much of the sound is there, of `length`.
    part: i32,
}

impl Fade {
    /// How long a fade takes: long against a click, short against a syllable.
    const MILLISECONDS: u32 = 4;

    pub(super) fn new(rate: u32) -> Self {
        let length = (rate * Self::MILLISECONDS / 1000).max(1) as i32;
        Self {
            length,
            last: 0,
            part: length,
        }
    }

    /// The next sample is there.
    pub(super) fn sound(&mut self, sample: i16) -> i16 {
        self.last = sample;
        if self.part == self.length {
            return sample;
        }
        self.part += 1;
        self.faded()
    }

    /// The next sample is missing.
    pub(super) fn missing(&mut self) -> i16 {
        self.part = (self.part - 1).max(0);
        self.faded()
    }

    fn faded(&self) -> i16 {
        (i32::from(self.last) * self.part / self.length) as i16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_in_loud_sound_makes_no_step() {
        let mut fade = Fade::new(8_000);
        assert_eq!(fade.sound(30_000), 30_000);
        let mut out = vec![30_000];
        out.extend((0..100).map(|_| fade.missing()));
        assert_eq!(out[33..], [0; 68]);
        out.extend((0..100).map(|_| fade.sound(-30_000)));
        assert!(
            out.windows(2).all(|pair| pair[1].abs_diff(pair[0]) <= 1_000),
            "{out:?}"
        );
        assert_eq!(out.last(), Some(&-30_000));
    }
}
