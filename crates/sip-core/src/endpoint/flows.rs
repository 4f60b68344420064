//! STUN on the ports for SIP (RFC 5626 §8).

use super::Endpoint;
use super::core::Core;
use crate::flow::StunMessage;
use offhook_sansio::Received;
use std::time::Instant;

impl Endpoint {
    /// Takes a datagram that is STUN: the answer to a keep-alive of ours, or a keep-alive of somebody else.
    pub(super) fn handle_stun(&mut self, now: Instant, received: &Received) {
        let Ok(message) = StunMessage::parse(&received.bytes) else {
            self.core.statistics.dropped_malformed += 1;
            return;
        };
        match &message {
            StunMessage::Request { .. } => self.core.answer_stun(received, &message),
            StunMessage::Success { id, .. } | StunMessage::Error { id, .. } => {
                let Some(owner) = self.core.probes.get(id).copied() else {
                    self.core.statistics.dropped_stray_responses += 1;
                    return;
                };
                self.registrations
                    .with(&mut self.core, owner, |registration, core| {
                        registration.handle_stun(core, now, received.path, &message);
                    });
            }
            StunMessage::Indication => {}
        }
    }
}

impl Core {
    /// Who says that he serves outbound answers keep-alives; to others they are no business of theirs.
    fn answer_stun(&mut self, received: &Received, request: &StunMessage) {
        let serves = self.config.supported.iter().any(|tag| tag == "outbound");
        if serves && let Some(answer) = request.answer(received.path.remote) {
            self.transactions.send(received.path, answer.to_bytes());
        }
    }
}
