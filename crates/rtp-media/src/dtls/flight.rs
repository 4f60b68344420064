//! Whole flights (RFC 6347 §4.2.4): what the peer says in one go reaches the handshake in one go, and once.
//!
//! `rtc-dtls` takes its timer down when it is handed a part of a flight, or one that it knows already, and would wait for ever for
//! what was lost. So parts wait here until the rest is there, and repetitions end here; the timer then does what it is for. It
//! also means that nothing out of order is ever queued behind this wall.

use super::association::DtlsRole;
use super::records::{Piece, Seen};
use bytes::Bytes;

/// Datagrams of an incomplete flight that wait for the rest of it; later ones are dropped. A chain of the longest certificates
/// fills twelve.
pub const MAX_PENDING: usize = 16;

const CLIENT_HELLO: u8 = 1;
const HELLO_VERIFY_REQUEST: u8 = 3;
const SERVER_HELLO_DONE: u8 = 14;

/// Collects the peer's flights.
#[derive(Debug)]
pub(super) struct FlightGate {
    role: DtlsRole,
    /// The number of the first message that was not handed on.
    next: u16,
    pending: Vec<(Seen, Bytes)>,
}

impl FlightGate {
    pub(super) fn new(role: DtlsRole) -> Self {
        Self {
            role,
            next: 0,
            pending: Vec::new(),
        }
    }

    /// Takes a datagram; gives all those of a flight when it is the one that was missing.
    pub(super) fn pass(&mut self, seen: Seen, datagram: &[u8]) -> Vec<Bytes> {
        if self.is_hello_again(&seen) {
            return vec![Bytes::copy_from_slice(datagram)];
        }
        let is_news = seen.has_sealed_message
            || seen.has_cipher_change
            || seen.pieces.iter().any(|piece| piece.sequence >= self.next);
        if !is_news || self.pending.len() == MAX_PENDING {
            return Vec::new();
        }
        self.pending.push((seen, Bytes::copy_from_slice(datagram)));
        match self.end_of_flight() {
            None => Vec::new(),
            Some(next) => {
                self.next = next;
                self.pending.drain(..).map(|(_, datagram)| datagram).collect()
            }
        }
    }

    /// A client repeats its first words because the server's request to verify was lost. That is not repeated by a timer
    /// (RFC 6347 §4.2.1: the server keeps no state for it), so the client's word has to be heard again.
    fn is_hello_again(&self, seen: &Seen) -> bool {
        let is_hello = |piece: &Piece| (piece.kind, piece.sequence) == (CLIENT_HELLO, 0);
        self.role == DtlsRole::Server
            && self.next == 1
            && seen.pieces.iter().all(is_hello)
            && !seen.has_sealed_message
            && !seen.has_cipher_change
    }

    /// The number behind the last message when all of a flight is there.
    fn end_of_flight(&self) -> Option<u16> {
        let pieces = || self.pending.iter().flat_map(|(seen, _)| &seen.pieces);
        let (mut next, mut last) = (self.next, None);
        while let Some(kind) = whole(pieces().filter(|piece| piece.sequence == next)) {
            last = Some(kind);
            next = next.checked_add(1)?;
        }
        if pieces().any(|piece| piece.sequence >= next) {
            return None;
        }
        let has = |what: fn(&Seen) -> bool| self.pending.iter().any(|(seen, _)| what(seen));
        let is_finished = has(|seen| seen.has_cipher_change) && has(|seen| seen.has_sealed_message);
        let is_over = match last {
            Some(CLIENT_HELLO | HELLO_VERIFY_REQUEST | SERVER_HELLO_DONE) => true,
            Some(_) => is_finished,
            // A server ends with nothing but `Finished`; a client says more before it.
            None => is_finished && self.role == DtlsRole::Client,
        };
        is_over.then_some(next)
    }
}

/// What a message is, once its fragments leave no gap.
fn whole<'a>(pieces: impl Iterator<Item = &'a Piece>) -> Option<u8> {
    let mut pieces: Vec<_> = pieces.collect();
    pieces.sort_unstable_by_key(|piece| piece.offset);
    let first = pieces.first()?;
    let mut reached = 0;
    for piece in &pieces {
        if piece.offset > reached {
            return None;
        }
        reached = reached.max(piece.end);
    }
    (reached == first.whole).then_some(first.kind)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(kind: u8, sequence: u16, offset: usize, end: usize) -> Piece {
        Piece {
            kind,
            sequence,
            whole: 100,
            offset,
            end,
        }
    }

    fn datagram(pieces: &[Piece]) -> Seen {
        Seen {
            pieces: pieces.to_vec(),
            ..Seen::default()
        }
    }

    fn finished() -> Seen {
        Seen {
            has_cipher_change: true,
            has_sealed_message: true,
            ..Seen::default()
        }
    }

    /// How many datagrams come out at each step.
    fn passed(gate: &mut FlightGate, datagrams: &[Seen]) -> Vec<usize> {
        let mut number = 0;
        let mut pass = |seen: &Seen| {
            number += 1;
            gate.pass(seen.clone(), &[number]).len()
        };
        datagrams.iter().map(&mut pass).collect()
    }

    #[test]
    fn parts_wait_for_the_rest_in_any_order_and_repetitions_end_here() {
        let mut gate = FlightGate::new(DtlsRole::Client);
        let verify = datagram(&[piece(3, 0, 0, 100)]);
        assert_eq!(passed(&mut gate, &[verify.clone(), verify.clone()]), [1, 0]);
        let (hello, half, rest, done) = (
            datagram(&[piece(2, 1, 0, 100), piece(11, 2, 0, 40)]),
            datagram(&[piece(11, 2, 0, 40)]),
            datagram(&[piece(11, 2, 30, 100)]),
            datagram(&[piece(14, 3, 0, 100)]),
        );
        let flight = [done.clone(), half, hello.clone(), verify, rest.clone()];
        assert_eq!(passed(&mut gate, &flight), [0, 0, 0, 0, 4]);
        assert_eq!(passed(&mut gate, &[hello, rest, done]), [0, 0, 0]);
        assert_eq!(passed(&mut gate, &[finished()]), [1]);
    }

    #[test]
    fn a_server_waits_for_what_comes_before_finished() {
        let mut gate = FlightGate::new(DtlsRole::Server);
        let hello = datagram(&[piece(1, 0, 0, 100)]);
        let verified = datagram(&[piece(1, 1, 0, 100)]);
        let keys = datagram(&[piece(11, 2, 0, 100), piece(16, 3, 0, 100)]);
        let proof = datagram(&[piece(15, 4, 0, 100)]);
        let hellos = [hello.clone(), hello.clone(), verified.clone(), verified, hello];
        assert_eq!(passed(&mut gate, &hellos), [1, 1, 1, 0, 0]);
        assert_eq!(passed(&mut gate, &[finished(), proof, keys]), [0, 0, 3]);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut gate = FlightGate::new(DtlsRole::Client);
        let part = datagram(&[piece(2, 0, 0, 50)]);
        for _ in 0..1000 {
            assert!(gate.pass(part.clone(), &[0]).is_empty());
        }
        assert_eq!(gate.pending.len(), MAX_PENDING);
    }
}
