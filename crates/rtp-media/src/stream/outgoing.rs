//! Datagrams made and not yet taken.

use std::net::SocketAddr;

/// Datagrams that may wait: a tick makes at most four (the last packet of a digit, three times, and a report).
const SLOTS: usize = 8;

/// Longest datagram: an Ethernet frame's payload.
const LONGEST: usize = 1472;

/// Which of the two protocols a datagram is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MediaKind {
    /// To be sent from the RTP socket.
    Rtp,
    /// To be sent from the RTCP socket, or from the RTP socket when both share one.
    Rtcp,
}

/// A datagram to send. It borrows the transport's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MediaTransmit<'a> {
    /// Which socket to send from.
    pub kind: MediaKind,
    /// Where to.
    pub to: SocketAddr,
    /// What.
    pub bytes: &'a [u8],
}

/// A ring of datagrams in buffers that are made once.
#[derive(Debug)]
pub(super) struct Outgoing {
    slots: Box<[Slot]>,
    head: usize,
    len: usize,
    overflowed: u64,
}

#[derive(Debug)]
struct Slot {
    kind: MediaKind,
    to: SocketAddr,
    len: usize,
    buffer: Box<[u8]>,
}

impl Outgoing {
    pub(super) fn new(to: SocketAddr) -> Self {
        let slot = || Slot {
            kind: MediaKind::Rtp,
            to,
            len: 0,
            buffer: vec![0; LONGEST].into_boxed_slice(),
        };
        Self {
            slots: (0..SLOTS).map(|_| slot()).collect(),
            head: 0,
            len: 0,
            overflowed: 0,
        }
    }

    /// Lets `write` make a datagram; nothing is queued when it returns `None`. When the owner has not drained the
    /// queue, the oldest datagram makes room.
    pub(super) fn push(
        &mut self,
        kind: MediaKind,
        to: SocketAddr,
        write: impl FnOnce(&mut [u8]) -> Option<usize>,
    ) {
        if self.len == SLOTS {
            self.head = (self.head + 1) % SLOTS;
            self.len -= 1;
            self.overflowed += 1;
        }
        let slot = &mut self.slots[(self.head + self.len) % SLOTS];
        if let Some(len) = write(&mut slot.buffer) {
            slot.kind = kind;
            slot.to = to;
            slot.len = len;
            self.len += 1;
        }
    }

    pub(super) fn pop(&mut self) -> Option<MediaTransmit<'_>> {
        if self.len == 0 {
            return None;
        }
        let slot = &self.slots[self.head];
        self.head = (self.head + 1) % SLOTS;
        self.len -= 1;
        Some(MediaTransmit {
            kind: slot.kind,
            to: slot.to,
            bytes: &slot.buffer[..slot.len],
        })
    }

    pub(super) fn overflowed(&self) -> u64 {
        self.overflowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn datagrams_come_out_in_order_and_the_oldest_gives_way() {
        let to = "192.0.2.1:4000".parse().unwrap();
        let mut outgoing = Outgoing::new(to);
        for n in 0..10u8 {
            outgoing.push(MediaKind::Rtp, to, |buffer| {
                buffer[0] = n;
                Some(1)
            });
        }
        outgoing.push(MediaKind::Rtcp, to, |_| None);
        let mut seen = Vec::new();
        while let Some(transmit) = outgoing.pop() {
            seen.extend_from_slice(transmit.bytes);
        }
        assert_eq!(seen, [3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(outgoing.overflowed(), 3);
    }
}
