//! Bytes for one write.

use bytes::{Buf, Bytes};
use std::io::IoSlice;

/// Bytes that belong in one write, so that an end-line leaves with the last bytes before it: read it as a [`Buf`].
#[derive(Clone, Debug, Default)]
pub struct Burst {
    /// Heads and small bodies; a piece of a large body; its end-line.
    pub(super) parts: [Bytes; 3],
}

impl From<Bytes> for Burst {
    fn from(bytes: Bytes) -> Self {
        Self {
            parts: [bytes, Bytes::new(), Bytes::new()],
        }
    }
}

impl Buf for Burst {
    fn remaining(&self) -> usize {
        self.parts.iter().map(Bytes::len).sum()
    }

    fn chunk(&self) -> &[u8] {
        self.parts
            .iter()
            .find(|part| !part.is_empty())
            .map_or(&[], |part| part)
    }

    fn chunks_vectored<'a>(&'a self, slices: &mut [IoSlice<'a>]) -> usize {
        let parts = self.parts.iter().filter(|part| !part.is_empty());
        slices
            .iter_mut()
            .zip(parts)
            .map(|(slice, part)| *slice = IoSlice::new(part))
            .count()
    }

    fn advance(&mut self, mut count: usize) {
        for part in &mut self.parts {
            let taken = count.min(part.len());
            part.advance(taken);
            count -= taken;
        }
    }
}
