//! The bytes of a message that arrives in any order.

use bytes::{Bytes, BytesMut};
use std::collections::BTreeMap;
use std::ops::Range;

/// Bytes of a message in any order; where they overlap, the later ones count (RFC 4975 §7.3.1).
///
/// A piece costs by its own length, wherever it belongs: a peer that repeats small pieces of a large message, or sends it
/// backwards, costs no more than one that does not.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    /// The only piece so far, as it came: most messages are one piece, which is never copied.
    lone: Option<(u64, Bytes)>,
    /// Where the run begins.
    start: u64,
    /// What came in order. What it has is newer than what a page has.
    run: BytesMut,
    /// What is before and after the run, by page number: it is put in its place when the message is complete.
    pages: BTreeMap<u64, Box<[u8; PAGE]>>,
}

/// Small, because a single byte far from all others takes one.
const PAGE: usize = 1024;

impl Parts {
    /// Bytes that belong here. They may end no later than the largest `u64`.
    pub(crate) fn put(&mut self, at: u64, data: &Bytes) {
        if self.lone.is_none() && self.run.is_empty() {
            self.lone = Some((at, data.clone()));
            return;
        }
        if let Some((start, first)) = self.lone.take() {
            self.start = start;
            self.run.extend_from_slice(&first);
        }
        let run = self.start..self.end();
        let end = at + data.len() as u64;
        let cut = |from: u64, to: u64| (from.clamp(at, end) - at) as usize..(to.clamp(at, end) - at) as usize;
        self.put_in_pages(at, &data[cut(at, run.start)]);
        let over = cut(run.start, run.end);
        if !over.is_empty() {
            let place = (at.max(run.start) - run.start) as usize;
            self.run[place..place + over.len()].copy_from_slice(&data[over]);
        }
        if at <= run.end {
            self.run.extend_from_slice(&data[cut(run.end, end)]);
        } else {
            self.put_in_pages(at, data);
        }
    }

    fn end(&self) -> u64 {
        self.start + self.run.len() as u64
    }

    fn put_in_pages(&mut self, at: u64, mut data: &[u8]) {
        let mut at = at;
        while !data.is_empty() {
            let place = (at % PAGE as u64) as usize;
            let (now, later) = data.split_at(data.len().min(PAGE - place));
            let page = self.pages.entry(at / PAGE as u64);
            page.or_insert_with(|| Box::new([0; PAGE]))[place..place + now.len()].copy_from_slice(now);
            at += now.len() as u64;
            data = later;
        }
    }

    /// The message of this size, of which all bytes were put.
    pub(crate) fn join(self, size: u64) -> Bytes {
        if let Some((_, data)) = self.lone {
            return data;
        }
        if self.start == 0 && self.end() >= size {
            return self.run.freeze();
        }
        let mut whole = BytesMut::with_capacity(size as usize);
        self.copy_pages(&mut whole, 0..self.start);
        whole.extend_from_slice(&self.run);
        self.copy_pages(&mut whole, self.end()..size);
        whole.freeze()
    }

    fn copy_pages(&self, whole: &mut BytesMut, range: Range<u64>) {
        let mut at = range.start;
        while at < range.end
            && let Some(page) = self.pages.get(&(at / PAGE as u64))
        {
            let place = (at % PAGE as u64) as usize;
            let len = (range.end - at).min((PAGE - place) as u64) as usize;
            whole.extend_from_slice(&page[place..place + len]);
            at += len as u64;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use allocation_counter::measure;
    use proptest::prelude::*;

    const LARGE: usize = 1024 * 1024;

    fn large() -> Bytes {
        vec![b'x'; LARGE].into()
    }

    #[test]
    fn a_piece_of_what_is_there_costs_its_own_length() {
        let mut parts = Parts::default();
        parts.put(0, &large());
        parts.put(0, &Bytes::from_static(b"ab"));
        let cost =
            measure(|| (0..10_000).for_each(|number| parts.put(number % 7, &Bytes::from_static(b"ab"))));
        assert_eq!(cost.bytes_total, 0);
        let body = parts.join(LARGE as u64);
        assert_eq!((body.len(), &body[..8]), (LARGE, &b"aaaabaab"[..]));
    }

    #[test]
    fn what_comes_backwards_costs_its_own_length() {
        let mut parts = Parts::default();
        let half = LARGE as u64 / 2;
        parts.put(half, &large().slice(..LARGE / 2));
        let piece = Bytes::from(vec![b'y'; 64]);
        let cost = measure(|| (1..=half / 64).for_each(|number| parts.put(half - number * 64, &piece)));
        assert!(cost.bytes_total < 3 * LARGE as u64, "{cost:?}");
        let body = parts.join(LARGE as u64);
        assert!(body[..LARGE / 2].iter().all(|byte| *byte == b'y'));
        assert!(body[LARGE / 2..].iter().all(|byte| *byte == b'x'));
    }

    proptest! {
        #[test]
        fn later_bytes_count_wherever_they_come(
            pieces in proptest::collection::vec((0..5000_u64, 0..3000_usize), 1..12),
            order in any::<bool>(),
        ) {
            const SIZE: usize = 8000;
            let mut model = vec![0; SIZE];
            let mut parts = Parts::default();
            let filler: Vec<_> = (0..8_u64).map(|number| (number * 1000, 1000)).collect();
            let pieces = if order { [filler, pieces].concat() } else { [pieces, filler].concat() };
            for (number, (at, len)) in pieces.into_iter().enumerate() {
                if len == 0 {
                    continue; // nobody puts nothing
                }
                let data = vec![number as u8 + 1; len];
                model[at as usize..at as usize + len].copy_from_slice(&data);
                parts.put(at, &data.into());
            }
            prop_assert!(parts.join(SIZE as u64) == model);
        }
    }
}
