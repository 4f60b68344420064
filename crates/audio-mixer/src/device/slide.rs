//! Bringing two clocks together, one sample at a time.
//!
//! Crystals differ by up to some 100 ppm, 5 samples a second at 48 kHz. Leaving out or repeating a sample clicks; a
//! [`Slide`] moves the reading position by one sample evenly over 10 ms instead, between samples by a straight line. Between
//! slides all samples pass untouched.

/// Which way a slide goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Correction {
    /// One sample more is taken out of the ring than is given on.
    LeaveOut,
    /// One sample more is given on.
    PutIn,
}

/// Reads a stream of samples, at times a little faster or slower.
#[derive(Debug)]
pub(super) struct Slide {
    length: u32,
    correction: Option<Correction>,
    /// Samples given since the slide began.
    given: u32,
    previous: i16,
    current: i16,
}

impl Slide {
    pub(super) fn new(rate: u32) -> Self {
        Self {
            length: (rate / 100).max(2),
            correction: None,
            given: 0,
            previous: 0,
            current: 0,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.correction.is_none()
    }

    pub(super) fn begin(&mut self, correction: Correction) {
        self.correction = Some(correction);
        self.given = 0;
    }

    /// The next sample; `None`, and no slide any more, if `pop` has none.
    pub(super) fn next(&mut self, mut pop: impl FnMut() -> Option<i16>) -> Option<i16> {
        let Some(correction) = self.correction else {
            self.current = pop()?;
            return Some(self.current);
        };
        let taken = self.slide(correction, &mut pop);
        if taken.is_none() {
            self.correction = None;
        }
        taken
    }

    fn slide(&mut self, correction: Correction, pop: &mut impl FnMut() -> Option<i16>) -> Option<i16> {
        self.given += 1;
        // How far between the previous sample and the current one, in parts of `length`.
        let part = match correction {
            Correction::LeaveOut => {
                if self.given == 1 {
                    self.current = pop()?;
                }
                self.given
            }
            Correction::PutIn => self.length - self.given,
        };
        if self.given == self.length {
            self.correction = None;
        }
        // The last of a slower stretch is the sample that the one before it led up to.
        if part > 0 {
            self.previous = self.current;
            self.current = pop()?;
        }
        if part == 0 || part == self.length {
            return Some(self.current);
        }
        let (from, to) = (i64::from(self.previous), i64::from(self.current));
        Some((from + (to - from) * i64::from(part) / i64::from(self.length)) as i16)
    }
}

/// Watches how full a ring is when it is emptiest, which blocks of any size leave in peace and drift does not.
#[derive(Debug)]
pub(super) struct Pace {
    window: usize,
    /// Bounds for the lowest fill of a window.
    low: usize,
    high: usize,
    lowest: usize,
    seen: usize,
    /// Samples to leave out (above 0) or to put in.
    pending: isize,
}

impl Pace {
    pub(super) fn new(rate: u32) -> Self {
        let rate = rate as usize;
        Self {
            window: rate,
            low: rate / 100,
            high: rate * 3 / 100,
            lowest: usize::MAX,
            seen: 0,
            pending: 0,
        }
    }

    /// Forgets all: the ring starts anew.
    pub(super) fn reset(&mut self) {
        (self.lowest, self.seen, self.pending) = (usize::MAX, 0, 0);
    }

    /// The ring held `fill` after `taken` samples were taken out.
    pub(super) fn observe(&mut self, fill: usize, taken: usize) {
        self.lowest = self.lowest.min(fill);
        self.seen += taken;
        if self.seen >= self.window {
            self.pending = if self.lowest > self.high {
                (self.lowest - self.high) as isize
            } else {
                -(self.low.saturating_sub(self.lowest) as isize)
            };
            (self.lowest, self.seen) = (usize::MAX, 0);
        }
    }

    /// What to do next.
    pub(super) fn correction(&mut self) -> Option<Correction> {
        let correction = match self.pending.signum() {
            1 => Correction::LeaveOut,
            -1 => Correction::PutIn,
            _ => return None,
        };
        self.pending -= self.pending.signum();
        Some(correction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What comes out of a ramp by 100 a sample, with a slide from the 11th sample on; and how many samples went in.
    fn ramp(correction: Correction) -> (Vec<i16>, i16) {
        let mut slide = Slide::new(1_000);
        let mut taken = 0;
        let out = (0..40)
            .map(|n| {
                if n == 10 {
                    slide.begin(correction);
                }
                let mut pop = || {
                    taken += 1;
                    Some(taken * 100)
                };
                slide.next(&mut pop).expect("an endless ramp")
            })
            .collect();
        assert!(slide.is_idle());
        (out, taken)
    }

    #[test]
    fn a_slide_moves_by_one_sample_without_a_step() {
        for (correction, went_in, step) in [(Correction::LeaveOut, 41, 110), (Correction::PutIn, 39, 90)] {
            let (out, taken) = ramp(correction);
            assert_eq!(taken, went_in, "{correction:?}");
            assert_eq!(out.last(), Some(&(went_in * 100)), "{correction:?}");
            for (n, pair) in out.windows(2).enumerate() {
                let due = if (9..19).contains(&n) { step } else { 100 };
                assert_eq!(pair[1] - pair[0], due, "{correction:?}, sample {n}: {out:?}");
            }
        }
    }

    #[test]
    fn a_stream_that_ends_within_a_slide_ends_the_slide() {
        let mut slide = Slide::new(8_000);
        slide.begin(Correction::LeaveOut);
        assert_eq!(slide.next(|| None), None);
        assert!(slide.is_idle());
    }

    #[test]
    fn a_ring_within_its_bounds_is_left_in_peace() {
        let mut pace = Pace::new(8_000);
        (0..200).for_each(|_| pace.observe(160, 160));
        assert_eq!(pace.correction(), None);
        (0..50).for_each(|_| pace.observe(242, 160));
        assert_eq!(pace.correction(), Some(Correction::LeaveOut));
        assert_eq!(pace.correction(), Some(Correction::LeaveOut));
        assert_eq!(pace.correction(), None);
    }
}
