//! Keeps our end-line out of the body that it ends (RFC 4975 §7.1).

use crate::chunk::TransactionId;
use memchr::memmem;
use smallvec::SmallVec;

/// Watches the body of one chunk, piece by piece.
#[derive(Debug)]
pub(crate) struct EndLineGuard {
    /// `-------` and the identifier: what the body may not contain.
    end_line: SmallVec<[u8; 40]>,
    /// The last bytes of the body, fewer than an end-line has.
    carry: SmallVec<[u8; 40]>,
}

/// How much of a piece may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Free {
    /// All of it.
    Whole,
    /// So many bytes; then the chunk has to end, and the rest belongs into another.
    Part(usize),
}

impl EndLineGuard {
    pub(crate) fn new(id: &TransactionId) -> Self {
        let mut end_line = SmallVec::from_slice(b"-------");
        end_line.extend_from_slice(id.as_bytes());
        Self {
            end_line,
            carry: SmallVec::new(),
        }
    }

    /// True when bytes contain the end-line.
    pub(crate) fn is_in(&self, data: &[u8]) -> bool {
        memmem::find(data, &self.end_line).is_some()
    }

    /// How much of the next piece may follow what was [passed](Self::pass).
    pub(crate) fn check(&self, data: &[u8]) -> Free {
        let whole = self.end_line.len();
        if !self.carry.is_empty() {
            let mut seam: SmallVec<[u8; 80]> = SmallVec::from_slice(&self.carry);
            seam.extend_from_slice(&data[..data.len().min(whole - 1)]);
            if self.is_in(&seam) {
                return Free::Part(0);
            }
        }
        match memmem::find(data, &self.end_line) {
            Some(at) => Free::Part(at + 1),
            None => Free::Whole,
        }
    }

    /// Bytes went into the body.
    pub(crate) fn pass(&mut self, piece: &[u8]) {
        let most = self.end_line.len() - 1;
        if piece.len() >= most {
            self.carry.clear();
            self.carry.extend_from_slice(&piece[piece.len() - most..]);
        } else {
            let spare = (self.carry.len() + piece.len()).saturating_sub(most);
            self.carry.drain(..spare);
            self.carry.extend_from_slice(piece);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a guard lets through of pieces, and where it stops.
    fn passed(pieces: &[&str]) -> (String, bool) {
        let mut guard = EndLineGuard::new(&"abcd".parse().unwrap());
        let mut body = String::new();
        for piece in pieces {
            let len = match guard.check(piece.as_bytes()) {
                Free::Whole => piece.len(),
                Free::Part(len) => len,
            };
            guard.pass(&piece.as_bytes()[..len]);
            body += &piece[..len];
            if len < piece.len() {
                return (body, true);
            }
        }
        (body, false)
    }

    #[test]
    fn an_end_line_never_gets_through_however_it_is_cut() {
        let text = "xx-------abcdyy";
        for cut in 0..=text.len() {
            let (body, stopped) = passed(&[&text[..cut], &text[cut..]]);
            assert!(stopped && !body.contains("-------abcd"), "{cut}: {body}");
        }
        assert_eq!(
            passed(&["xx-------abc", "eyy"]),
            ("xx-------abceyy".to_owned(), false)
        );
    }
}
