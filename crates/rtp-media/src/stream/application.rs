//! What the applications of both ends say to each other beside the media.

use super::{AudioError, AudioTransport};
use crate::rtcp::ApplicationPacket;

impl AudioTransport {
    /// Sends a packet that the peer's application understands (RFC 3550 §6.7): at once where reduced size
    /// [was agreed](super::AudioConfig::rtcp_reduced_size), else with the next report, within some seconds. It may be lost.
    ///
    /// # Errors
    /// When the packet cannot be one, eight wait for a report already, or the stream was stopped.
    pub fn send_application(&mut self, packet: ApplicationPacket) -> Result<(), AudioError> {
        if self.stopped {
            return Err(AudioError::Stopped);
        }
        if !packet.is_sound() {
            return Err(AudioError::Application {
                subtype: packet.subtype,
                len: packet.data.len(),
            });
        }
        if self.config.rtcp_reduced_size {
            self.send_rtcp(|session, buffer| session.write_reduced(&packet, buffer));
            return Ok(());
        }
        if self.session.say_with_report(packet) {
            Ok(())
        } else {
            Err(AudioError::TooManyApplication)
        }
    }

    /// What the peer's application said, until `None`. At most eight packets wait; what comes beside them is lost.
    #[must_use = "a packet that is polled and dropped is lost"]
    pub fn poll_application(&mut self) -> Option<ApplicationPacket> {
        self.session.poll_application()
    }
}
