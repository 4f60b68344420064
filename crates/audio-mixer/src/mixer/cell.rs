//! Who hears whom by bridges.
//!
//! Ports that are in the same outermost bridges hear the same, each less its own voice: they are one cell. A cell hears each cell
//! that has an outermost bridge in common with it, and hears it once, however many they have. So a tick sums each cell once, and the
//! cost grows with the ports and not with the pairs of them.

use super::kernel::{self, MixMinus};
use super::voices::{Voice, Voices};

/// The seats of all places.
#[derive(Debug, Default)]
pub(crate) struct Cells {
    all: Vec<Cell>,
    /// The cell of each place that is in a bridge.
    seats: Vec<Option<usize>>,
    frame_len: usize,
}

#[derive(Debug, Default)]
struct Cell {
    /// The outermost bridges, sorted. None: the cell is vacant.
    halls: Vec<u32>,
    members: Vec<usize>,
    /// The cells that it hears, itself among them.
    hears: Vec<usize>,
    sum: Vec<i32>,
    talkers: usize,
    /// The loudest member.
    loudest: u16,
    /// What all cells say that it hears; its own sum says it if there is no other.
    total: Vec<i32>,
    heard_talkers: usize,
    mix: MixMinus,
    /// What members hear who say nothing themselves: equal for all, so limited once.
    full: Vec<i16>,
}

impl Cells {
    pub(crate) fn new(frame_len: usize) -> Self {
        Self {
            frame_len,
            ..Self::default()
        }
    }

    /// Makes room for `places` seats.
    pub(crate) fn resize(&mut self, places: usize) {
        self.seats.resize(places, None);
    }

    /// Seats a place by its outermost bridges, which are sorted. Without any it leaves, which neither allocates nor frees memory.
    pub(crate) fn seat(&mut self, place: usize, halls: &[u32]) {
        let old = self.seats[place];
        if old.map_or(&[][..], |old| &self.all[old].halls) == halls {
            return;
        }
        if let Some(old) = old {
            self.leave(place, old);
        }
        self.seats[place] = if halls.is_empty() {
            None
        } else {
            let cell = self.cell_of_halls(halls);
            self.all[cell].members.push(place);
            Some(cell)
        };
    }

    /// Seats everybody as they are in `other`.
    pub(crate) fn copy_seats(&mut self, other: &Self) {
        self.seats.clone_from(&other.seats);
        self.all.resize_with(other.all.len(), Cell::default);
        for (cell, other) in self.all.iter_mut().zip(&other.all) {
            cell.halls.clone_from(&other.halls);
            cell.members.clone_from(&other.members);
            cell.hears.clone_from(&other.hears);
            cell.sum.resize(other.sum.len(), 0);
            cell.total.resize(other.total.len(), 0);
        }
    }

    /// Whether the place is in a bridge.
    pub(crate) fn has(&self, place: usize) -> bool {
        self.seats[place].is_some()
    }

    /// Whether two places hear each other.
    pub(crate) fn are_joined(&self, one: usize, other: usize) -> bool {
        let seats = self.seats[one].zip(self.seats[other]);
        one != other && seats.is_some_and(|(one, other)| self.all[one].hears.contains(&other))
    }

    /// Sums what is said in this tick.
    pub(crate) fn add_up(&mut self, voices: &Voices) {
        for cell in self.all.iter_mut().filter(|cell| !cell.members.is_empty()) {
            cell.add_up(voices);
        }
        for index in 0..self.all.len() {
            let talkers = |heard: &usize| self.all[*heard].talkers;
            let heard_talkers = self.all[index].hears.iter().map(talkers).sum();
            self.all[index].heard_talkers = heard_talkers;
            if heard_talkers == 0 || self.all[index].hears.len() == 1 {
                continue;
            }
            let mut total = std::mem::take(&mut self.all[index].total);
            total.fill(0);
            let hears = self.all[index].hears.iter().map(|&heard| &self.all[heard]);
            for heard in hears.filter(|heard| heard.talkers > 0) {
                total
                    .iter_mut()
                    .zip(&heard.sum)
                    .for_each(|(total, &sum)| *total += sum);
            }
            self.all[index].total = total;
        }
    }

