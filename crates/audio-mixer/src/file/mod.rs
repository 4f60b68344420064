//! Wave files as ports: [`WavePlayer`] gives what a file holds, [`WaveRecorder`] writes what it hears.
//!
//! Neither touches a file in a tick. A player has the whole file in memory before it starts: prompts and ringing
//! tones are short, one loaded [`WaveFile`] serves any number of players, and a tick that only copies samples cannot be
//! late because a disk is. [`MAX_SAMPLES`] bounds it. A recorder hands its samples through a lock-free ring to a thread
//! of its own.

mod companded;
mod place;
mod player;
mod rated;
mod recorder;
mod riff;
mod wave;
mod writer;

pub use player::{EndReason, PlayerEvent, PlayerEvents, PlayerOptions, WavePlayer};
pub use recorder::{RecordError, RecorderEvent, Recording, Summary, WaveRecorder};
pub use wave::{MAX_SAMPLES, WaveError, WaveFile};
