//! Handshakes that begin before the answer is here.

use super::{Component, StreamId};
use offhook_rtp_media::PacketKind;
use std::net::SocketAddr;

/// What DTLS said to streams that have not started.
///
/// A peer that is active begins its handshake when it sends its answer (RFC 5763 §5), and media need not wait for a proxy. Who drops
/// these first words has no keys until the peer says them again, which is a second later (RFC 6347 §4.2.4.1).
#[derive(Default)]
pub(super) struct EarlyHandshakes(Vec<EarlyDatagram>);

/// One datagram, and by which way it came.
pub(super) struct EarlyDatagram {
    stream: StreamId,
    pub(super) component: Component,
    pub(super) from: SocketAddr,
    pub(super) bytes: Vec<u8>,
}

impl EarlyHandshakes {
    /// Keeps a datagram for when its stream starts, if it is DTLS. Of one stream the first ones count, for what comes later
    /// repeats them; of all of them the last ones.
    pub(super) fn keep(&mut self, stream: StreamId, component: Component, from: SocketAddr, bytes: &[u8]) {
        let kept = self.0.iter().filter(|early| early.stream == stream).count();
        if PacketKind::of(bytes) != PacketKind::Dtls || kept == MOST_OF_ONE {
            return;
        }
        if self.0.len() == MOST {
            self.0.remove(0);
        }
        self.0.push(EarlyDatagram {
            stream,
            component,
            from,
            bytes: bytes.to_vec(),
        });
    }

    /// What was kept of a stream, in its order: it starts, or never will.
    pub(super) fn take(&mut self, stream: StreamId) -> Vec<EarlyDatagram> {
        self.0.extract_if(.., |early| early.stream == stream).collect()
    }
}

/// Datagrams that are kept of one stream: a first flight, for RTP and for RTCP, and room for a stranger's.
const MOST_OF_ONE: usize = 8;

/// Datagrams that are kept of all streams, of 4200 bytes at most.
const MOST: usize = 256;
