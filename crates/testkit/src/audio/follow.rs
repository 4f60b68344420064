//! How well a sound that was stretched, cut and mended on the way follows the one that was sent.

use super::level::dbfs;
use super::quality::SNR_LIMITS;
use std::ops::Range;

/// How [`follow`] judges a sound.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Following {
    /// Mean segmental signal-to-noise ratio, in decibels within [`SNR_LIMITS`], over all segments that were sent and all that
    /// were heard, each against the place of the other sound that it is most like.
    pub snr: f64,
    /// The share of segments sent, of those loud enough to count, that are heard nowhere: below [`FOUND_DB`]. 0..=1.
    pub missing: f64,
    /// The share of segments heard that nobody sent: what was made up, and joints that did not fit. 0..=1.
    pub foreign: f64,
    /// How much later a sound is heard than it was sent, in seconds: the mean over the segments that were found.
    pub delay: f64,
    /// The same in the last fifth of what was sent.
    pub last_delay: f64,
}

/// From how many decibels on a segment counts as found: below, more than a twentieth of its energy is another sound.
pub const FOUND_DB: f64 = 13.0;

/// The length of a segment, and how far apart two are, in milliseconds.
const SEGMENT_MS: usize = 30;
const STEP_MS: usize = 20;

/// Segments softer than this count for nothing: it is not heard whether they are there.
const SILENT_DBFS: f64 = -45.0;

/// The place of a segment is first sought so near to that of the one before, in milliseconds.
const NEAR_MS: i64 = 12;

/// What is so like need not be sought elsewhere, and what lies elsewhere must be more like by so much.
const ALIKE: f64 = 0.97;
const MORE: f64 = 0.05;

/// Compares what was heard with what was sent where delays change on the way, so that the two cannot be laid on each other as
/// a whole: each segment is sought by itself, at delays within `delays` (in samples, the least included).
///
/// The ratio of a segment is that of its energy at the best place and gain to what is left then: ρ² / (1 - ρ²) for the normalised
/// correlation ρ. Sounds that are delayed cost nothing, sounds that are missing or made up do, each in one of the directions.
///
/// # Panics
/// When `delays` is empty.
pub fn follow(sent: &[i16], heard: &[i16], rate: u32, delays: Range<i64>) -> Following {
    assert!(!delays.is_empty(), "there must be a delay to seek at");
    let there = segments(sent, heard, rate, &delays);
    let turned = 1 - delays.end..1 - delays.start;
    let back = segments(heard, sent, rate, &turned);
    let all = there.iter().chain(&back);
    let mean = |values: &mut dyn Iterator<Item = f64>| {
        let (sum, count) = values.fold((0.0, 0.0), |(sum, count), value| (sum + value, count + 1.0));
        sum / f64::max(count, 1.0)
    };
    let found = |segments: &[Segment]| -> Vec<f64> {
        let found = segments.iter().filter(|segment| segment.snr >= FOUND_DB);
        found
            .map(|segment| segment.delay as f64 / f64::from(rate))
            .collect()
    };
    let lost = |segments: &[Segment]| 1.0 - found(segments).len() as f64 / segments.len().max(1) as f64;
    let last = &there[there.len() - there.len() / 5..];
    Following {
        snr: mean(&mut all.map(|segment| segment.snr)),
        missing: lost(&there),
        foreign: lost(&back),
        delay: mean(&mut found(&there).into_iter()),
        last_delay: mean(&mut found(last).into_iter()),
    }
}

/// Where a segment was found, and how well it fits.
struct Segment {
    delay: i64,
    snr: f64,
}

/// Seeks each segment of `from` that is loud enough in `to`.
fn segments(from: &[i16], to: &[i16], rate: u32, delays: &Range<i64>) -> Vec<Segment> {
    let samples = |ms: usize| (ms * rate as usize / 1000).max(1);
    let (len, step, near) = (
        samples(SEGMENT_MS),
        samples(STEP_MS),
        NEAR_MS * i64::from(rate) / 1000,
    );
    let to = Haystack::new(to, len);
    let mut around = delays.clone();
    let mut found = Vec::new();
    for start in (0..from.len().saturating_sub(len)).step_by(step) {
        let needle = &from[start..start + len];
        if dbfs(needle) < SILENT_DBFS {
            continue;
        }
        let needle: Vec<f32> = needle.iter().map(|sample| f32::from(*sample)).collect();
        let (mut best, mut delay) = to.seek(&needle, start as i64, &around);
        if best < ALIKE && around != *delays {
            let (elsewhere, there) = to.seek(&needle, start as i64, delays);
            if elsewhere > best + MORE {
                (best, delay) = (elsewhere, there);
            }
        }
        let snr = snr(best);
        if snr >= FOUND_DB {
            around = (delay - near).max(delays.start)..(delay + near + 1).min(delays.end);
        }
        found.push(Segment { delay, snr });
    }
    found
}

