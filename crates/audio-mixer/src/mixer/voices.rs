//! What all ports said in this tick, side by side in one allocation.

use crate::level::Level;

/// One frame at the mixer's rate for each place of the mixer.
#[derive(Debug, Default)]
pub(crate) struct Voices {
    frames: Vec<i16>,
    /// Peak of each frame; `None` when the place is silent and its frame means nothing.
    levels: Vec<Option<Level>>,
    frame_len: usize,
}

impl Voices {
    pub(crate) fn new(frame_len: usize) -> Self {
        Self {
            frame_len,
            ..Self::default()
        }
    }

    /// Makes room for `places` voices.
    pub(crate) fn resize(&mut self, places: usize) {
        self.frames.resize(places * self.frame_len, 0);
        self.levels.resize(places, None);
    }

    /// The voice of a place, unless it is silent.
    pub(crate) fn get(&self, place: usize) -> Option<Voice<'_>> {
        let peak = (*self.levels.get(place)?)?.peak();
        let start = place * self.frame_len;
        Some(Voice {
            samples: &self.frames[start..start + self.frame_len],
            peak,
        })
    }

    /// Where a place writes its voice.
    pub(crate) fn frame_mut(&mut self, place: usize) -> &mut [i16] {
        let start = place * self.frame_len;
        &mut self.frames[start..start + self.frame_len]
    }

    pub(crate) fn set_level(&mut self, place: usize, level: Option<Level>) {
        self.levels[place] = level;
    }

    pub(crate) fn level(&self, place: usize) -> Level {
        self.levels
            .get(place)
            .copied()
            .flatten()
            .unwrap_or(Level::SILENCE)
    }
}

/// One audible voice.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Voice<'a> {
    pub(crate) samples: &'a [i16],
    pub(crate) peak: u16,
}
