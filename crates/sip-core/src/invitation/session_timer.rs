//! Session timers (RFC 4028): a call that nobody refreshes ends by itself, so that none outlives a peer that died.

use super::request::Purpose;
use super::{Cause, Invitation, InvitationState, InviteKind, Originator, SentInvite, Timer, internal};
use crate::endpoint::{Core, EndpointConfig, Reliability, SendError};
use crate::header::{CSeq, MinSe, Refresher, SessionExpires};
use crate::{HeaderName, Headers, Method, Request, Response, StatusCode};
use std::time::{Duration, Instant};

/// RFC 4028 §5: the least that Min-SE may say, and what holds where it is absent.
const LEAST: u32 = 90;
/// RFC 4028 §10: the BYE goes this long before the end, or a third of the interval before it, whichever is shorter.
const EARLIER: Duration = Duration::from_secs(32);
/// How long a refresh waits that finds another request on its way.
const BUSY_WAIT: Duration = Duration::from_secs(2);

/// The timer of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct SessionTimer {
    /// The largest Min-SE that the peer told us, in a 422 or a request: we repeat it (RFC 4028 §7.4).
    raised: Option<u32>,
    agreed: Option<AgreedInterval>,
}

#[derive(Clone, Copy, Debug)]
struct AgreedInterval {
    seconds: u32,
    is_refresher: bool,
}

impl SessionTimer {
    /// Says in a request what we want (RFC 4028 §7.1, §7.4). Inside a call the roles stay as they are.
    pub(super) fn ask(&self, headers: &mut Headers, config: &EndpointConfig) {
        let Some(timer) = &config.session_timer else {
            return;
        };
        let seconds = self.agreed.map_or(timer.expires, |agreed| agreed.seconds);
        let seconds = seconds.max(self.raised.unwrap_or(0)).max(timer.min_se);
        let refresher = self.agreed.map(|agreed| {
            if agreed.is_refresher {
                Refresher::Uac
            } else {
                Refresher::Uas
            }
        });
        headers.push_typed(&SessionExpires::new(seconds, refresher));
        let least = self.raised.unwrap_or(0).max(timer.min_se);
        // What is true without it need not be said, unless the peer has spoken of it.
        if self.raised.is_some() || least > LEAST {
            headers.push_typed(&MinSe::new(least));
        }
    }

    /// Takes the Min-SE of a 422; true where asking for that much is something new (RFC 4028 §7.3).
    pub(super) fn raise(&mut self, response: &Response) -> bool {
        let Some(Ok(least)) = response.headers().typed::<MinSe>() else {
            return false;
        };
        let is_new = self.raised.is_none_or(|raised| least.seconds > raised);
        if is_new {
            self.raised = Some(least.seconds);
        }
        is_new
    }

    /// What we grant to a request that we accept (RFC 4028 §9, Table 2).
    fn grant(&mut self, config: &EndpointConfig, request: &Headers) -> Option<SessionExpires> {
        let timer = config.session_timer.as_ref()?;
        let is_supported = request.has_token(HeaderName::Supported, "timer");
        let asked = match request.typed::<SessionExpires>() {
            Some(Ok(asked)) => Some(asked),
            _ => None,
        };
        let least = match request.typed::<MinSe>() {
            Some(Ok(least)) => {
                self.raised = self.raised.max(Some(least.seconds));
                least.seconds.max(LEAST)
            }
            _ => LEAST,
        };
        let ours = timer.expires.max(least);
        let seconds = match &asked {
            // It may be made shorter, not longer, and not shorter than the Min-SE of the request.
            Some(asked) => asked.seconds.min(ours).max(least.min(asked.seconds)),
            None if is_supported => ours,
            None => return None,
        };
        let refresher = match asked.and_then(|asked| asked.refresher()) {
            _ if !is_supported => Refresher::Uas,
            Some(refresher) => refresher,
            None => Refresher::Uac,
        };
        self.agreed = Some(AgreedInterval {
            seconds,
            is_refresher: refresher == Refresher::Uas,
        });
        Some(SessionExpires::new(seconds, Some(refresher)))
    }

