//! How a call sounds by the numbers: the E-model (ITU-T G.107) as RFC 3611 §4.7.5 reports it.

use std::time::Duration;

/// What a codec costs by itself, and how it bears loss (ITU-T G.113 Appendix I).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Impairment {
    /// Equipment impairment factor, `Ie`: 0 for G.711.
    pub equipment: f32,
    /// Packet-loss robustness factor, `Bpl`: the higher, the less a loss is heard.
    pub robustness: f32,
}

impl Impairment {
    /// G.711 whose losses are concealed (G.113 table I.4).
    pub(crate) const G711: Self = Self {
        equipment: 0.0,
        robustness: 25.1,
    };
}

/// Quality of one direction of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallQuality {
    /// The transmission rating factor R, 0 to 100: 93 is the best that narrow-band calls reach, below 60 few are content.
    pub r_factor: u8,
    /// Mean opinion score of a conversation, in tenths: 10 (bad) to 45.
    pub mos_cq: u8,
    /// Mean opinion score of listening alone, in tenths: delay does not count.
    pub mos_lq: u8,
}

/// R without any impairment (G.107 §7.7, default values).
const BEST: f32 = 93.2;

/// Delay beyond which people begin to talk into each other, in milliseconds.
const UNNOTICED_DELAY: f32 = 177.3;

impl CallQuality {
    /// Estimates it from the part of the packets that was not played, 0 to 1, and the time from mouth to ear.
    ///
    /// ```
    /// use offhook_rtp_media::codec::AudioCodec;
    /// use offhook_rtp_media::CallQuality;
    /// use std::time::Duration;
    ///
    /// let quality = CallQuality::estimate(AudioCodec::Pcmu.impairment(), 0.0, Duration::from_millis(50));
    /// assert_eq!((quality.r_factor, quality.mos_cq), (92, 44));
    /// ```
    pub fn estimate(codec: Impairment, lost: f32, delay: Duration) -> Self {
        let percent = lost.clamp(0.0, 1.0) * 100.0;
        // G.107 §7.5 with losses at random (BurstR = 1).
        let equipment = codec.equipment + (95.0 - codec.equipment) * percent / (percent + codec.robustness);
        let listening = BEST - equipment;
        let ms = delay.as_secs_f32() * 1000.0;
        let late = 0.024 * ms + 0.11 * (ms - UNNOTICED_DELAY).max(0.0);
        let conversing = listening - late;
        Self {
            r_factor: conversing.round().clamp(0.0, 100.0) as u8,
            mos_cq: opinion(conversing),
            mos_lq: opinion(listening),
        }
    }
}

/// G.107 Annex B: R as a mean opinion score, in tenths.
fn opinion(r: f32) -> u8 {
    let r = r.clamp(0.0, 100.0);
    let score = 1.0 + 0.035 * r + r * (r - 60.0) * (100.0 - r) * 7e-6;
    // Between 0 and 6.5 the formula falls below 1, which is the worst there is.
    (score.max(1.0) * 10.0).round() as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_are_those_of_g_107_table_b_1() {
        for (r, tenths) in [
            (93.2, 44),
            (90.0, 43),
            (80.0, 40),
            (70.0, 36),
            (60.0, 31),
            (50.0, 26),
            (0.0, 10),
        ] {
            assert_eq!(opinion(r), tenths, "{r}");
        }
    }

    #[test]
    fn loss_and_delay_lower_it_and_nothing_leaves_the_scale() {
        let quality = |lost, ms| CallQuality::estimate(Impairment::G711, lost, Duration::from_millis(ms));
        assert_eq!(
            quality(0.0, 0),
            CallQuality {
                r_factor: 93,
                mos_cq: 44,
                mos_lq: 44
            }
        );
        // Five per cent: 95 * 5 / 30.1 = 15.8.
        assert_eq!(quality(0.05, 0).r_factor, 77);
        // 300 ms: 7.2 + 0.11 * 122.7 = 20.7.
        assert_eq!(quality(0.0, 300).r_factor, 73);
        assert_eq!(quality(0.0, 300).mos_lq, 44);
        let worst = quality(2.0, 100_000);
        assert_eq!((worst.r_factor, worst.mos_cq), (0, 10));
        let mut before = 100;
        for percent in 0..=100u8 {
            let r = quality(f32::from(percent) / 100.0, 150).r_factor;
            assert!(r <= before);
            before = r;
        }
    }
}
