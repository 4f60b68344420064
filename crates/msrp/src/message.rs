//! Messages that arrive in chunks (RFC 4975 §7.3.1): which chunk belongs where, and when a message is complete.

use crate::chunk::{ByteRange, Continuation, StatusCode};
use crate::parts::Parts;
use crate::ranges::RangeSet;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// What incoming messages may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageLimits {
    /// The largest message, in bytes. Default 4 MiB when messages are collected; raise it for files, whose pieces are not
    /// kept. More is refused with 413.
    pub bytes: u64,
    /// How many messages may be incomplete at a time. Default 16: fair senders alternate between a few. For one more the one goes
    /// that nothing has come of for longest, and for [`idle`](Self::idle) at least; where there is none, it is refused with 413.
    /// A message whose first chunk says that it is all of it needs no place.
    pub at_once: usize,
    /// For how long nothing may come of an incomplete message before it makes room for others. Default 30 s, in which any chunk
    /// would be answered or taken for lost.
    pub idle: Duration,
    /// How many separate ranges of one message may be there. Default 64: relays reorder few chunks. One more is refused
    /// with 413.
    pub ranges: usize,
    /// How far ahead of all bytes that are there a piece may begin, in bytes. Default: anywhere within `bytes`, because a message
    /// that is resumed begins anywhere. Set it where pieces go to a file that a far one would make long. More is refused with 413.
    pub gap: u64,
}

impl Default for MessageLimits {
    fn default() -> Self {
        Self {
            bytes: 4 * 1024 * 1024,
            at_once: 16,
            idle: Duration::from_secs(30),
            ranges: 64,
            gap: u64::MAX,
        }
    }
}

/// Names an incoming message within its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IncomingId(pub(crate) u64);

impl std::fmt::Display for IncomingId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// One message as far as it is there. Bodies are kept only when they are to be collected.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) key: IncomingId,
    pub(crate) message_id: Box<str>,
    /// When a chunk of it began or ended last.
    pub(crate) heard_at: Instant,
    /// The size that a Byte-Range or the last chunk told.
    total: Option<u64>,
    saw_last: bool,
    ranges: RangeSet,
    parts: Option<Parts>,
}

/// The place of the chunk that is being received in its message.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    /// Its first byte, from 0.
    start: u64,
    /// How much of it has arrived.
    len: u64,
    /// Where its Byte-Range says that it ends at the latest.
    most: u64,
}

impl Place {
    pub(crate) fn of(range: Option<ByteRange>) -> Self {
        Self {
            start: range.map_or(0, |range| range.start - 1),
            len: 0,
            most: range
                .and_then(|range| range.end.or(range.total))
                .unwrap_or(u64::MAX),
        }
    }

    /// True at the first byte of a message.
    pub(crate) fn is_first(self) -> bool {
        self.start == 0
    }

    /// The range that did arrive, as reports tell it.
    pub(crate) fn arrived(self, total: Option<u64>) -> ByteRange {
        ByteRange {
            start: self.start + 1,
            end: Some(self.start + self.len),
            total,
        }
    }
}

impl Incoming {
    pub(crate) fn new(key: IncomingId, message_id: &str, now: Instant, collect: bool) -> Self {
        Self {
            key,
            message_id: message_id.into(),
            heard_at: now,
            total: None,
            saw_last: false,
            ranges: RangeSet::default(),
            parts: collect.then(Parts::default),
        }
    }

    /// The same message, of which the first bytes are elsewhere already.
    pub(crate) fn with_held(mut self, bytes: u64) -> Self {
        self.ranges.insert(0, bytes);
        self
    }

    /// The size, when it is known.
    pub(crate) fn total(&self) -> Option<u64> {
        self.total
    }

    /// A chunk of this message begins.
    pub(crate) fn begin(
        &mut self,
        range: Option<ByteRange>,
        limits: &MessageLimits,
    ) -> Result<(), StatusCode> {
        let Some(told) = range.and_then(|range| range.total) else {
            return Ok(());
        };
        if told > limits.bytes {
            return Err(StatusCode::STOP_SENDING);
        }
        if self.total.is_some_and(|total| total != told) || self.ranges.end() > told {
            return Err(StatusCode::BAD_REQUEST);
        }
        self.total = Some(told);
        Ok(())
    }

