//! Chunks as values, for those who want them one by one: whole, or in segments while they arrive.

use crate::chunk::{ByteRange, Continuation, Head, HeadError};
use crate::framer::{Frame, Framer};
use bytes::{Bytes, BytesMut};

/// A chunk, or a segment of one that is longer than was asked for.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Start line and header fields, as they came.
    pub head: Head,
    /// The bytes of this chunk or segment.
    pub body: Bytes,
    /// How the chunk ends; [`Continuation::More`] for all segments but the last.
    pub continuation: Continuation,
    /// Where the bytes belong in the message: the Byte-Range of the chunk, adjusted to this segment. `None` when the
    /// chunk tells none, or one that cannot be read.
    pub range: Option<ByteRange>,
    /// The number of the segment, from 1; `None` when the chunk came whole.
    pub segment: Option<u32>,
}

/// Makes chunks of what a [`Framer`] finds.
#[derive(Debug)]
pub struct ChunkReader {
    framer: Framer,
    most: usize,
    head: Option<Head>,
    body: BytesMut,
    /// How much of the body went out in segments.
    told: u64,
    segment: u32,
}

impl ChunkReader {
    /// The largest chunk that is collected whole by default: 4 MiB.
    pub const WHOLE: usize = 4 * 1024 * 1024;

    /// A reader that goes on where the framer is; `head` is one that it gave already. Chunks above `most` bytes are
    /// refused unless they are read in segments.
    pub fn new(framer: Framer, head: Option<Head>, most: usize) -> Self {
        Self {
            framer,
            most,
            head,
            body: BytesMut::new(),
            told: 0,
            segment: 0,
        }
    }

    /// The buffer that received bytes are appended to.
    pub fn input(&mut self) -> &mut BytesMut {
        self.framer.input()
    }

    /// The next chunk; `None` when more bytes are needed. With a `size`, a segment as soon as more than so many bytes
    /// of its body are there; 0 gives whatever is there.
    ///
    /// # Errors
    /// When the stream is no MSRP, or a chunk is larger than may be collected. The connection has to be closed.
    pub fn next_chunk(&mut self, size: Option<usize>) -> Result<Option<Chunk>, ChunkError> {
        while let Some(frame) = self.framer.next_frame()? {
            match frame {
                Frame::Head(head) => self.head = Some(head),
                Frame::Body(piece) => {
                    self.body.extend_from_slice(&piece);
                    match size {
                        Some(size) if self.body.len() > size => {
                            return Ok(self.take(Continuation::More, true));
                        }
                        None if self.body.len() > self.most => return Err(ChunkError::TooLarge(self.most)),
                        _ => {}
                    }
                }
                Frame::End(flag) => {
                    let chunk = self.take(flag, self.segment > 0);
                    (self.head, self.told, self.segment) = (None, 0, 0);
                    return Ok(chunk);
                }
            }
        }
        Ok(None)
    }

    fn take(&mut self, continuation: Continuation, is_segment: bool) -> Option<Chunk> {
        let head = self.head.clone()?;
        let body = self.body.split().freeze();
        let told = head.byte_range().ok().flatten();
        let range = told.map(|told| {
            let start = told.start.saturating_add(self.told);
            ByteRange {
                start,
                end: if is_segment {
                    Some((start - 1).saturating_add(body.len() as u64))
                } else {
                    told.end
                },
                total: told.total,
            }
        });
        self.told += body.len() as u64;
        self.segment += u32::from(is_segment);
        Some(Chunk {
            head,
            body,
            continuation,
            range,
            segment: is_segment.then_some(self.segment),
        })
    }
}

/// A stream gives no further chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChunkError {
    /// It is no MSRP.
    #[error(transparent)]
    Unintelligible(#[from] HeadError),
    /// A chunk is larger than may be collected.
    #[error("a chunk of more than {0} bytes")]
    TooLarge(usize),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::chunk::Limits;

    const HEAD: &str = "MSRP abcd SEND\r\nTo-Path: a\r\nByte-Range: 11-*/100\r\nContent-Type: a/b\r\n\r\n";

    fn reader(most: usize) -> ChunkReader {
        ChunkReader::new(Framer::new(Limits::default()), None, most)
    }

    fn told(chunk: &Chunk) -> (Option<u32>, String, &[u8], Continuation) {
        let range = chunk.range.map(|range| range.to_string()).unwrap_or_default();
        (chunk.segment, range, &chunk.body, chunk.continuation)
    }

    #[test]
    fn a_chunk_without_size_comes_whole() {
        let mut reader = reader(100);
        reader.input().extend_from_slice(format!("{HEAD}abc").as_bytes());
        assert!(reader.next_chunk(None).unwrap().is_none());
        reader.input().extend_from_slice(b"def\r\n-------abcd$\r\n");
        let chunk = reader.next_chunk(None).unwrap().unwrap();
        assert_eq!(
            told(&chunk),
            (None, "11-*/100".to_owned(), &b"abcdef"[..], Continuation::Last)
        );
        assert!(reader.next_chunk(None).unwrap().is_none());
    }

    #[test]
    fn a_long_chunk_comes_in_segments_with_ranges_of_their_own() {
        let mut reader = reader(100);
        let mut chunks = Vec::new();
        for piece in [HEAD, "abcd", "e", "fgh", "\r\n-------abcd#\r\n"] {
            reader.input().extend_from_slice(piece.as_bytes());
            chunks.extend(reader.next_chunk(Some(3)).unwrap());
        }
        let chunks: Vec<_> = chunks.iter().map(told).collect();
        assert_eq!(
            chunks,
            [
                (Some(1), "11-14/100".to_owned(), &b"abcd"[..], Continuation::More),
                (Some(2), "15-18/100".to_owned(), b"efgh", Continuation::More),
                (Some(3), "19-18/100".to_owned(), b"", Continuation::Aborted),
            ]
        );
    }

    #[test]
    fn a_size_of_zero_gives_whatever_is_there() {
        let mut reader = reader(0);
        reader.input().extend_from_slice(format!("{HEAD}a").as_bytes());
        assert_eq!(reader.next_chunk(Some(0)).unwrap().unwrap().body, "a");
        reader
            .input()
            .extend_from_slice(b"b\r\n-------abcd+\r\nMSRP efgh 200\r\nTo-Path: a\r\n-------efgh$\r\n");
        assert_eq!(reader.next_chunk(Some(0)).unwrap().unwrap().segment, Some(2));
        assert_eq!(reader.next_chunk(Some(0)).unwrap().unwrap().segment, Some(3));
        let response = reader.next_chunk(Some(0)).unwrap().unwrap();
        assert_eq!((response.segment, response.range), (None, None));
        assert!(response.head.status().is_some());
    }

    #[test]
    fn what_is_too_large_or_no_chunk_is_an_error() {
        let mut small = reader(3);
        small.input().extend_from_slice(format!("{HEAD}abcd").as_bytes());
        assert_eq!(small.next_chunk(None).unwrap_err(), ChunkError::TooLarge(3));
        let mut broken = reader(3);
        broken.input().extend_from_slice(b"GET / HTTP/1.1\r\n");
        assert!(matches!(
            broken.next_chunk(None),
            Err(ChunkError::Unintelligible(_))
        ));
    }
}