    /// Takes what the 2xx to a request of ours says (RFC 4028 §7.2).
    fn take(&mut self, config: &EndpointConfig, response: &Headers) {
        self.agreed = match response.typed::<SessionExpires>() {
            Some(Ok(granted)) if config.session_timer.is_some() => Some(AgreedInterval {
                seconds: granted.seconds.max(1),
                is_refresher: granted.refresher() != Some(Refresher::Uas),
            }),
            _ => None,
        };
    }

    /// The interval in seconds, and whether we refresh.
    pub(super) fn agreed(&self) -> Option<(u32, bool)> {
        self.agreed.map(|agreed| (agreed.seconds, agreed.is_refresher))
    }
}

impl Core {
    /// Refuses a request that wants a shorter interval than we do (RFC 4028 §9).
    pub(super) fn refuse_interval(&self, request: &Request) -> Option<Response> {
        let least = self.config.session_timer.as_ref()?.min_se.max(LEAST);
        let asked = request.headers().typed::<SessionExpires>()?.ok()?;
        if asked.seconds >= least || !request.headers().has_token(HeaderName::Supported, "timer") {
            return None;
        }
        let mut response = self.response_to(request, StatusCode::SESSION_INTERVAL_TOO_SMALL);
        response.headers_mut().push_typed(&MinSe::new(least));
        Some(response)
    }

    /// Refuses an INVITE that the policies of the endpoint do not accept: 422 (RFC 4028 §9), 421 (RFC 3262 §3).
    pub(crate) fn refuse_invite(&self, request: &Request) -> Option<Response> {
        if let Some(response) = self.refuse_interval(request) {
            return Some(response);
        }
        let headers = request.headers();
        let is_reliable = [HeaderName::Supported, HeaderName::Require]
            .into_iter()
            .any(|name| headers.has_token(name, "100rel"));
        if self.config.reliability == Reliability::Required && !is_reliable {
            let mut response = self.response_to(request, StatusCode::EXTENSION_REQUIRED);
            response.headers_mut().push(HeaderName::Require, "100rel");
            return Some(response);
        }
        None
    }
}

impl Invitation {
    /// Puts into the 2xx what we grant, and begins to count.
    pub(super) fn agree_session(&mut self, core: &Core, now: Instant, response: &mut Response) {
        let Some(received) = &self.received else { return };
        let granted = self.session.grant(&core.config, received.request.headers());
        self.say_session(now, granted, response);
    }

    /// The same for the 2xx to an UPDATE.
    pub(super) fn agree_update(
        &mut self,
        core: &Core,
        now: Instant,
        request: &Request,
        response: &mut Response,
    ) {
        let granted = self.session.grant(&core.config, request.headers());
        self.say_session(now, granted, response);
    }

    fn say_session(&mut self, now: Instant, granted: Option<SessionExpires>, response: &mut Response) {
        if let Some(granted) = granted {
            response.headers_mut().set_typed(&granted);
            if granted.refresher() == Some(Refresher::Uac) {
                response.headers_mut().push(HeaderName::Require, "timer");
            }
        } else {
            self.session.agreed = None;
        }
        self.count_session(now);
    }

    /// Takes from a 2xx what the peer grants, and begins to count.
    pub(super) fn take_session(&mut self, core: &Core, now: Instant, response: &Response) {
        self.session.take(&core.config, response.headers());
        self.count_session(now);
    }

    fn count_session(&mut self, now: Instant) {
        self.timers.stop(Timer::Refresh);
        self.timers.stop(Timer::SessionEnd);
        let Some(agreed) = self.session.agreed else { return };
        let interval = Duration::from_secs(u64::from(agreed.seconds));
        self.timers.set(
            Timer::SessionEnd,
            now + interval.saturating_sub(EARLIER.min(interval / 3)),
        );
        if agreed.is_refresher {
            self.timers.set(Timer::Refresh, now + interval / 2);
        }
    }

