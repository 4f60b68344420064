//! What of the network is let through to the handshake (RFC 6347 §4.1, §4.2.2).
//!
//! Before the fingerprint is proven anybody can send us datagrams. What is let through here is well formed as far as can be
//! seen without keys, and cannot make the other side of this wall hold or walk more than it should.

/// Records in one datagram at most: a flight of the longest handshake has eight.
pub const MAX_RECORDS: usize = 16;

/// Octets of the longest handshake message: a certificate chain longer than this is nobody's fingerprint.
pub const MAX_MESSAGE: usize = 16 * 1024;

/// Octets that a fragment has at least unless it ends its message.
pub const SMALLEST_FRAGMENT: usize = 64;

const RECORD_HEADER: usize = 13;
const MESSAGE_HEADER: usize = 12;

const CHANGE_CIPHER_SPEC: u8 = 20;
const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// The major version of all DTLS, in ones' complement.
const DTLS_MAJOR: u8 = 254;

const FATAL: u8 = 2;

/// What can be seen of a datagram that is let through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    /// The peer gave up, unencrypted, for this reason (RFC 5246 §7.2).
    pub(super) alert: Option<u8>,
    /// It has an alert, encrypted or not.
    pub(super) has_alert: bool,
    /// It has `ChangeCipherSpec` and, encrypted behind it, a handshake message: that is `Finished`.
    pub(super) has_cipher_change: bool,
    /// See above.
    pub(super) has_sealed_message: bool,
    /// Its handshake messages in the clear, or what it has of them.
    pub(super) pieces: Vec<Piece>,
}

/// A fragment of a handshake message (RFC 6347 §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Piece {
    /// What the message is.
    pub(super) kind: u8,
    /// The message's number.
    pub(super) sequence: u16,
    /// Octets of the whole message.
    pub(super) whole: usize,
    /// Where the fragment begins in it.
    pub(super) offset: usize,
    /// Where it ends.
    pub(super) end: usize,
}

/// Judges a datagram; `None` when it is to be dropped.
pub(super) fn inspect(datagram: &[u8]) -> Option<Seen> {
    let mut seen = Seen::default();
    let mut rest = datagram;
    for _ in 0..MAX_RECORDS {
        let (header, behind) = rest.split_first_chunk::<RECORD_HEADER>()?;
        let [kind, major, _, epoch @ ..] = header;
        let epoch = u16::from_be_bytes([epoch[0], epoch[1]]);
        let len = usize::from(u16::from_be_bytes([header[11], header[12]]));
        let (body, behind) = behind.split_at_checked(len)?;
        if *major != DTLS_MAJOR || epoch > 1 {
            return None;
        }
        seen.has_alert |= *kind == ALERT;
        match (*kind, epoch) {
            (CHANGE_CIPHER_SPEC, 0) => seen.has_cipher_change = true,
            // Encrypted: only the key holder can say something with it.
            (HANDSHAKE, 1) => seen.has_sealed_message = true,
            (ALERT, 1) => {}
            (ALERT, 0) => match body {
                [FATAL, reason] => seen.alert = Some(*reason),
                [_, _] => {}
                _ => return None,
            },
            (HANDSHAKE, 0) => read_messages(body, &mut seen.pieces)?,
            _ => return None,
        }
        if behind.is_empty() {
            return Some(seen);
        }
        rest = behind;
    }
    None
}

