//! The first look at a datagram: what is it, and may it pass?

use super::config::AudioEvent;
use super::outgoing::MediaKind;
use super::protection::Outcome;
use super::{AudioTransport, push};
use crate::demultiplex::PacketKind;
use std::net::SocketAddr;
use std::time::Instant;

impl AudioTransport {
    /// Lets media pass, decrypted where it lies; takes what belongs to a handshake; counts what is neither.
    pub(super) fn admit<'a>(
        &mut self,
        now: Instant,
        kind: MediaKind,
        from: SocketAddr,
        datagram: &'a mut [u8],
    ) -> Option<&'a mut [u8]> {
        if self.stopped {
            return None;
        }
        if PacketKind::of(datagram) == PacketKind::Dtls {
            if self.protection.handle_dtls(now, kind, from, datagram) {
                self.carry_handshake();
            } else {
                self.session.refuse_dtls();
            }
            return None;
        }
        match self.protection.unprotect(kind, datagram) {
            Ok(len) => Some(&mut datagram[..len]),
            Err(refused) => {
                self.session.refuse(refused);
                None
            }
        }
    }

    /// Queues what handshakes have to say, and follows how they ended.
    pub(super) fn carry_handshake(&mut self) {
        while let Some((kind, to, bytes)) = self.protection.poll_transmit() {
            self.outgoing.push(kind, to, |buffer| {
                let room = buffer.get_mut(..bytes.len())?;
                room.copy_from_slice(&bytes);
                Some(bytes.len())
            });
        }
        while let Some(outcome) = self.protection.poll_outcome() {
            match outcome {
                Outcome::Failed(failure) => push(&mut self.events, AudioEvent::DtlsFailed(failure)),
                Outcome::Keyed { kind, suite, from } => {
                    // A certificate proves more than packets in sequence do.
                    if let Some(to) = from
                        && let Some(from) = self.session.trust(kind, to)
                    {
                        push(&mut self.events, AudioEvent::RemoteAddressChanged { from, to });
                    }
                    if kind == MediaKind::Rtp {
                        push(&mut self.events, AudioEvent::Secured { suite });
                    }
                }
            }
        }
    }
}