    /// Half of the interval is over and it is our turn (RFC 4028 §7.4): by UPDATE, where the peer knows it.
    pub(super) fn refresh_session(&mut self, core: &mut Core, now: Instant) {
        let is_busy = self.state != InvitationState::Confirmed
            || self.is_unacked()
            || self.open_reinvite().is_some()
            || !self.descriptions.is_idle()
            || self.update.is_some();
        if is_busy {
            self.timers.set(Timer::Refresh, now + BUSY_WAIT);
            return;
        }
        let sent = if self.peer.allows_update {
            self.send_refreshing_update(core, now)
        } else {
            self.send_refreshing_reinvite(core, now)
        };
        if let Err(error) = sent {
            tracing::debug!(%error, "a session could not be refreshed");
            self.timers.set(Timer::Refresh, now + BUSY_WAIT);
        }
    }

    fn send_refreshing_update(&mut self, core: &mut Core, now: Instant) -> Result<(), SendError> {
        let Some(dialog) = &mut self.dialog else {
            return Ok(());
        };
        let id = dialog.id().clone();
        let mut request = dialog.request(Method::Update);
        self.session.ask(request.headers_mut(), &core.config);
        self.send_inside(core, now, &id, request, Purpose::Refresh)?;
        Ok(())
    }

    /// With the description in use, which changes nothing (RFC 4028 §7.4).
    fn send_refreshing_reinvite(&mut self, core: &mut Core, now: Instant) -> Result<(), SendError> {
        let offer = self.descriptions.local().cloned();
        self.send_invite_inside(core, now, offer.clone(), InviteKind::Refresh)?;
        if let Some(offer) = offer {
            self.descriptions.offer(offer);
        }
        Ok(())
    }

    /// The end of a refresh; those that end the call are met where all requests are (RFC 4028 §7.4, §10).
    pub(super) fn conclude_refresh(&mut self, core: &mut Core, now: Instant, cause: &Cause) {
        if !self.state.is_established() {
            return;
        }
        let Cause::Response(response) = cause else { return };
        match response.status() {
            status if status.is_success() => {
                if let Some(dialog) = &mut self.dialog {
                    dialog.refresh_target(response.headers());
                }
                self.take_session(core, now, response);
            }
            StatusCode::SESSION_INTERVAL_TOO_SMALL if self.session.raise(response) => {
                self.refresh_session(core, now);
            }
            StatusCode::METHOD_NOT_ALLOWED | StatusCode::NOT_IMPLEMENTED if self.peer.allows_update => {
                self.peer.allows_update = false;
                self.refresh_session(core, now);
            }
            StatusCode::REQUEST_PENDING => {
                let wait = self.glare_wait(core);
                self.timers.set(Timer::Refresh, now + wait);
            }
            _ => {
                if let Some(wait) = cause.retry_after() {
                    self.timers.set(Timer::Refresh, now + wait);
                }
            }
        }
    }

    /// A response to a re-INVITE that was sent to refresh.
    pub(super) fn handle_refresh_response(
        &mut self,
        core: &mut Core,
        now: Instant,
        index: usize,
        response: &Response,
    ) {
        let sent = &self.sent[index];
        let (id, request, number) = (sent.id, sent.request.clone(), sent.number);
        let cause = Cause::Response(response.clone());
        let dialog = self.dialog.as_ref().map(|dialog| dialog.id().clone());
        if response.status().is_success() {
            self.acknowledge(core, id, &request, number, None);
        }
        if let Some(dialog) = dialog {
            let has_offer = self.descriptions.is_ours();
            self.conclude_exchange(core, &dialog, has_offer, &cause);
        }
        if matches!(
            response.status(),
            StatusCode::CALL_OR_TRANSACTION_DOES_NOT_EXIST | StatusCode::REQUEST_TIMEOUT
        ) {
            self.send_bye(core, now, None);
            self.finish(core, now, Originator::Remote, cause);
            return;
        }
        if self.auth.can_answer(response) {
            self.refresh_session(core, now);
            return;
        }
        self.conclude_refresh(core, now, &cause);
    }

    /// Nobody refreshed in time (RFC 4028 §10).
    pub(super) fn expire_session(&mut self, core: &mut Core, now: Instant) {
        if !self.state.is_established() {
            return;
        }
        self.refuse_received(core, now, StatusCode::REQUEST_TERMINATED);
        self.send_bye(core, now, Some("SIP;cause=408;text=\"Session expired\""));
        let cause = internal(StatusCode::REQUEST_TIMEOUT, "session expired");
        self.finish(core, now, Originator::Local, cause);
    }
}