/// Checks the handshake messages of a record.
fn read_messages(mut rest: &[u8], pieces: &mut Vec<Piece>) -> Option<()> {
    for _ in 0..MAX_RECORDS {
        let (header, behind) = rest.split_first_chunk::<MESSAGE_HEADER>()?;
        let number = |at: usize| {
            usize::from(header[at]) << 16 | usize::from(header[at + 1]) << 8 | usize::from(header[at + 2])
        };
        let (whole, offset, len) = (number(1), number(6), number(9));
        let end = offset + len;
        if whole > MAX_MESSAGE || end > whole || (end < whole && len < SMALLEST_FRAGMENT) {
            return None;
        }
        let (_, behind) = behind.split_at_checked(len)?;
        pieces.push(Piece {
            kind: header[0],
            sequence: u16::from_be_bytes([header[4], header[5]]),
            whole,
            offset,
            end,
        });
        if behind.is_empty() {
            return Some(());
        }
        rest = behind;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let mut record = vec![kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, 0];
        record.extend((body.len() as u16).to_be_bytes());
        record.extend(body);
        record
    }

    /// A fragment that says of itself (whole, offset, len) and has as many octets as told.
    fn message(whole: usize, offset: usize, len: usize, octets: usize) -> Vec<u8> {
        let number = |n: usize| [(n >> 16) as u8, (n >> 8) as u8, n as u8];
        let mut message = vec![1];
        message.extend(number(whole));
        message.extend([0, 0]);
        message.extend(number(offset));
        message.extend(number(len));
        message.resize(message.len() + octets, 7);
        message
    }

    #[test]
    fn lying_lengths_are_dropped() {
        let whole =
            |whole, offset, len, octets| inspect(&record(22, 0, &message(whole, offset, len, octets)));
        assert!(whole(100, 0, 100, 100).is_some());
        assert!(whole(100, 0, 70, 70).is_some());
        assert!(whole(100, 70, 30, 30).is_some(), "the last may be small");
        assert!(whole(0, 0, 0, 0).is_some(), "ServerHelloDone");
        for (lie, why) in [
            (whole(100, 0, 100, 99), "shorter than it says"),
            (whole(100, 50, 51, 51), "beyond its end"),
            (whole(MAX_MESSAGE + 1, 0, 100, 100), "too long"),
            (whole(100, 0, 63, 63), "crumbs"),
            (whole(100, 10, 0, 0), "nothing of something"),
            (whole(0xff_ffff, 0xff_ffff, 0xff_ffff, 0), "all ones"),
        ] {
            assert_eq!(lie, None, "{why}");
        }
        for short in 0..RECORD_HEADER {
            assert_eq!(inspect(&record(22, 0, &[])[..short]), None);
        }
        assert_eq!(inspect(&record(22, 0, &[])), None, "a record of nothing");
    }

    #[test]
    fn only_what_a_handshake_needs_is_let_through() {
        let hello = record(22, 0, &message(100, 0, 100, 100));
        for (kind, epoch, body, through) in [
            (20, 0, &[1][..], true),
            (21, 0, &[1, 0], true),
            (21, 0, &[2], false),
            (21, 1, &[7; 24], true),
            (22, 1, &[7; 40], true),
            (23, 0, &[7; 40], false),
            (23, 1, &[7; 40], false),
            (22, 2, &[7; 40], false),
            (24, 0, &[1], false),
        ] {
            let one = record(kind, epoch, body);
            assert_eq!(inspect(&one).is_some(), through, "{kind} {epoch}");
            let both = inspect(&[hello.clone(), one].concat());
            assert_eq!(both.is_some(), through);
            assert!(both.is_none_or(|seen| seen.has_alert == (kind == 21)));
        }
        let version = |major| {
            let mut hello = hello.clone();
            hello[1] = major;
            inspect(&hello)
        };
        assert!(version(254).is_some() && version(3).is_none());
        assert!(inspect(&hello.repeat(MAX_RECORDS)).is_some());
        assert_eq!(inspect(&hello.repeat(MAX_RECORDS + 1)), None);
        let messages = message(0, 0, 0, 0);
        assert!(inspect(&record(22, 0, &messages.repeat(MAX_RECORDS))).is_some());
        assert_eq!(inspect(&record(22, 0, &messages.repeat(MAX_RECORDS + 1))), None);
    }

    #[test]
    fn the_reason_of_a_peer_that_gives_up_is_read() {
        let alert = |body: &[u8]| inspect(&record(21, 0, body)).and_then(|seen| seen.alert);
        assert_eq!(alert(&[2, 40]), Some(40));
        assert_eq!(alert(&[1, 40]), None, "a warning");
    }
}
