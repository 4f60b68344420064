//! The streams that run, and which of them may have something to send or to tell.

use super::command::StreamId;
use offhook_audio_mixer::Slot;
use std::collections::BTreeMap;

/// The running streams with their transports' places in the mixer.
///
/// Between two ticks a stream has something to say only when it was touched: who comes by for each packet of a thousand streams must
/// not ask all of them.
#[derive(Debug, Default)]
pub(super) struct Streams {
    /// Walked in the order of their ids, so that a run is repeatable.
    slots: BTreeMap<StreamId, Slot>,
    /// Said goodbye: gone as soon as their last packets are sent.
    stopping: Vec<StreamId>,
    stirred: Stirred,
}

#[derive(Debug, Default)]
struct Stirred {
    all: bool,
    /// At most as many as there are streams. One that is named twice is asked twice, which is harmless.
    some: Vec<StreamId>,
}

impl Streams {
    pub(super) fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    pub(super) fn slot_of(&self, stream: StreamId) -> Option<Slot> {
        self.slots.get(&stream).copied()
    }

    pub(super) fn insert(&mut self, stream: StreamId, slot: Slot) {
        self.slots.insert(stream, slot);
        self.stirred.all = true;
    }

    /// Says that a stream has said goodbye; its place, if it runs.
    pub(super) fn stop(&mut self, stream: StreamId) -> Option<Slot> {
        let slot = self.slot_of(stream)?;
        self.stopping.push(stream);
        self.stirred.all = true;
        Some(slot)
    }

    /// Lets go of the next stream that said goodbye.
    pub(super) fn take_stopped(&mut self) -> Option<(StreamId, Slot)> {
        while let Some(stream) = self.stopping.pop() {
            // It may have been stopped twice.
            if let Some(slot) = self.slots.remove(&stream) {
                return Some((stream, slot));
            }
        }
        None
    }

    /// Something happened to a stream.
    pub(super) fn stir(&mut self, stream: StreamId) {
        if self.stirred.some.len() >= self.slots.len() {
            // As many as there are, or one that does not run: to ask all is no more work.
            self.stirred.all = true;
        } else if !self.stirred.all && self.stirred.some.last() != Some(&stream) {
            self.stirred.some.push(stream);
        }
    }

    /// Something happened to all of them.
    pub(super) fn stir_all(&mut self) {
        self.stirred.all = true;
    }

    /// Those to which something happened.
    pub(super) fn stirred(&self) -> impl Iterator<Item = (StreamId, Slot)> {
        let (all, some) = if self.stirred.all {
            (Some(self.all()), None)
        } else {
            (None, Some(&self.stirred.some))
        };
        let placed = |stream: &StreamId| Some((*stream, self.slot_of(*stream)?));
        let some = some.into_iter().flatten().filter_map(placed);
        all.into_iter().flatten().chain(some)
    }

    /// All of them.
    pub(super) fn all(&self) -> impl Iterator<Item = (StreamId, Slot)> {
        self.slots.iter().map(|(stream, slot)| (*stream, *slot))
    }

    /// Says that all who were stirred were asked for what they have to send.
    pub(super) fn settle(&mut self) {
        self.stirred.all = false;
        self.stirred.some.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use offhook_audio_mixer::{AudioMixer, MixerConfig, NullDevice};

    fn three() -> Streams {
        let mut mixer = AudioMixer::new(MixerConfig::at_rate(8000)).unwrap();
        let mut streams = Streams::default();
        for stream in [3, 1, 2] {
            let slot = mixer.add_port(NullDevice::new(8000)).unwrap();
            streams.insert(StreamId(stream), slot);
        }
        streams
    }

    fn asked(streams: &Streams) -> Vec<u32> {
        streams.stirred().map(|(stream, _)| stream.0).collect()
    }

    #[test]
    fn only_those_to_which_something_happened_are_asked() {
        let mut streams = three();
        assert_eq!(asked(&streams), [1, 2, 3]);
        streams.settle();
        assert_eq!(asked(&streams), [0; 0]);
        streams.stir(StreamId(2));
        streams.stir(StreamId(2));
        streams.stir(StreamId(9));
        assert_eq!(asked(&streams), [2]);
        streams.stir_all();
        assert_eq!(asked(&streams), [1, 2, 3]);
    }

    #[test]
    fn what_happens_to_many_is_remembered_in_bounds() {
        let mut streams = three();
        streams.settle();
        for _ in 0..1000 {
            streams.stir(StreamId(1));
            streams.stir(StreamId(2));
        }
        assert_eq!(asked(&streams), [1, 2, 3]);
        assert!(streams.stirred.some.len() <= 3);
    }

    #[test]
    fn a_stream_that_is_stopped_twice_goes_once() {
        let mut streams = three();
        assert!(streams.stop(StreamId(1)).is_some() && streams.stop(StreamId(1)).is_some());
        assert_eq!(streams.stop(StreamId(9)), None);
        let stopped = streams.take_stopped().map(|(stream, _)| stream);
        assert_eq!((stopped, streams.take_stopped()), (Some(StreamId(1)), None));
        assert_eq!(asked(&streams), [2, 3]);
    }
}
