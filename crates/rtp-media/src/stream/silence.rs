//! Silence detection: whether what was captured is worth sending.

use crate::codec::level;

/// When captured audio counts as silence (`enable_silence_detection` of the documents).
///
/// A packet is silence when it is quieter than `threshold`, or hardly louder than the noise that was always there, and
/// everything in the `hangover` before it was so, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SilenceDetection {
    /// Decibels below overload under which nothing is a voice. Default 50: speech is at 20 to 35, a quiet room at 60.
    pub threshold: u8,
    /// Decibels above the background noise that a voice has at least. Default 8.
    pub margin: u8,
    /// How long packets go on being sent after the last voice, so that the ends of words are not cut off. Default 400 ms.
    pub hangover_ms: u32,
}

impl Default for SilenceDetection {
    fn default() -> Self {
        Self {
            threshold: 50,
            margin: 8,
            hangover_ms: 400,
        }
    }
}

/// Background noise is never taken to be louder than this, in decibels below overload: else who speaks without a pause would
/// be taken for noise.
const LOUDEST_NOISE: i32 = 35;

/// The detector's memory.
#[derive(Debug)]
pub(super) struct SilenceDetector {
    config: SilenceDetection,
    /// Background noise in 1/16 of a decibel below overload.
    noise: i32,
    quiet_ms: u32,
}

/// 1/16 dB per packet: the background is believed to have become 3 dB louder after a second of 20 ms packets.
const RISE: i32 = 1;

impl SilenceDetector {
    pub(super) fn new(config: SilenceDetection) -> Self {
        Self {
            config,
            noise: i32::from(config.threshold) * 16,
            // The first word comes after a pause.
            quiet_ms: config.hangover_ms,
        }
    }

    pub(super) fn config(&self) -> SilenceDetection {
        self.config
    }

    /// Listens to a packet of `ms` milliseconds; true when it need not be sent.
    pub(super) fn is_silence(&mut self, pcm: &[i16], ms: u32) -> bool {
        let quietness = i32::from(level(pcm)) * 16;
        // The background is the quietest that was heard lately: down at once, up slowly.
        self.noise = (self.noise - RISE).max(quietness).max(LOUDEST_NOISE * 16);
        let voice = quietness < i32::from(self.config.threshold) * 16
            && quietness < self.noise - i32::from(self.config.margin) * 16;
        if voice {
            self.quiet_ms = 0;
        } else {
            self.quiet_ms = self.quiet_ms.saturating_add(ms);
        }
        self.quiet_ms > self.config.hangover_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tone(amplitude: f32) -> [i16; 160] {
        std::array::from_fn(|n| ((n as f32 * 0.3).sin() * amplitude) as i16)
    }

    fn detector() -> SilenceDetector {
        SilenceDetector::new(SilenceDetection::default())
    }

    #[test]
    fn a_voice_is_sent_and_a_pause_only_for_the_hangover() {
        let mut detector = detector();
        assert!(detector.is_silence(&[0; 160], 20), "before the first word");
        for _ in 0..50 {
            assert!(!detector.is_silence(&tone(3000.0), 20));
        }
        let sent = (0..100).filter(|_| !detector.is_silence(&tone(5.0), 20)).count();
        assert_eq!(sent, 20);
        assert!(
            !detector.is_silence(&tone(3000.0), 20),
            "speech begins without a cut"
        );
    }

    #[test]
    fn a_loud_room_is_learned_and_a_voice_above_it_heard() {
        let mut detector = detector();
        let room = tone(150.0);
        for _ in 0..2000 {
            detector.is_silence(&room, 20);
        }
        assert!(detector.is_silence(&room, 20), "a fan that never stops");
        assert!(!detector.is_silence(&tone(1500.0), 20));
    }

    #[test]
    fn who_speaks_without_a_pause_is_not_taken_for_noise() {
        let mut detector = detector();
        for packet in 0..3000 {
            assert!(!detector.is_silence(&tone(4000.0), 20), "{packet}");
        }
    }
}