/// What the peer says of itself.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Peer {
    /// Allow has UPDATE.
    pub(super) allows_update: bool,
}

impl Peer {
    pub(super) fn learn(&mut self, headers: &Headers) {
        if headers.contains(HeaderName::Allow) {
            self.allows_update = headers.has_token(HeaderName::Allow, "UPDATE");
        }
    }
}

impl SentInvite {
    /// The number of a request of ours.
    pub(super) fn number_of(request: &Request) -> u32 {
        match request.headers().typed::<CSeq>() {
            Some(Ok(cseq)) => cseq.number,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::SessionTimerConfig;

    fn config() -> EndpointConfig {
        EndpointConfig {
            session_timer: Some(SessionTimerConfig {
                expires: 1800,
                min_se: 90,
            }),
            ..EndpointConfig::default()
        }
    }

    /// RFC 4028 §9, Table 2, and the bounds of the interval.
    #[test]
    fn what_is_granted_depends_on_what_is_asked_and_supported() {
        let check = |supported: bool, asked: &str, least: &str, granted: Option<(u32, bool)>| {
            let mut request = Headers::new();
            if supported {
                request.push(HeaderName::Supported, "timer");
            }
            for (name, value) in [(HeaderName::SessionExpires, asked), (HeaderName::MinSe, least)] {
                if !value.is_empty() {
                    request.push(name, value);
                }
            }
            let mut timer = SessionTimer::default();
            timer.grant(&config(), &request);
            assert_eq!(timer.agreed(), granted, "{supported} {asked} {least}");
        };
        check(false, "", "", None);
        check(false, "600", "", Some((600, true)));
        check(false, "600;refresher=uac", "", Some((600, true)));
        check(true, "", "", Some((1800, false)));
        check(true, "", "2000", Some((2000, false)));
        check(true, "600", "", Some((600, false)));
        check(true, "600;refresher=uac", "", Some((600, false)));
        check(true, "600;refresher=uas", "", Some((600, true)));
        check(true, "3600", "", Some((1800, false)));
        check(true, "3600", "2400", Some((2400, false)));
    }

    #[test]
    fn a_422_is_followed_while_it_asks_for_more_each_time() {
        let mut timer = SessionTimer::default();
        let mut response = Response::new(StatusCode::SESSION_INTERVAL_TOO_SMALL);
        assert!(
            !timer.raise(&response),
            "without Min-SE there is nothing to follow"
        );
        response.headers_mut().push_typed(&MinSe::new(2000));
        assert!(timer.raise(&response));
        assert!(!timer.raise(&response), "no endless retry");
        let mut headers = Headers::new();
        timer.ask(&mut headers, &config());
        assert_eq!(headers.get_str(HeaderName::SessionExpires), Some("2000"));
        assert_eq!(headers.get_str(HeaderName::MinSe), Some("2000"));
    }

    /// RFC 4028 §7.4: also where it is no more than what holds anyway.
    #[test]
    fn the_largest_min_se_of_the_peer_is_repeated() {
        let repeated = |timer: &SessionTimer| {
            let mut headers = Headers::new();
            timer.ask(&mut headers, &config());
            headers.get_str(HeaderName::MinSe).map(str::to_owned)
        };
        let mut timer = SessionTimer::default();
        assert_eq!(repeated(&timer), None);
        let mut response = Response::new(StatusCode::SESSION_INTERVAL_TOO_SMALL);
        response.headers_mut().push_typed(&MinSe::new(90));
        timer.raise(&response);
        assert_eq!(repeated(&timer).as_deref(), Some("90"));
        for (told, largest) in [(120, "120"), (100, "120")] {
            let mut request = Headers::new();
            request.push(HeaderName::Supported, "timer");
            request.push_typed(&SessionExpires::new(600, None));
            request.push_typed(&MinSe::new(told));
            timer.grant(&config(), &request);
            assert_eq!(repeated(&timer).as_deref(), Some(largest), "Min-SE: {told}");
        }
    }
}
