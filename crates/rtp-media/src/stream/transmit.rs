//! From a full packet of captured audio to a datagram that is ready to be sent.

use super::config::AudioEvent;
use super::outgoing::MediaKind;
use super::send::{Sender, Worth};
use super::{AudioTransport, MAX_OVERHEAD, PAYLOAD_AT, push};
use crate::codec::ComfortNoise;
use crate::dtmf::{EventPacket, TelephoneEvent};
use crate::ids::PayloadType;
use crate::session::RtpSession;
use tracing::debug;

impl AudioTransport {
    /// Makes what stands for one packet time of captured audio: a packet of it, of a digit, or nothing.
    pub(super) fn send_packet(&mut self) {
        let timestamp = self.session.timestamp();
        if !self.config.direction.sends() || !self.protection.is_ready() || self.is_exhausted() {
            self.sender.marker = true;
            return;
        }
        let event = self.dtmf_out.advance(timestamp, self.sender.ptime_ms());
        match (event, self.numbers.dtmf) {
            (Some(event), Some(number)) => return self.send_event(event, number),
            (Some(event), None) => self.sender.play_digit(event.payload, self.config.dtmf_clock_rate),
            (None, _) => match self.sender.judge() {
                Worth::Voice => {}
                Worth::Noise(noise) => return self.send_noise(noise, timestamp),
                Worth::Nothing => {
                    self.sender.marker = true;
                    return;
                }
            },
        }
        let number = self.numbers.send;
        let header = |sender: &mut Sender| (std::mem::take(&mut sender.marker), number, timestamp);
        self.send_rtp(header, |sender, room| match sender.encode(room) {
            Ok(0) => {
                sender.marker = true;
                None
            }
            Ok(len) => Some(len),
            Err(error) => {
                debug!(%error, "frame not encoded");
                None
            }
        });
    }

    /// Sends a digit in place of the audio, as often as it is to be sent (RFC 4733 §2.5.1).
    fn send_event(&mut self, event: EventPacket, number: PayloadType) {
        for _ in 0..event.copies {
            let payload = event.payload.to_bytes();
            let header = |_: &mut Sender| (event.marker, number, event.timestamp);
            self.send_rtp(header, |_, room| {
                room[..TelephoneEvent::LEN].copy_from_slice(&payload);
                Some(TelephoneEvent::LEN)
            });
        }
    }

    /// Describes the pause that begins, where the peer understands it.
    fn send_noise(&mut self, noise: ComfortNoise, timestamp: u32) {
        self.sender.marker = true;
        if let Some(number) = self.numbers.noise {
            // Without the marker (RFC 3389 §4): the voice after the pause has it.
            let header = |_: &mut Sender| (false, number, timestamp);
            self.send_rtp(header, |_, room| noise.write(room).ok());
        }
    }

    /// Queues a packet: `payload` is written, then framed and protected where it lies.
    fn send_rtp(
        &mut self,
        header: impl FnOnce(&mut Sender) -> (bool, PayloadType, u32),
        payload: impl FnOnce(&mut Sender, &mut [u8]) -> Option<usize>,
    ) {
        let Self {
            session,
            sender,
            protection,
            outgoing,
            ..
        } = self;
        outgoing.push(MediaKind::Rtp, session.remote_rtp(), |buffer| {
            let most = buffer.len() - MAX_OVERHEAD;
            let len = payload(sender, &mut buffer[PAYLOAD_AT..most])?;
            let (marker, number, timestamp) = header(sender);
            let len = session.frame(buffer, len, marker, number, timestamp);
            protection.protect(MediaKind::Rtp, buffer, len)
        });
    }

    /// Queues what `write` makes, protected.
    pub(super) fn send_rtcp(&mut self, write: impl FnOnce(&mut RtpSession, &mut [u8]) -> Option<usize>) {
        let Self {
            session,
            protection,
            outgoing,
            ..
        } = self;
        outgoing.push(MediaKind::Rtcp, session.remote_rtcp(), |buffer| {
            let most = buffer.len() - MAX_OVERHEAD;
            let len = write(session, &mut buffer[..most])?;
            protection.protect(MediaKind::Rtcp, buffer, len)
        });
    }

    /// True when our key may protect nothing more; says so once.
    fn is_exhausted(&mut self) -> bool {
        let exhausted = self.protection.is_exhausted();
        if exhausted && !self.told_exhausted {
            push(&mut self.events, AudioEvent::SrtpKeyExhausted);
        }
        self.told_exhausted = exhausted;
        exhausted
    }
}
