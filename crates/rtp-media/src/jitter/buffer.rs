//! Packets that wait to be played, in the order of their sequence numbers.

use crate::ids::PayloadType;

/// A packet's place and time in its stream, both extended so that they do not wrap, and what its payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) sequence: u64,
    pub(super) timestamp: i64,
    pub(super) payload_type: PayloadType,
}

/// A ring of packets, each at its sequence number modulo the capacity.
///
/// The payloads' memory is kept when a packet leaves, so a stream allocates only until each slot has held its
/// longest payload.
#[derive(Debug)]
pub(super) struct Slots {
    slots: Box<[Slot]>,
    held: usize,
}

#[derive(Debug, Default)]
struct Slot {
    place: Option<Place>,
    payload: Vec<u8>,
}

impl Slots {
    /// Room for `capacity` packets of `payload` octets each; longer ones make room when they come.
    pub(super) fn new(capacity: usize, payload: usize) -> Self {
        Self {
            slots: (0..capacity)
                .map(|_| Slot {
                    place: None,
                    payload: Vec::with_capacity(payload),
                })
                .collect(),
            held: 0,
        }
    }

    pub(super) fn capacity(&self) -> u64 {
        self.slots.len() as u64
    }

    pub(super) fn len(&self) -> usize {
        self.held
    }

    /// Stores a packet. Its slot must not hold another one.
    pub(super) fn put(&mut self, place: Place, payload: &[u8]) {
        let slot = self.slot(place.sequence);
        let slot = &mut self.slots[slot];
        debug_assert!(slot.place.is_none(), "the window is as wide as the ring");
        slot.place = Some(place);
        slot.payload.clear();
        slot.payload.extend_from_slice(payload);
        self.held += 1;
    }

    /// The packet of this sequence number, if it is there.
    pub(super) fn place_of(&self, sequence: u64) -> Option<Place> {
        self.slots[self.slot(sequence)]
            .place
            .filter(|place| place.sequence == sequence)
    }

    /// The payload of a packet that is or was just there.
    pub(super) fn payload(&self, sequence: u64) -> &[u8] {
        &self.slots[self.slot(sequence)].payload
    }

    /// Takes a packet out; its payload stays readable until the slot is used again.
    pub(super) fn take(&mut self, sequence: u64) {
        let slot = self.slot(sequence);
        if self.slots[slot].place.take().is_some() {
            self.held -= 1;
        }
    }

    /// The first packet at or after a sequence number.
    pub(super) fn first_from(&self, sequence: u64) -> Option<Place> {
        if self.held == 0 {
            return None;
        }
        (sequence..sequence + self.capacity()).find_map(|sequence| self.place_of(sequence))
    }

    /// The first packet of all.
    pub(super) fn first(&self) -> Option<Place> {
        self.slots
            .iter()
            .filter_map(|slot| slot.place)
            .min_by_key(|place| place.sequence)
    }

    /// Empties the ring; returns how many packets it held.
    pub(super) fn clear(&mut self) -> usize {
        for slot in &mut self.slots {
            slot.place = None;
        }
        std::mem::take(&mut self.held)
    }

    fn slot(&self, sequence: u64) -> usize {
        (sequence % self.capacity()) as usize
    }
}
