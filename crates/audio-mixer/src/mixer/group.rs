//! The mix of one bridge and all bridges nested in it.

use super::Slotted;
use super::entry::{Entry, Membership};
use super::kernel::{self, MixMinus};
use super::voices::{Voice, Voices};

/// Sums its members once a tick.
#[derive(Debug)]
pub(crate) struct Group {
    /// Places of the members, those that are just leaving included.
    pub(crate) members: Vec<usize>,
    sum: Vec<i32>,
    mix: MixMinus,
    /// What members hear who say nothing themselves: equal for all, so limited once.
    full: Vec<i16>,
    talkers: usize,
}

impl Group {
    pub(crate) fn new(frame_len: usize) -> Self {
        Self {
            members: Vec::new(),
            sum: vec![0; frame_len],
            mix: MixMinus::new(frame_len),
            full: vec![0; frame_len],
            talkers: 0,
        }
    }

    /// Sums what the members say in this tick.
    pub(crate) fn add_up<P>(&mut self, id: usize, places: &[Slotted<P>], voices: &Voices) {
        self.talkers = 0;
        let mut loudest = 0;
        let mut batch: [&[i16]; 4] = [&[]; 4];
        let mut batched = 0;
        for &place in &self.members {
            let Some(voice) = voices.get(place) else { continue };
            if self.talkers == 0 {
                self.sum.fill(0);
            }
            self.talkers += 1;
            loudest = loudest.max(voice.peak);
            match places[place].entry.as_ref().and_then(|e| e.membership(id)) {
                Some(m) if m.ramp.steady_gain().is_none() => {
                    kernel::accumulate_gliding(&mut self.sum, voice.samples, m.ramp);
                }
                _ => {
                    batch[batched] = voice.samples;
                    batched += 1;
                }
            }
            if batched == batch.len() {
                kernel::accumulate(&mut self.sum, batch);
                batched = 0;
            }
        }
        for voice in &batch[..batched] {
            kernel::accumulate_one(&mut self.sum, voice);
        }
        if self.talkers > 0 {
            self.mix.prepare(&self.sum, loudest);
        }
        if (1..self.members.len()).contains(&self.talkers) {
            kernel::limit_all(&self.sum, &mut self.full);
        }
    }

    /// What a member hears in the usual case: only this group, at steady gain. `None` is silence.
    pub(crate) fn heard<'a>(&'a self, own: Option<Voice<'_>>, out: &'a mut [i16]) -> Option<&'a [i16]> {
        match own {
            _ if self.talkers == 0 => None,
            None => Some(&self.full),
            Some(_) if self.talkers == 1 => None,
            Some(own) => {
                self.mix.without(own.samples, own.peak, out);
                Some(out)
            }
        }
    }

    /// Adds what a member hears to `acc`, in any case.
    pub(crate) fn add_heard(&self, membership: &Membership, own: Option<Voice<'_>>, acc: &mut [i32]) {
        if self.talkers == 0 {
            return;
        }
        let own = own.map_or(&[][..], |voice| voice.samples);
        if membership.ramp.steady_gain().is_some() {
            let own = own.iter().map(|&s| i32::from(s)).chain(std::iter::repeat(0));
            for ((acc, &sum), own) in acc.iter_mut().zip(&self.sum).zip(own) {
                *acc = acc.saturating_add(sum - own);
            }
        } else {
            let own = own.iter().copied().chain(std::iter::repeat(0));
            let factors = membership.ramp.factors(acc.len());
            for (((acc, &sum), own), factor) in acc.iter_mut().zip(&self.sum).zip(own).zip(factors) {
                let heard = ((sum - kernel::scaled(own, factor)) as f32 * factor) as i32;
                *acc = acc.saturating_add(heard);
            }
        }
    }
}

impl<P> Entry<P> {
    /// The membership in a group, if any.
    pub(crate) fn membership(&self, group: usize) -> Option<&Membership> {
        self.memberships.iter().find(|m| m.group == group)
    }
}