    /// Prepares for [`heard`](Self::heard), after the sums are made.
    pub(crate) fn prepare(&mut self) {
        for cell in self.all.iter_mut().filter(|cell| cell.heard_talkers > 0) {
            let sum = if cell.hears.len() == 1 {
                &cell.sum
            } else {
                &cell.total
            };
            cell.mix.prepare(sum, cell.loudest);
            if cell.talkers < cell.members.len() {
                kernel::limit_all(sum, &mut cell.full);
            }
        }
    }

    /// What a place hears that hears nothing else. `None` is silence.
    pub(crate) fn heard<'a>(
        &'a self,
        place: usize,
        own: Option<Voice<'_>>,
        out: &'a mut [i16],
    ) -> Option<&'a [i16]> {
        let cell = &self.all[self.seats[place]?];
        match own {
            _ if cell.heard_talkers == 0 => None,
            None => Some(&cell.full),
            Some(_) if cell.heard_talkers == 1 => None,
            Some(own) => {
                cell.mix.without(own.samples, own.peak, out);
                Some(out)
            }
        }
    }

    /// What is said where a place hears, its own voice included. Empty: nothing.
    pub(crate) fn said_around(&self, place: usize) -> &[i32] {
        match self.seats[place].map(|seat| &self.all[seat]) {
            Some(cell) if cell.heard_talkers == 0 => &[],
            Some(cell) if cell.hears.len() == 1 => &cell.sum,
            Some(cell) => &cell.total,
            None => &[],
        }
    }

    fn leave(&mut self, place: usize, old: usize) {
        let cell = &mut self.all[old];
        if let Some(at) = cell.members.iter().position(|&member| member == place) {
            cell.members.swap_remove(at);
        }
        if cell.members.is_empty() {
            cell.halls.clear();
            cell.talkers = 0;
            let mut hears = std::mem::take(&mut cell.hears);
            for heard in hears.drain(..).filter(|&heard| heard != old) {
                self.all[heard].hears.retain(|&other| other != old);
            }
            self.all[old].hears = hears;
        }
    }

    fn cell_of_halls(&mut self, halls: &[u32]) -> usize {
        if let Some(there) = self.all.iter().position(|cell| cell.halls == halls) {
            return there;
        }
        let vacant = self.all.iter().position(|cell| cell.halls.is_empty());
        let new = vacant.unwrap_or(self.all.len());
        if new == self.all.len() {
            self.all.push(Cell::new(self.frame_len));
        }
        self.all[new].halls.extend_from_slice(halls);
        self.all[new].hear(new, self.frame_len);
        for other in (0..self.all.len()).filter(|&other| other != new) {
            if self.all[other].halls.iter().any(|hall| halls.contains(hall)) {
                self.all[other].hear(new, self.frame_len);
                self.all[new].hear(other, self.frame_len);
            }
        }
        new
    }
}

impl Cell {
    fn new(frame_len: usize) -> Self {
        Self {
            sum: vec![0; frame_len],
            mix: MixMinus::new(frame_len),
            full: vec![0; frame_len],
            ..Self::default()
        }
    }

    /// From now on this one hears `other` as well.
    fn hear(&mut self, other: usize, frame_len: usize) {
        self.hears.push(other);
        if self.hears.len() > 1 {
            self.total.resize(frame_len, 0);
        }
    }

    fn add_up(&mut self, voices: &Voices) {
        (self.talkers, self.loudest) = (0, 0);
        let mut batch: [&[i16]; 4] = [&[]; 4];
        let mut batched = 0;
        for voice in self.members.iter().filter_map(|&place| voices.get(place)) {
            if self.talkers == 0 {
                self.sum.fill(0);
            }
            self.talkers += 1;
            self.loudest = self.loudest.max(voice.peak);
            batch[batched] = voice.samples;
            batched += 1;
            if batched == batch.len() {
                kernel::accumulate(&mut self.sum, batch);
                batched = 0;
            }
        }
        for voice in &batch[..batched] {
            kernel::accumulate_one(&mut self.sum, voice);
        }
    }
}