fn snr(correlation: f64) -> f64 {
    let power = correlation.max(0.0).powi(2);
    let ratio = 10.0 * (power / (1.0 - power).max(1e-9)).log10();
    ratio.clamp(*SNR_LIMITS.start(), *SNR_LIMITS.end())
}

/// A sound in which segments of one length are sought.
struct Haystack {
    samples: Vec<f32>,
    /// The energy of the segment that begins at each place.
    energies: Vec<f64>,
}

impl Haystack {
    fn new(samples: &[i16], len: usize) -> Self {
        let square = |sample: &i16| f64::from(*sample).powi(2);
        let mut energy: f64 = samples.iter().take(len).map(square).sum();
        let mut energies = vec![energy];
        for (leaving, entering) in samples.iter().zip(samples.iter().skip(len)) {
            energy += square(entering) - square(leaving);
            energies.push(energy);
        }
        Self {
            samples: samples.iter().map(|sample| f32::from(*sample)).collect(),
            energies,
        }
    }

    /// The best normalised correlation of a segment that begins at `start` in its own sound, and the delay at which it is.
    fn seek(&self, needle: &[f32], start: i64, delays: &Range<i64>) -> (f64, i64) {
        let own = f64::from(product(needle, needle));
        let first = (start + delays.start).max(0);
        let last = (start + delays.end - 1).min(self.samples.len() as i64 - needle.len() as i64);
        let mut best = (0.0, delays.start);
        for place in first..=last {
            let here = place as usize;
            let cross = f64::from(product(needle, &self.samples[here..here + needle.len()]));
            let correlation = cross / (own * self.energies[here].max(1.0)).sqrt();
            if correlation > best.0 {
                best = (correlation, place - start);
            }
        }
        best
    }
}

/// In eight sums, so that the compiler can use wide registers: sums of floating point have an order.
fn product(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; 8];
    let (a, b) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(x, y)| x * y).sum();
    for (a, b) in a.zip(b) {
        for ((sum, x), y) in sums.iter_mut().zip(a).zip(b) {
            *sum += x * y;
        }
    }
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audio::tune;

    const RATE: u32 = 8000;

    #[test]
    fn the_same_sound_later_is_followed_perfectly() {
        let sent = tune(RATE, 3.0);
        let mut heard = vec![0; 800];
        heard.extend(&sent);
        let following = follow(&sent, &heard, RATE, 0..4000);
        assert!(following.snr > 34.5, "{following:?}");
        // The first segment that is heard began before anything was sent.
        assert!(
            following.missing == 0.0 && following.foreign < 0.01,
            "{following:?}"
        );
        assert!((following.delay - 0.1).abs() < 1e-3, "{following:?}");
    }

    #[test]
    fn a_pause_in_the_middle_costs_nothing_but_delay() {
        let sent = tune(RATE, 4.0);
        let mut heard = sent[..16_000].to_vec();
        heard.extend([0; 1600]);
        heard.extend(&sent[16_000..]);
        let following = follow(&sent, &heard, RATE, 0..4000);
        assert!(following.snr > 33.5, "{following:?}");
        assert!((following.delay - 0.1).abs() < 0.01, "{following:?}");
        assert!((following.last_delay - 0.2).abs() < 1e-3, "{following:?}");
    }

    #[test]
    fn what_is_left_out_is_missing_and_what_is_put_in_is_foreign() {
        let sent = tune(RATE, 4.0);
        let mut less = sent.clone();
        less.drain(8000..11_200);
        let following = follow(&sent, &less, RATE, -4000..4000);
        assert!((0.05..0.13).contains(&following.missing), "{following:?}");
        assert!(following.foreign < 0.02, "{following:?}");

        let mut more = sent[..16_000].to_vec();
        more.extend((0..3200u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 20) as i16 - 2048));
        more.extend(&sent[16_000..]);
        let following = follow(&sent, &more, RATE, -4000..4000);
        assert!((0.05..0.13).contains(&following.foreign), "{following:?}");
        assert!(following.missing < 0.02, "{following:?}");
    }

    #[test]
    fn noise_is_nothing_of_what_was_sent() {
        let noise: Vec<i16> = (0..24_000u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 20) as i16 - 2048)
            .collect();
        let following = follow(&tune(RATE, 3.0), &noise, RATE, 0..4000);
        assert!(following.snr < 0.0, "{following:?}");
        assert!(following.missing > 0.95, "{following:?}");
    }
}
