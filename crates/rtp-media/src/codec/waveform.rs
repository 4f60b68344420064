//! Finding the period of a wave, and making speech shorter or longer by whole periods.

/// Shortest and longest period searched, as parts of a second: 400 Hz down to 80 Hz holds all speaking voices.
const SHORTEST: u32 = 400;
const LONGEST: u32 = 80;

/// Below this mean square a segment counts as silence, where any cut is inaudible: about -56 dBFS.
const SILENCE_POWER: i64 = 50 * 50;

/// How alike two periods must be (1 is equal) for a cut between them to go unheard.
const ALIKE: f32 = 0.7;

/// The period, in samples, at which the end of `pcm` resembles itself most, and how much it does (-1 to 1).
///
/// `None` when there is not enough to compare. Works at 8 kHz whatever the sample rate is, so that the cost does
/// not grow with it.
pub(crate) fn period(pcm: &[i16], sample_rate: u32) -> Option<(usize, f32)> {
    period_within(pcm, usize::MAX, sample_rate)
}

/// The same among periods of at most `most` samples.
fn period_within(pcm: &[i16], most: usize, sample_rate: u32) -> Option<(usize, f32)> {
    let stride = (sample_rate / 8000).max(1) as usize;
    let shortest = (sample_rate / SHORTEST) as usize;
    let longest = ((sample_rate / LONGEST) as usize).min(pcm.len() / 2).min(most);
    let mut best = None;
    for lag in (shortest..=longest).step_by(stride) {
        let (earlier, later) = pcm[pcm.len() - 2 * lag..].split_at(lag);
        let score = likeness(earlier, later, stride);
        if best.is_none_or(|(_, top)| score > top) {
            best = Some((lag, score));
        }
    }
    best
}

/// Removes one period of at most `most` samples from the end of `pcm` by blending the last two; returns how many samples are
/// left, or `None` when no cut would go unheard.
pub(crate) fn shorten(pcm: &mut [i16], most: usize, sample_rate: u32) -> Option<usize> {
    let lag = cut(pcm, most, sample_rate)?;
    let start = pcm.len() - 2 * lag;
    let (earlier, later) = pcm[start..].split_at_mut(lag);
    crossfade(earlier, later);
    Some(start + lag)
}

/// Repeats one period at the end of `pcm`, whose last `room` samples are free; returns how many samples there
/// are then, or `None` when no repetition would go unheard.
pub(crate) fn lengthen(pcm: &mut [i16], room: usize, sample_rate: u32) -> Option<usize> {
    let len = pcm.len() - room;
    let lag = cut(&pcm[..len], room, sample_rate)?;
    pcm.copy_within(len - lag..len, len);
    let (first, last) = pcm[len - 2 * lag..len].split_at_mut(lag);
    // The inserted period begins as the last one did and ends as the one before, so both its joints are smooth.
    last.iter_mut()
        .zip(first.iter())
        .enumerate()
        .for_each(|(place, (sample, from))| {
            *sample = mix(*sample, *from, place, lag);
        });
    Some(len + lag)
}

/// The period of at most `most` samples that can be cut unheard.
fn cut(pcm: &[i16], most: usize, sample_rate: u32) -> Option<usize> {
    let (lag, score) = period_within(pcm, most, sample_rate)?;
    if score >= ALIKE {
        return Some(lag);
    }
    let longest = ((sample_rate / LONGEST) as usize).min(pcm.len() / 2).min(most);
    let tail = &pcm[pcm.len() - 2 * longest..];
    (power(tail) < SILENCE_POWER).then_some(longest)
}

/// Fades `to` in over itself from `from`, which is `to`'s length; the result lies in `from`.
fn crossfade(from: &mut [i16], to: &[i16]) {
    let len = from.len();
    for (place, (sample, target)) in from.iter_mut().zip(to).enumerate() {
        *sample = mix(*sample, *target, place, len);
    }
}

/// Between `from` (at place 0) and `to` (at place `len`).
pub(crate) fn mix(from: i16, to: i16, place: usize, len: usize) -> i16 {
    let (place, len) = (place as i64, len as i64);
    ((i64::from(from) * (len - place) + i64::from(to) * place) / len) as i16
}

/// Normalised cross-correlation of two equally long segments, each `stride`-th sample.
fn likeness(a: &[i16], b: &[i16], stride: usize) -> f32 {
    let (mut cross, mut power_a, mut power_b) = (0i64, 0i64, 0i64);
    for (x, y) in a.iter().zip(b).step_by(stride) {
        let (x, y) = (i64::from(*x), i64::from(*y));
        cross += x * y;
        power_a += x * x;
        power_b += y * y;
    }
    cross as f32 / ((power_a as f32 * power_b as f32).sqrt() + 1.0)
}

/// Mean square.
fn power(pcm: &[i16]) -> i64 {
    let sum: i64 = pcm.iter().map(|sample| i64::from(*sample).pow(2)).sum();
    sum / pcm.len().max(1) as i64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(samples: usize, period: f32) -> Vec<i16> {
        (0..samples)
            .map(|n| ((n as f32 / period * std::f32::consts::TAU).sin() * 8000.0) as i16)
            .collect()
    }

    /// The largest step between neighbours: a click shows as a large one.
    fn steepest(pcm: &[i16]) -> i32 {
        pcm.windows(2)
            .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
            .max()
            .unwrap()
    }

    #[test]
    fn a_tone_is_cut_and_repeated_by_whole_periods_without_a_click() {
        let wave = tone(160, 40.0);
        let mut pcm = wave.clone();
        let left = shorten(&mut pcm, 160, 8000).unwrap();
        assert!((160 - left).is_multiple_of(40));
        assert!(steepest(&pcm[..left]) <= steepest(&wave) + 40);

        let mut pcm = wave.clone();
        pcm.resize(300, 0);
        let len = lengthen(&mut pcm, 140, 8000).unwrap();
        assert!(len > 160 && (len - 160).is_multiple_of(40));
        assert!(steepest(&pcm[..len]) <= steepest(&wave) + 40);
    }

    #[test]
    fn loud_noise_is_left_alone_and_silence_is_not() {
        let mut seed = 1u32;
        let mut noise: Vec<i16> = (0..160)
            .map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (seed >> 18) as i16 - 8192
            })
            .collect();
        assert_eq!(shorten(&mut noise, 160, 8000), None);
        assert_eq!(shorten(&mut [0; 160], 160, 8000), Some(80));
        assert_eq!(shorten(&mut [0; 10], 160, 8000), None);
    }
}
