//! Calling somebody: offer, ringing, answer.

use super::places::{Outcome, Places};
use super::{Context, Ending, Referrer, Session, template};
use crate::stream::{MediaStream, Parties, StreamError};
use crate::{SessionDirection, SessionError, SessionEvent, SessionState};
use offhook_account::Account;
use offhook_sansio::Entropy;
use offhook_sdp::SessionDescription;
use offhook_sdp::offer_answer::Negotiation;
use offhook_sip_core::{Body, Invite, NameAddr, Request, Route, StatusCode};
use std::net::IpAddr;
use tracing::debug;

/// What it takes to call somebody.
pub struct Connect<'a> {
    /// Who calls.
    pub account: &'a Account,
    /// Whom: becomes the To header field and the request URI.
    pub to: NameAddr,
    /// Where the INVITE goes, tried in order until one answers (RFC 3263 §4.3).
    pub routes: Vec<Route>,
    /// What is offered; at least one.
    pub streams: Vec<Box<dyn MediaStream>>,
}

impl Session {
    /// Offers the streams and sends the INVITE; as the other side of another session asked, where there is a REFER.
    pub(crate) fn connect(
        cx: &mut Context<'_>,
        entropy: &mut Entropy,
        local_ip: IpAddr,
        connect: Connect<'_>,
        referral: Option<(&Request, Referrer)>,
    ) -> Result<Self, SessionError> {
        let Connect {
            account,
            mut to,
            routes,
            streams,
        } = connect;
        if streams.is_empty() {
            return Err(SessionError::NoStreams);
        }
        let route = routes.first().cloned().ok_or(SessionError::NoRoute)?;
        let transport = route.transport;
        let mut places = Places::default();
        let settings = cx.settings;
        let streams = places.initialize(&mut cx.stage(), streams, local_ip, settings)?;
        places.append(streams);
        let mut negotiation = Negotiation::new(template(entropy, local_ip));
        let offer = negotiation.create_offer(places.offer(None))?.to_string();
        let mut from = NameAddr::new(account.uri_at(local_ip).into());
        from.set_display_name(account.display_name.as_deref().unwrap_or_default());
        let invite = match referral {
            Some((refer, _)) => {
                Invite::referred(from.clone(), refer, route).ok_or(SessionError::NotCallable)?
            }
            None => Invite::new(from.clone(), to.uri.clone(), route),
        };
        // Without what a referral's URI asks for besides (RFC 3261 §19.1.1, Table 1).
        to.uri = invite.request_uri.clone();
        let invite = Invite {
            to: to.clone(),
            routes,
            credentials: account.credentials(),
            offer: Some(Body::sdp(offer)),
            redirects: cx.redirects,
            ..invite
        };
        let invitation = match cx.endpoint.invite(cx.now, invite) {
            Ok(invitation) => invitation,
            Err(error) => {
                places.end_all(&mut cx.stage());
                return Err(error.into());
            }
        };
        let mut session = Self::new(
            SessionDirection::Outgoing,
            from,
            to,
            invitation,
            transport,
            negotiation,
        );
        session.account = Some(account.id().clone());
        session.places = places;
        session.referrer = referral.map(|(_, referrer)| referrer);
        let event = SessionEvent::NewOutgoing {
            remote_identity: session.remote_identity.clone(),
            streams: session.streams(),
        };
        session.emit(cx.now, event);
        session.relay(cx.now);
        Ok(session)
    }

    /// A provisional response to our INVITE.
    pub(super) fn handle_provisional(
        &mut self,
        cx: &mut Context<'_>,
        code: StatusCode,
        reason: String,
        answer: Option<SessionDescription>,
    ) {
        if self.state != SessionState::Connecting {
            return;
        }
        if let Some(answer) = answer {
            self.hear_early(cx, &answer);
            self.early_answer = Some(answer);
        }
        self.emit(
            cx.now,
            match code {
                StatusCode::RINGING => SessionEvent::GotRingIndication,
                _ => SessionEvent::GotProvisionalResponse { code, reason },
            },
        );
    }

    /// What an answer promises that is not final yet, be it of one branch of several: nothing is settled by it.
    fn hear_early(&mut self, cx: &mut Context<'_>, answer: &SessionDescription) {
        let mut negotiation = self.negotiation.clone();
        if let Err(error) = negotiation.handle_answer(answer.clone()) {
            return debug!(%error, "an early answer that cannot be followed");
        }
        let parties = Parties {
            local: &self.local_identity,
            remote: &self.remote_identity,
        };
        let outcome = Outcome {
            negotiation: &negotiation,
            is_offerer: true,
            parties,
        };
        self.places.start_early(&mut cx.stage(), outcome);
        self.relay(cx.now);
    }

    /// The 2xx to our INVITE; its ACK is already on the way.
    pub(super) fn handle_accepted(&mut self, cx: &mut Context<'_>, answer: Option<SessionDescription>) {
        if self.state != SessionState::Connecting {
            return;
        }
        if let Err(reason) = self.conclude(cx, answer) {
            self.terminate(cx, Ending::local(reason));
        }
    }

    fn conclude(&mut self, cx: &mut Context<'_>, answer: Option<SessionDescription>) -> Result<(), String> {
        let answer = answer
            .or_else(|| self.early_answer.take())
            .ok_or_else(|| "the other side accepted without a session description".to_owned())?;
        let (answer, misfits) = self.fitted(answer);
        self.negotiation
            .handle_answer(answer)
            .map_err(|error| error.to_string())?;
        self.emit(cx.now, SessionEvent::WillStart);
        self.confirmed = true;
        self.on_places(cx, |places, stage| {
            for index in misfits {
                places.fail(stage, index, &StreamError::OtherAnswer);
            }
        });
        if self.places.is_empty() {
            return Err(StreamError::OtherAnswer.to_string());
        }
        let all: Vec<usize> = (0..self.places.len()).collect();
        self.start_streams(cx, true, &all)
            .map_err(|error| error.to_string())?;
        self.notice_running(cx);
        Ok(())
    }
}
