//! The echo canceller AEC3 of WebRTC, in blocks of 4 ms.

use super::bands::{BAND_LEN, Bands};
use sonora_aec3::block::Block;
use sonora_aec3::block_processor::BlockProcessor;
use sonora_aec3::common::BLOCK_SIZE;
use sonora_aec3::config::EchoCanceller3Config;
use std::time::Duration;

/// Takes out of what a microphone hears what the loudspeaker said. Delays by half a block, 2 ms: a frame of 10 ms is two blocks
/// and a half.
pub(super) struct Echo {
    canceller: BlockProcessor,
    captured: HalfBlocks,
    rendered: HalfBlocks,
}

impl Echo {
    /// A canceller for so many bands, in a room that echoes for `tail` after the sound card's own delay.
    pub(super) fn new(bands: usize, tail: Duration) -> Self {
        let rate = bands * BAND_RATE;
        Self {
            canceller: BlockProcessor::new(&config(tail), rate, 1, 1),
            captured: HalfBlocks::new(bands),
            rendered: HalfBlocks::new(bands),
        }
    }

    /// The loudspeaker says this.
    pub(super) fn render(&mut self, bands: &mut Bands) {
        let canceller = &mut self.canceller;
        self.rendered.pass(bands, |block| canceller.buffer_render(block));
    }

    /// The microphone hears this; `saturated` if it was too loud for it.
    pub(super) fn capture(&mut self, bands: &mut Bands, saturated: bool) {
        let canceller = &mut self.canceller;
        self.captured.pass(bands, |block| {
            canceller.process_capture(false, saturated, None, block);
        });
    }

    /// By how many decibels the echo is weaker than it was, as the canceller believes.
    pub(super) fn return_loss_enhancement(&self) -> f64 {
        self.canceller.get_metrics().echo_return_loss_enhancement
    }
}

/// The library's own settings, but for two. Its linear filters are as long as the tail; those with which it begins stay as short
/// as they are, for a short filter learns sooner. And while somebody speaks here, high notes are let through as low ones are, and
/// the linear filter is trusted to take away more than 6 and 2 dB: by the library's own settings a near voice lost up to
/// another dB to an echo that was gone already (`docs/decisions/0004-echo-canceller.md`).
fn config(tail: Duration) -> EchoCanceller3Config {
    let mut config = EchoCanceller3Config::default();
    let near = &mut config.suppressor.nearend_tuning;
    near.mask_hf = near.mask_lf.clone();
    (config.erle.max_l, config.erle.max_h) = (16.0, 8.0);
    let blocks = blocks(tail);
    let filter = &mut config.filter;
    filter.refined.length_blocks = blocks;
    filter.coarse.length_blocks = blocks;
    filter.refined_initial.length_blocks = filter.refined_initial.length_blocks.min(blocks);
    filter.coarse_initial.length_blocks = filter.coarse_initial.length_blocks.min(blocks);
    config
}

/// How many blocks a room's echo takes.
fn blocks(tail: Duration) -> usize {
    let block = Duration::from_secs(BLOCK_SIZE as u64) / BAND_RATE as u32;
    let blocks = tail.as_nanos().div_ceil(block.as_nanos());
    usize::try_from(blocks).unwrap_or(usize::MAX).clamp(LEAST, MOST)
}

/// Frames of 10 ms on their way through blocks of 4 ms, half a block at a time.
struct HalfBlocks {
    block: Block,
    /// The first half of the block is new already.
    begun: bool,
}

impl HalfBlocks {
    fn new(bands: usize) -> Self {
        Self {
            block: Block::new(bands, 1),
            begun: false,
        }
    }

    /// Replaces the frame by what went through `process` half a block before.
    fn pass(&mut self, bands: &mut Bands, mut process: impl FnMut(&mut Block)) {
        for at in (0..BAND_LEN).step_by(HALF) {
            for (band, frame) in bands.iter_mut().enumerate() {
                let (first, second) = self.block.view_mut(band, 0).split_at_mut(HALF);
                let half = &mut frame[at..at + HALF];
                if self.begun {
                    second.copy_from_slice(half);
                } else {
                    first.copy_from_slice(half);
                    half.copy_from_slice(second);
                }
            }
            if self.begun {
                process(&mut self.block);
                for (band, frame) in bands.iter_mut().enumerate() {
                    frame[at..at + HALF].copy_from_slice(&self.block.view(band, 0)[..HALF]);
                }
            }
            self.begun = !self.begun;
        }
    }
}

const HALF: usize = BLOCK_SIZE / 2;

/// Samples a second of a band, in hertz.
const BAND_RATE: usize = 16_000;

/// Below this the library has no model of the room's reverberation.
const LEAST: usize = 5;

/// [`VoiceOptions::MAX_TAIL`](super::VoiceOptions::MAX_TAIL).
const MOST: usize = 125;

#[cfg(test)]
mod tests {
    use super::super::VoiceOptions;
    use super::*;

    #[test]
    fn a_tail_is_as_many_blocks_of_4_ms_as_it_needs() {
        let of = |ms| blocks(Duration::from_millis(ms));
        assert_eq!([1, 20, 21, 50, 200].map(of), [LEAST, 5, 6, 13, 50]);
        assert_eq!(blocks(VoiceOptions::MAX_TAIL), MOST);
        assert_eq!(blocks(Duration::MAX), MOST);
        assert!((1..=1000).all(|ms| config(Duration::from_millis(ms)).validate()));
    }

    #[test]
    fn frames_go_through_blocks_in_order_and_half_a_block_late() {
        let mut halves = HalfBlocks::new(1);
        let (mut expected, mut next) = (vec![0.0; HALF], 0.0);
        for _ in 0..4 {
            let mut bands = Bands::new(1);
            for frame in bands.iter_mut() {
                for sample in frame {
                    next += 1.0;
                    *sample = next;
                    expected.push(2.0 * next);
                }
            }
            halves.pass(&mut bands, |block| {
                block.view_mut(0, 0).iter_mut().for_each(|sample| *sample *= 2.0);
            });
            for frame in bands.iter_mut() {
                let due: Vec<f32> = expected.drain(..BAND_LEN).collect();
                assert_eq!(frame[..], due[..]);
            }
        }
    }
}
