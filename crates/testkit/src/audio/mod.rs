//! Measuring what came through: alignment, level, tones, signal to noise, a picture of all that, and a tune to send.
//!
//! Levels are decibels below full scale (dBFS) of the root mean square: a full-scale square wave is 0 dBFS, a full-scale
//! sine -3 dBFS. Samples are mono.

mod align;
mod follow;
mod level;
mod picture;
mod quality;
mod spectrum;
mod tune;

pub use align::{Alignment, align};
pub use follow::{FOUND_DB, Following, follow};
pub use level::{dbfs, rms, tone_level};
pub use picture::{PictureError, Track, picture};
pub use quality::{Quality, SEGMENT, SNR_LIMITS, Shortfall, Thresholds, compare, segmental_snr};
pub use spectrum::dominant_tone;
pub use tune::tune;