    /// Bytes of the chunk arrive; says where in the message they belong.
    pub(crate) fn piece(
        &mut self,
        place: &mut Place,
        data: &Bytes,
        limits: &MessageLimits,
    ) -> Result<u64, StatusCode> {
        let at = place
            .start
            .checked_add(place.len)
            .ok_or(StatusCode::BAD_REQUEST)?;
        let end = at.checked_add(data.len() as u64).ok_or(StatusCode::BAD_REQUEST)?;
        if end > place.most || self.total.is_some_and(|total| end > total) {
            return Err(StatusCode::BAD_REQUEST);
        }
        if end > limits.bytes || at.saturating_sub(self.ranges.end()) > limits.gap {
            return Err(StatusCode::STOP_SENDING);
        }
        self.ranges.insert(at, end);
        if self.ranges.count() > limits.ranges {
            return Err(StatusCode::STOP_SENDING);
        }
        if let Some(parts) = &mut self.parts {
            parts.put(at, data);
        }
        place.len += data.len() as u64;
        Ok(at)
    }

    /// How many bytes may follow in this chunk.
    pub(crate) fn room(&self, place: &Place, limits: &MessageLimits) -> u64 {
        let most = place.most.min(limits.bytes);
        let most = self.total.map_or(most, |total| most.min(total));
        most.saturating_sub(place.start.saturating_add(place.len))
    }

    /// The chunk ends. True when the message is complete.
    pub(crate) fn end(&mut self, place: Place, flag: Continuation) -> Result<bool, StatusCode> {
        if flag == Continuation::Last {
            let size = place.start + place.len;
            if self.total.is_some_and(|total| total != size) || self.ranges.end() > size {
                return Err(StatusCode::BAD_REQUEST);
            }
            self.total = Some(size);
            self.saw_last = true;
        }
        Ok(self.saw_last && self.total.is_some_and(|total| self.ranges.covers(total)))
    }

