//! Being called: proposal, ringing, acceptance or refusal.

use super::{Context, Ending, Session, SessionId, template};
use crate::stream::{MediaStream, MediaStreamRegistry, StreamError};
use crate::{SessionDirection, SessionError, SessionEvent, SessionState, SessionTrigger, Streams};
use offhook_sansio::{Entropy, Transport};
use offhook_sdp::offer_answer::Negotiation;
use offhook_sdp::{Media, SessionDescription};
use offhook_sip_core::{Body, HeaderName, InvitationId, NameAddr, StatusCode};
use std::net::IpAddr;
use std::time::Instant;

/// What an INVITE from somebody brings.
pub(crate) struct Incoming {
    pub(crate) invitation: InvitationId,
    pub(crate) local_identity: NameAddr,
    pub(crate) remote_identity: NameAddr,
    pub(crate) transport: Transport,
    pub(crate) remote_user_agent: Option<String>,
    /// The session whose place it wants to take.
    pub(crate) replaces: Option<SessionId>,
    /// `None` when the caller leaves the offer to us (RFC 3261 §13.2.1).
    pub(crate) offer: Option<SessionDescription>,
}

impl Session {
    /// Takes an INVITE. The application is told and decides.
    pub(crate) fn incoming(
        now: Instant,
        entropy: &mut Entropy,
        local_ip: IpAddr,
        registry: &MediaStreamRegistry,
        incoming: Incoming,
    ) -> Self {
        let Incoming {
            invitation,
            local_identity,
            remote_identity,
            transport,
            remote_user_agent,
            replaces,
            offer,
        } = incoming;
        let mut negotiation = Negotiation::new(template(entropy, local_ip));
        let streams = offer
            .as_ref()
            .map_or_else(Streams::default, |offer| proposed(registry, offer));
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
            transport,
            negotiation,
        );
        session.remote_user_agent = remote_user_agent;
        let event = SessionEvent::NewIncoming {
            remote_identity: session.remote_identity.clone(),
            local_identity: session.local_identity.clone(),
            streams,
            replaces,
        };
        session.emit(now, event);
        session
    }

    /// Sends a 180.
    pub(crate) fn send_ring_indication(&mut self, cx: &mut Context<'_>) -> Result<(), SessionError> {
        self.permit(SessionTrigger::Ring)?;
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
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        self.permit(SessionTrigger::Accept)?;
        if streams.is_empty() {
            return Err(SessionError::NoStreams);
        }
        let settings = cx.settings;
        let streams = self.on_places(cx, |places, stage| {
            places.initialize(stage, streams, local_ip, settings)
        })?;
        match self.answer(cx, streams) {
            Ok(()) => Ok(()),
            Err(error) => {
                let (code, reason) = (StatusCode::NOT_ACCEPTABLE_HERE, error.to_string());
                if self.state == SessionState::Accepting {
                    // The 200 is out: it takes a BYE to undo it.
                    self.terminate(cx, Ending::local(reason));
                } else {
                    self.refuse(cx, code, &reason);
                }
                Err(error)
            }
        }
    }

    /// Refuses with a status code.
    pub(crate) fn reject(&mut self, cx: &mut Context<'_>, code: StatusCode) -> Result<(), SessionError> {
        self.permit(SessionTrigger::Reject)?;
        self.refuse(cx, code, code.default_reason());
        Ok(())
    }

    /// Sends the caller elsewhere, by a 302.
    pub(crate) fn redirect(
        &mut self,
        cx: &mut Context<'_>,
        targets: &[NameAddr],
    ) -> Result<(), SessionError> {
        self.permit(SessionTrigger::Redirect)?;
        let contact = |target: &NameAddr| (HeaderName::Contact.as_str().to_owned(), target.to_string());
        let contacts: Vec<_> = targets.iter().map(contact).collect();
        self.refuse_with(cx, StatusCode::MOVED_TEMPORARILY, "redirected", &contacts);
        Ok(())
    }

    /// The ACK to our 2xx; it brings the answer when the offer was ours.
    pub(super) fn handle_confirmed(&mut self, cx: &mut Context<'_>, answer: Option<SessionDescription>) {
        if self.state != SessionState::Accepting {
            return;
        }
        self.confirmed = true;
        let started = match answer {
            Some(answer) if self.negotiation.local().is_none() => self
                .negotiation
                .handle_answer(answer)
                .map_err(|error| error.to_string())
                .and_then(|()| {
                    let all: Vec<usize> = (0..self.places.len()).collect();
                    self.start_streams(cx, true, &all)
                        .map_err(|error| error.to_string())
                }),
            _ if self.negotiation.local().is_none() => {
                Err("the ACK brought no answer to our offer".to_owned())
            }
            _ => Ok(()),
        };
        match started {
            Ok(()) => self.notice_running(cx),
            Err(reason) => self.terminate(cx, Ending::local(reason)),
        }
    }

    fn answer(
        &mut self,
        cx: &mut Context<'_>,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        let offer = self.negotiation.offer().cloned();
        let (placed, body) = if let Some(offer) = &offer {
            let placed = self.on_places(cx, |places, stage| places.place(stage, offer, streams));
            let (sections, refusal) = self.places.answer(offer);
            if sections.iter().all(Media::is_rejected) {
                return Err(refusal.unwrap_or(StreamError::NoneProposed).into());
            }
            (placed, self.negotiation.create_answer(sections)?.to_string())
        } else {
            let placed = self.places.append(streams);
            let sections = self.places.offer(None);
            (placed, self.negotiation.create_offer(sections)?.to_string())
        };
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        invitation.accept(cx.now, Some(&Body::sdp(body)))?;
        self.step(SessionTrigger::Accept);
        self.emit(cx.now, SessionEvent::WillStart);
        if offer.is_some() {
            // Media may arrive as soon as the caller has our answer: be ready before the ACK.
            self.start_streams(cx, false, &placed)?;
        }
        Ok(())
    }

    pub(super) fn refuse(&mut self, cx: &mut Context<'_>, code: StatusCode, reason: &str) {
        self.refuse_with(cx, code, reason, &[]);
    }

    fn refuse_with(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
        reason: &str,
        contacts: &[(String, String)],
    ) {
        let cause = Ending {
            code: code.as_u16(),
            ..Ending::local(reason.to_owned())
        };
        self.tell_refused(cx, code);
        self.begin_end(cx, cause.clone());
        let refused = cx
            .endpoint
            .invitation(self.invitation)
            .map(|mut invitation| invitation.reject(cx.now, code, None, contacts));
        if !matches!(refused, Some(Ok(()))) {
            self.finish(cx, cause);
        }
    }
}

/// What an offer proposes, as far as we know such streams.
fn proposed(registry: &MediaStreamRegistry, offer: &SessionDescription) -> Streams {
    let known = (0..offer.media.len()).filter_map(|index| registry.describe(offer, index));
    Streams::new(known.collect())
}
