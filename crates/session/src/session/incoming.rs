//! Being called: proposal, ringing, acceptance or refusal.

use super::media::{initialize_all, template};
use super::{Context, Ending, Session};
use crate::media::MediaPlane;
use crate::stream::{MediaStream, StreamError};
use crate::{AudioDescription, Originator, SessionDirection, SessionError, SessionEvent, SessionState};
use crate::{StreamDescription, Streams};
use offhook_sansio::Entropy;
use offhook_sdp::offer_answer::Negotiation;
use offhook_sdp::{Media, MediaKind, SessionDescription};
use offhook_sip_core::{Body, InvitationId, NameAddr, StatusCode};
use std::net::IpAddr;
use std::time::Instant;

/// What an INVITE from somebody brings.
pub(crate) struct Incoming {
    pub(crate) invitation: InvitationId,
    pub(crate) local_identity: NameAddr,
    pub(crate) remote_identity: NameAddr,
    /// `None` when the caller leaves the offer to us (RFC 3261 §13.2.1).
    pub(crate) offer: Option<SessionDescription>,
}

impl Session {
    /// Takes an INVITE. The application is told and decides.
    pub(crate) fn incoming(
        now: Instant,
        entropy: &mut Entropy,
        local_ip: IpAddr,
        incoming: Incoming,
    ) -> Self {
        let Incoming {
            invitation,
            local_identity,
            remote_identity,
            offer,
        } = incoming;
        let mut negotiation = Negotiation::new(template(entropy, local_ip));
        let streams = offer.as_ref().map_or_else(Streams::default, proposed);
        if let Some(offer) = offer {
            // The first offer of a negotiation is taken in any case.
            let taken = negotiation.handle_offer(offer);
            debug_assert!(taken.is_ok());
        }
        let mut session = Self::new(
            SessionDirection::Incoming,
            local_identity,
            remote_identity,
            invitation,
            negotiation,
        );
        let event = SessionEvent::NewIncoming {
            remote_identity: session.remote_identity.clone(),
            local_identity: session.local_identity.clone(),
            streams,
        };
        session.emit(now, event);
        session
    }

    /// Sends a 180.
    pub(crate) fn send_ring_indication(&mut self, cx: &mut Context<'_>) -> Result<(), SessionError> {
        if self.state != SessionState::Incoming {
            return Err(self.illegal("ring"));
        }
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        invitation.respond_provisionally(cx.now, StatusCode::RINGING, None)?;
        Ok(())
    }

    /// Accepts with these streams, each for the first free section of its kind; other sections are refused.
    pub(crate) fn accept(
        &mut self,
        cx: &mut Context<'_>,
        local_ip: IpAddr,
        mut streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        if self.state != SessionState::Incoming {
            return Err(self.illegal("accept"));
        }
        if streams.is_empty() {
            return Err(SessionError::NoStreams);
        }
        initialize_all(&mut streams, cx.plane, local_ip, cx.settings)?;
        match self.answer(cx, streams) {
            Ok(()) => Ok(()),
            Err(error) => {
                let (code, reason) = (StatusCode::NOT_ACCEPTABLE_HERE, error.to_string());
                if self.state == SessionState::Accepting {
                    // The 200 is out: it takes a BYE to undo it.
                    let originator = Originator::Local;
                    self.terminate(
                        cx,
                        Ending {
                            originator,
                            code: 0,
                            reason,
                        },
                    );
                } else {
                    self.refuse(cx, code, &reason);
                }
                Err(error)
            }
        }
    }

    /// Refuses with a status code.
    pub(crate) fn reject(&mut self, cx: &mut Context<'_>, code: StatusCode) -> Result<(), SessionError> {
        if self.state != SessionState::Incoming {
            return Err(self.illegal("reject"));
        }
        self.refuse(cx, code, code.default_reason());
        Ok(())
    }

    /// The ACK to our 2xx; it brings the answer when the offer was ours.
    pub(super) fn handle_confirmed(&mut self, cx: &mut Context<'_>, answer: Option<SessionDescription>) {
        if self.state != SessionState::Accepting {
            return;
        }
        let started = match answer {
            Some(answer) if self.negotiation.local().is_none() => self
                .negotiation
                .handle_answer(answer)
                .map_err(|error| error.to_string())
                .and_then(|()| self.start_streams(cx, true).map_err(|error| error.to_string())),
            _ if self.negotiation.local().is_none() => {
                Err("the ACK brought no answer to our offer".to_owned())
            }
            _ => Ok(()),
        };
        match started {
            Ok(()) => self.establish(cx),
            Err(reason) => self.terminate(
                cx,
                Ending {
                    originator: Originator::Local,
                    code: 0,
                    reason,
                },
            ),
        }
    }

    fn answer(
        &mut self,
        cx: &mut Context<'_>,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        let is_offered = self.negotiation.offer().is_some();
        self.place(cx.plane, streams);
        let body = if is_offered {
            let sections = self.answer_sections()?;
            if sections.iter().all(Media::is_rejected) {
                return Err(StreamError::NoneProposed.into());
            }
            self.negotiation.create_answer(sections)?.to_string()
        } else {
            let sections = self.offer_sections();
            self.negotiation.create_offer(sections)?.to_string()
        };
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        invitation.accept(cx.now, Some(&Body::sdp(body)))?;
        self.state = SessionState::Accepting;
        self.emit(cx.now, SessionEvent::WillStart);
        if is_offered {
            // Media may arrive as soon as the caller has our answer: be ready before the ACK.
            self.start_streams(cx, false)?;
        }
        Ok(())
    }

    /// Gives each stream the first free section of its kind; one without a section ends.
    fn place(&mut self, plane: &mut dyn MediaPlane, streams: Vec<Box<dyn MediaStream>>) {
        let Some(offer) = self.negotiation.offer() else {
            self.streams = streams.into_iter().map(Some).collect();
            return;
        };
        self.streams = offer.media.iter().map(|_| None).collect();
        for mut stream in streams {
            let free = offer
                .media
                .iter()
                .zip(&mut self.streams)
                .find(|(section, place)| {
                    place.is_none() && section.kind == stream.kind() && !section.is_rejected()
                });
            match free {
                Some((_, place)) => *place = Some(stream),
                None => stream.end(plane),
            }
        }
    }

    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, code: StatusCode, reason: &str) {
        let cause = Ending {
            originator: Originator::Local,
            code: code.as_u16(),
            reason: reason.to_owned(),
        };
        self.begin_end(cx, cause.clone());
        let refused = cx
            .endpoint
            .invitation(self.invitation)
            .map(|mut invitation| invitation.reject(cx.now, code, None, &[]));
        if !matches!(refused, Some(Ok(()))) {
            self.finish(cx, cause);
        }
    }
}

/// What an offer proposes, as far as we know such streams.
fn proposed(offer: &SessionDescription) -> Streams {
    let audio = |media: &Media| {
        (media.kind == MediaKind::Audio && !media.is_rejected()).then(|| {
            StreamDescription::Audio(AudioDescription {
                codec: None,
                sample_rate: None,
                local_rtp: None,
                remote_rtp: media.media_address(offer),
                direction: media.direction(offer).reversed(),
            })
        })
    };
    Streams::new(offer.media.iter().filter_map(audio).collect())
}