    /// The body of a complete message that was collected, as far as it was not held elsewhere.
    pub(crate) fn into_body(self) -> Bytes {
        let size = self.total.unwrap_or_default();
        self.parts.map(|parts| parts.join(size)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    type Chunk<'a> = (&'a str, &'a [u8], Continuation);

    /// Whether the message was completed by the last chunk, or how a chunk was refused.
    fn receive(chunks: &[Chunk<'_>], limits: &MessageLimits) -> Result<Option<Bytes>, StatusCode> {
        let mut incoming = Incoming::new(IncomingId(0), "m", Instant::now(), true);
        let mut complete = false;
        for (range, data, flag) in chunks {
            let range: Option<ByteRange> = (!range.is_empty()).then(|| range.parse().unwrap());
            let mut place = Place::of(range);
            incoming.begin(range, limits)?;
            for piece in data.chunks(3) {
                incoming.piece(&mut place, &Bytes::copy_from_slice(piece), limits)?;
            }
            complete = incoming.end(place, *flag)?;
        }
        Ok(complete.then(|| incoming.into_body()))
    }

    fn body(chunks: &[Chunk<'_>]) -> Option<Bytes> {
        receive(chunks, &MessageLimits::default()).expect("no refusal")
    }

    use Continuation::{Last, More};

    #[test]
    fn one_chunk_without_byte_range_is_a_message() {
        assert_eq!(body(&[("", b"hello", Last)]).unwrap(), "hello");
        assert_eq!(body(&[("1-0/0", b"", Last)]).unwrap(), "");
        assert_eq!(body(&[("", b"hello", More)]), None);
    }

    #[test]
    fn chunks_in_any_order_make_the_message() {
        assert_eq!(
            body(&[("1-*/8", b"abcd", More), ("5-8/8", b"EFGH", Last)]).unwrap(),
            "abcdEFGH"
        );
        assert_eq!(
            body(&[("5-8/8", b"EFGH", Last), ("1-*/8", b"abcd", More)]).unwrap(),
            "abcdEFGH"
        );
        assert_eq!(body(&[("5-8/8", b"EFGH", Last), ("1-*/8", b"abc", More)]), None);
        assert_eq!(
            body(&[
                ("4-*/*", b"DEF", More),
                ("7-*/*", b"GH", Last),
                ("1-*/*", b"abc", More)
            ])
            .unwrap(),
            "abcDEFGH"
        );
    }

    #[test]
    fn where_chunks_overlap_the_later_one_counts() {
        assert_eq!(
            body(&[
                ("1-*/*", b"aaaaaa", More),
                ("3-*/*", b"bb", More),
                ("7-*/*", b"c", Last)
            ])
            .unwrap(),
            "aabbaac"
        );
        assert_eq!(
            body(&[("3-*/*", b"bbbb", Last), ("1-*/*", b"aaaa", More)]).unwrap(),
            "aaaabb"
        );
        assert_eq!(
            body(&[
                ("1-*/*", b"a", More),
                ("3-*/*", b"b", More),
                ("5-*/*", b"c", Last),
                ("1-*/*", b"dddd", More)
            ])
            .unwrap(),
            "ddddc"
        );
    }

    #[test]
    fn lying_ranges_are_refused() {
        let limits = MessageLimits {
            bytes: 100,
            ranges: 3,
            ..MessageLimits::default()
        };
        let bad = StatusCode::BAD_REQUEST;
        let stop = StatusCode::STOP_SENDING;
        for (chunks, verdict) in [
            (&[("1-3/3", &b"abcd"[..], Last)][..], bad),
            (&[("1-*/3", b"abcd", Last)], bad),
            (&[("1-3/9", b"abc", Last)], bad),
            (&[("1-3/9", b"abc", More), ("4-6/8", b"def", More)], bad),
            (&[("7-9/*", b"ghi", More), ("1-3/5", b"abc", More)], bad),
            (&[("7-9/*", b"ghi", More), ("1-3/*", b"abc", Last)], bad),
            (&[("18446744073709551615-*/*", b"abc", Last)], bad),
            (&[("1-*/101", b"", More)], stop),
            (&[("99-*/*", b"abc", More)], stop),
            (
                &[
                    ("1-*/*", b"a", More),
                    ("3-*/*", b"a", More),
                    ("5-*/*", b"a", More),
                    ("7-*/*", b"a", More),
                ],
                stop,
            ),
        ] {
            assert_eq!(receive(chunks, &limits), Err(verdict), "{chunks:?}");
        }
        assert_eq!(
            receive(&[("1-9/9", b"abc", More)], &limits),
            Ok(None),
            "shorter than announced is interrupted"
        );
    }

    #[test]
    fn a_piece_far_ahead_is_refused_where_that_has_a_limit() {
        let limits = MessageLimits {
            gap: 4,
            ..MessageLimits::default()
        };
        let near: &[Chunk<'_>] = &[
            ("5-*/*", b"e", More),
            ("10-*/*", b"j", More),
            ("1-*/*", b"abc", More),
        ];
        assert_eq!(receive(near, &limits), Ok(None));
        let first: &[Chunk<'_>] = &[("6-*/*", b"f", More)];
        assert_eq!(receive(first, &limits), Err(StatusCode::STOP_SENDING));
        let later: &[Chunk<'_>] = &[("1-*/*", b"a", More), ("7-*/*", b"g", More)];
        assert_eq!(receive(later, &limits), Err(StatusCode::STOP_SENDING));
        assert_eq!(receive(first, &MessageLimits::default()), Ok(None));
    }

    proptest! {
        #[test]
        fn a_message_cut_anywhere_and_shuffled_is_whole_again(
            message in proptest::collection::vec(any::<u8>(), 1..200),
            cuts in proptest::collection::vec(1..40usize, 1..20),
            order in any::<u64>(),
            total_known in any::<bool>(),
        ) {
            let mut chunks = Vec::new();
            let mut at = 0;
            for len in cuts.into_iter().cycle() {
                let end = (at + len).min(message.len());
                let flag = if end == message.len() { Last } else { More };
                let total = if total_known { message.len().to_string() } else { "*".to_owned() };
                chunks.push((format!("{}-*/{total}", at + 1), &message[at..end], flag));
                at = end;
                if at == message.len() {
                    break;
                }
            }
            let mut entropy = offhook_sansio::Entropy::from_number(order);
            for index in (1..chunks.len()).rev() {
                chunks.swap(index, entropy.below(index as u32 + 1) as usize);
            }
            let chunks: Vec<_> = chunks.iter().map(|(range, data, flag)| (&range[..], *data, *flag)).collect();
            let limits = MessageLimits { ranges: 200, ..MessageLimits::default() };
            prop_assert_eq!(receive(&chunks, &limits).unwrap().unwrap(), message);
        }
    }
}
