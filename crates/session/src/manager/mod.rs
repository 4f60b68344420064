//! All sessions of a user agent, over one SIP endpoint and one media plane.

mod bridges;
mod proposals;
mod transfers;

use crate::media::{MediaCommand, MediaEvent, MediaPlane, StreamId, VoiceCommand};
use crate::session::{Connect, Context, Incoming, Referrer, Session, SessionId, body_of, progress_of};
use crate::stream::{MediaStream, MediaStreamRegistry, StreamContext, StreamError, StreamSettings};
use crate::{SessionError, SessionEvent, Stamped};
use offhook_audio_mixer::AudioPort;
use offhook_rtp_media::dtmf::Digit;
use offhook_sansio::{Entropy, Outbox, Path, Received, ServerId, Transmit};
use offhook_sip_core::endpoint::{Trace, TransportFailure};
use offhook_sip_core::invitation::{Cause, RedirectPolicy};
use offhook_sip_core::registration::RegisterError;
use offhook_sip_core::{
    Endpoint, EndpointEvent, HeaderName, InvitationEvent, InvitationId, InvitationState, KeepAlive, NameAddr,
    Request, StatusCode,
};
use offhook_sip_core::{Register, RegistrationEvent, RegistrationId};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tracing::{debug, info};

/// What holds for all sessions of a user agent.
#[derive(Clone, Debug)]
pub struct SessionConfig {
    /// Sessions at a time; a further INVITE is answered with 486. Default 1000: what one core can carry as PCMU.
    pub most_sessions: usize,
    /// What holds for all streams that do not say otherwise.
    pub streams: StreamSettings,
    /// The kinds of streams that an application is asked about; others are refused by themselves.
    pub registry: MediaStreamRegistry,
    /// What becomes of a call that is sent elsewhere (3xx). Default [`RedirectPolicy::Tell`]: it fails, and
    /// [`SessionEvent::DidFail`] says where to.
    pub redirects: RedirectPolicy,
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            most_sessions: 1000,
            streams: StreamSettings::default(),
            registry: MediaStreamRegistry::default(),
            redirects: RedirectPolicy::default(),
        }
    }
}

/// All sessions of a user agent (`SessionManager` of the documents): a core over the core of SIP.
///
/// Feed it what arrives with [`handle_received`](Self::handle_received) and
/// [`handle_media_event`](Self::handle_media_event), then drain it as [`offhook_sansio`] says.
pub struct SessionManager {
    endpoint: Endpoint,
    plane: Box<dyn MediaPlane>,
    config: SessionConfig,
    entropy: Entropy,
    /// In the order of their birth, so that a simulation repeats itself.
    sessions: BTreeMap<SessionId, Session>,
    /// Whose invitation it is.
    by_invitation: HashMap<InvitationId, SessionId>,
    /// Whose stream it is, or was.
    by_stream: HashMap<StreamId, SessionId>,
    next_id: u64,
    /// When which session's streams want to do something: one entry a session at most.
    stream_timers: BTreeSet<(Instant, SessionId)>,
    bridges: bridges::Bridges,
    events: Outbox<ManagerEvent>,
}

/// What a [`SessionManager`] tells its owner.
#[non_exhaustive]
pub enum ManagerEvent {
    /// About a session. An incoming one is born with `NewIncoming`.
    Session {
        /// Which.
        id: SessionId,
        /// What, and when.
        event: Stamped<SessionEvent>,
    },
    /// About what is no call: a request, a message, a publication, a subscription.
    Usage(Box<EndpointEvent>),
    /// About a registration.
    Registration {
        /// Which.
        id: RegistrationId,
        /// What.
        event: RegistrationEvent,
    },
    /// A connection that we opened, or wanted to open, is not there.
    TransportFailed {
        /// Between whom.
        path: Path,
        /// Why.
        failure: TransportFailure,
    },
    /// A SIP message, when the endpoint's trace is on.
    Trace(Trace),
    /// An audio port came back from the media side: drop it where blocking does no harm.
    Detached {
        /// The port.
        audio: Box<dyn AudioPort>,
    },
}

impl fmt::Debug for ManagerEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Session { id, event } => write!(f, "{id:?}: {:?}", event.event),
            Self::Usage(event) => write!(f, "{event:?}"),
            Self::Registration { id, event } => write!(f, "{id:?}: {event:?}"),
            Self::TransportFailed { path, failure } => write!(f, "{path}: {failure}"),
            Self::Trace(trace) => write!(f, "Trace({})", trace.path),
            Self::Detached { .. } => f.write_str("Detached"),
        }
    }
}

impl SessionManager {
    /// A manager without sessions.
    pub fn new(
        endpoint: Endpoint,
        plane: Box<dyn MediaPlane>,
        config: SessionConfig,
        entropy: Entropy,
    ) -> Self {
        let (sessions, events) = (BTreeMap::new(), Outbox::new());
        Self {
            endpoint,
            plane,
            config,
            entropy,
            sessions,
            by_invitation: HashMap::new(),
            by_stream: HashMap::new(),
            next_id: 0,
            stream_timers: BTreeSet::new(),
            bridges: bridges::Bridges::default(),
            events,
        }
    }

    /// The SIP endpoint below, for its addresses and statistics.
    pub fn endpoint(&mut self) -> &mut Endpoint {
        &mut self.endpoint
    }

    /// The name that the server of a path must prove to have; see [`Endpoint::server_name`].
    pub fn server_name(&self, id: ServerId) -> Option<Arc<str>> {
        self.endpoint.server_name(id)
    }

    /// The sessions that are not over, oldest first.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.sessions.iter().map(|(id, session)| (*id, session))
    }

    /// One session.
    pub fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(&id)
    }

    /// Calls somebody.
    pub fn connect(&mut self, now: Instant, connect: Connect<'_>) -> Result<SessionId, SessionError> {
        let id = self.place(now, connect, None)?;
        self.settle(now);
        Ok(id)
    }

    /// Makes a call, perhaps because somebody asked for it by a REFER.
    fn place(
        &mut self,
        now: Instant,
        connect: Connect<'_>,
        referral: Option<(&Request, Referrer)>,
    ) -> Result<SessionId, SessionError> {
        if self.sessions.len() >= self.config.most_sessions {
            return Err(SessionError::TooMany(self.config.most_sessions));
        }
        let route = connect.routes.first().ok_or(SessionError::NoRoute)?;
        let local_ip = self.plane.local_ip(route.address.ip())?;
        let (mut cx, entropy, _) = self.apart(now);
        let session = Session::connect(&mut cx, entropy, local_ip, connect, referral)?;
        Ok(self.adopt(now, session))
    }

    /// Says that an incoming session rings.
    pub fn send_ring_indication(&mut self, now: Instant, id: SessionId) -> Result<(), SessionError> {
        self.with(now, id, Session::send_ring_indication)
    }

    /// Accepts an incoming session with these streams, each for the first proposed one of its kind.
    pub fn accept(
        &mut self,
        now: Instant,
        id: SessionId,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<(), SessionError> {
        let local_ip = self.local_ip_of(id)?;
        // Before it is accepted: the end of the session whose place it takes shall say so.
        self.note_replaced_by(id, true);
        let accepted = self.with(now, id, |session, cx| session.accept(cx, local_ip, streams));
        if accepted.is_err() {
            self.note_replaced_by(id, false);
        }
        accepted
    }

    /// Refuses an incoming session, usually with 486 (busy) or 603 (decline).
    pub fn reject(&mut self, now: Instant, id: SessionId, code: StatusCode) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.reject(cx, code))
    }

    /// Sends the caller of an incoming session elsewhere (302), to the first of these that answers.
    pub fn redirect(
        &mut self,
        now: Instant,
        id: SessionId,
        targets: &[NameAddr],
    ) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.redirect(cx, targets))
    }

    /// Ends a session in whatever state it is.
    pub fn end(&mut self, now: Instant, id: SessionId) -> Result<(), SessionError> {
        self.with(now, id, Session::end)
    }

    /// Ends all sessions and registrations.
    pub fn end_all(&mut self, now: Instant) {
        let ids: Vec<_> = self.sessions.keys().copied().collect();
        for id in ids {
            // One that is over in the meantime is what is wanted.
            let _ = self.end(now, id);
        }
        self.endpoint.end_all(now);
        self.settle(now);
    }

    /// Holds or resumes a session as soon as its state allows it.
    pub fn set_hold(&mut self, now: Instant, id: SessionId, on_hold: bool) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.set_hold(cx, on_hold))
    }

    /// Runs a command on the first stream of a type, or on the one with that name: sends a message on a chat, say.
    pub fn with_stream<S: MediaStream, R>(
        &mut self,
        now: Instant,
        id: SessionId,
        stream: Option<StreamId>,
        command: impl FnOnce(&mut S, &mut StreamContext<'_>) -> Result<R, StreamError>,
    ) -> Result<R, SessionError> {
        self.with(now, id, |session, cx| session.with_stream(cx, stream, command))
    }

    /// Says that an application has read an event of a stream that [waits for that](crate::StreamEvent::is_waited_for). Say it once
    /// for each; nothing happens when the stream is over.
    pub fn event_taken(&mut self, now: Instant, id: SessionId, stream: StreamId) {
        let taken = self.with(now, id, |session, cx| {
            session.event_taken(cx, stream);
            Ok(())
        });
        if let Err(error) = taken {
            debug!(%error, "an event was read after the end of its session");
        }
    }

    /// Sends a DTMF digit in an established session.
    pub fn send_dtmf(&mut self, now: Instant, id: SessionId, digit: Digit) -> Result<(), SessionError> {
        self.with(now, id, |session, cx| session.send_dtmf(cx, digit))
    }

    /// Registers an address and keeps it registered; what follows comes as [`ManagerEvent::Registration`].
    pub fn register(&mut self, now: Instant, register: Register) -> Result<RegistrationId, RegisterError> {
        let id = self.endpoint.register(now, register)?;
        self.settle(now);
        Ok(id)
    }

    /// Takes a registration back.
    pub fn unregister(&mut self, now: Instant, id: RegistrationId) {
        self.endpoint.unregister(now, id);
        self.settle(now);
    }

    /// Lets the endpoint do what is no call: requests, messages, publications, subscriptions. What comes of it is told by
    /// [`ManagerEvent::Usage`]. Calls made here belong to nobody: use [`connect`](Self::connect).
    pub fn with_endpoint<R>(&mut self, now: Instant, act: impl FnOnce(&mut Endpoint) -> R) -> R {
        let result = act(&mut self.endpoint);
        self.settle(now);
        result
    }

    /// Takes a SIP message.
    pub fn handle_received(&mut self, now: Instant, received: Received) {
        self.endpoint.handle_received(now, received);
        self.settle(now);
    }

    /// Takes the news that a path does not work.
    pub fn handle_transport_error(&mut self, now: Instant, path: Path) {
        self.endpoint.handle_transport_error(now, path);
        self.settle(now);
    }

    /// Takes the same news of a connection that we opened or wanted to open, with the reason.
    pub fn handle_transport_failure(&mut self, now: Instant, path: Path, failure: TransportFailure) {
        self.endpoint.handle_transport_failure(now, path, failure);
        self.settle(now);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.endpoint.handle_timeout(now);
        while let Some((due, id)) = self.stream_timers.first().copied()
            && due <= now
        {
            let handled = self.with(now, id, |session, cx| {
                session.handle_timeout(cx);
                Ok(())
            });
            debug_assert!(handled.is_ok(), "a session takes its timers with it");
        }
        self.settle(now);
    }

    /// Has something done with the device that all streams share.
    pub fn command_voice(&mut self, command: VoiceCommand) {
        self.plane.send(MediaCommand::Voice(command));
    }

    /// Takes what the media side tells.
    pub fn handle_media_event(&mut self, now: Instant, event: MediaEvent) {
        if let MediaEvent::Detached { audio, .. } | MediaEvent::Released { audio } = event {
            return self.events.push(ManagerEvent::Detached { audio });
        }
        let Some(stream) = event.stream() else { return };
        if let MediaEvent::Stopped { .. } = event {
            self.bridges.forget(stream);
        }
        if let Some(id) = self.by_stream.get(&stream).copied() {
            let handled = self.with(now, id, |session, cx| {
                session.handle_media_event(cx, stream, event);
                Ok(())
            });
            debug_assert!(handled.is_ok(), "the owner was found a line above");
        }
    }

    /// The next SIP message to send.
    #[must_use = "a message that is polled and dropped is lost"]
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.endpoint.poll_transmit()
    }

    /// The next connection that is to be kept alive in another way: for whoever drives connections.
    pub fn poll_keep_alive(&mut self) -> Option<KeepAlive> {
        self.endpoint.poll_keep_alive()
    }

    /// The next event for the application.
    #[must_use = "an event that is polled and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<ManagerEvent> {
        self.events.pop()
    }

    /// True when no session runs and nothing waits to be answered.
    pub fn is_idle(&self) -> bool {
        self.sessions.is_empty() && self.endpoint.is_idle()
    }

    /// When to call [`handle_timeout`](Self::handle_timeout) next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        let streams = self.stream_timers.first().map(|(due, _)| *due);
        self.endpoint.poll_timeout().into_iter().chain(streams).min()
    }

    /// What a session needs while it handles something, and beside it the randomness for a new one, and all sessions.
    fn apart(&mut self, now: Instant) -> (Context<'_>, &mut Entropy, &mut BTreeMap<SessionId, Session>) {
        let cx = Context {
            now,
            endpoint: &mut self.endpoint,
            plane: &mut *self.plane,
            settings: &self.config.streams,
            registry: &self.config.registry,
            redirects: self.config.redirects,
        };
        (cx, &mut self.entropy, &mut self.sessions)
    }

    /// Runs a command on one session, then brings everything to rest.
    fn with<R>(
        &mut self,
        now: Instant,
        id: SessionId,
        command: impl FnOnce(&mut Session, &mut Context<'_>) -> Result<R, SessionError>,
    ) -> Result<R, SessionError> {
        let (mut cx, _, sessions) = self.apart(now);
        let session = sessions.get_mut(&id).ok_or(SessionError::Unknown)?;
        let result = command(session, &mut cx);
        self.collect(now, id);
        self.settle(now);
        result
    }

    /// Hands the endpoint's events to the sessions until there are none left.
    fn settle(&mut self, now: Instant) {
        while let Some(event) = self.endpoint.poll_event() {
            match event {
                EndpointEvent::Invitation { id, event } => self.handle_invitation_event(now, id, event),
                EndpointEvent::Registration { id, event } => {
                    self.events.push(ManagerEvent::Registration { id, event });
                }
                EndpointEvent::TransportFailed { path, failure } => {
                    self.events.push(ManagerEvent::TransportFailed { path, failure });
                }
                EndpointEvent::Trace(trace) => self.events.push(ManagerEvent::Trace(trace)),
                usage @ (EndpointEvent::Ask { .. }
                | EndpointEvent::Message { .. }
                | EndpointEvent::MessageReceived(_)
                | EndpointEvent::Publication { .. }
                | EndpointEvent::Subscription { .. }
                | EndpointEvent::IncomingSubscription { .. }) => {
                    self.events.push(ManagerEvent::Usage(Box::new(usage)));
                }
                other => debug!(?other, "an event that no session wants"),
            }
        }
    }

    fn handle_invitation_event(&mut self, now: Instant, invitation: InvitationId, event: InvitationEvent) {
        if let InvitationEvent::StateChanged {
            state: InvitationState::Incoming,
            cause: Cause::Request(request),
            ..
        } = &event
        {
            return self.handle_invite(now, invitation, request);
        }
        let Some(id) = self.session_of(invitation) else {
            return;
        };
        let (mut cx, _, sessions) = self.apart(now);
        if let Some(session) = sessions.get_mut(&id) {
            session.handle_invitation_event(&mut cx, event);
        }
        self.collect(now, id);
    }

    /// A new INVITE: refused when it cannot be understood or there is no room, else a session is born.
    fn handle_invite(&mut self, now: Instant, id: InvitationId, request: &Request) {
        let offer = body_of(request.headers(), request.body());
        let refusal = if self.sessions.len() >= self.config.most_sessions {
            info!(
                limit = self.config.most_sessions,
                "a call was refused: too many sessions"
            );
            Some(StatusCode::BUSY_HERE)
        } else if offer.is_none() && !request.body().is_empty() {
            Some(StatusCode::NOT_ACCEPTABLE_HERE)
        } else {
            None
        };
        let Some(mut invitation) = self.endpoint.invitation(id) else {
            return;
        };
        if let Some(code) = refusal {
            if let Err(error) = invitation.reject(now, code, None, &[]) {
                debug!(%error, "an INVITE went away before it was refused");
            }
            return;
        }
        let (local_identity, remote_identity) = (invitation.local().clone(), invitation.remote().clone());
        let transport = invitation.transport();
        let peer = invitation.path().remote.ip();
        let local_ip = match self.plane.local_ip(peer) {
            Ok(local_ip) => local_ip,
            Err(error) => {
                debug!(%error, "no way to send media to the caller");
                invitation.path().local.ip()
            }
        };
        let user_agent = request.headers().get_str(HeaderName::UserAgent);
        let incoming = Incoming {
            invitation: id,
            local_identity,
            remote_identity,
            transport,
            remote_user_agent: user_agent.map(str::to_owned),
            replaces: self.replaced_by(id),
            offer,
        };
        let session = Session::incoming(now, &mut self.entropy, local_ip, &self.config.registry, incoming);
        self.adopt(now, session);
    }

    fn adopt(&mut self, now: Instant, session: Session) -> SessionId {
        let id = SessionId(self.next_id);
        self.next_id += 1;
        self.by_invitation.insert(session.invitation(), id);
        self.sessions.insert(id, session);
        self.collect(now, id);
        id
    }

    /// Takes a session's events, and lets go of the session when it is over.
    fn collect(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else {
            return;
        };
        let referrer = session.referrer();
        let mut progress = Vec::new();
        while let Some(event) = session.poll_event() {
            if let Some(referrer) = referrer {
                let told = progress_of(&event.event);
                progress.extend(told.map(|(code, reason)| (referrer, code, reason.to_owned())));
            }
            self.events.push(ManagerEvent::Session { id, event });
        }
        let is_over = session.state() == crate::SessionState::Terminated;
        let due = session.poll_timeout().filter(|_| !is_over);
        let before = session.replace_timer(due);
        if before != due {
            before.map(|before| self.stream_timers.remove(&(before, id)));
            self.stream_timers.extend(due.map(|due| (due, id)));
        }
        self.by_stream
            .extend(session.opened().iter().map(|stream| (*stream, id)));
        if is_over && let Some(session) = self.sessions.remove(&id) {
            self.by_invitation.remove(&session.invitation());
            for stream in session.opened() {
                self.by_stream.remove(stream);
            }
        }
        for (referrer, code, reason) in progress {
            self.tell_referrer(now, referrer, code, &reason);
        }
    }

    fn session_of(&self, invitation: InvitationId) -> Option<SessionId> {
        self.by_invitation.get(&invitation).copied()
    }

    /// The address of ours that the session's peer shall send media to.
    fn local_ip_of(&mut self, id: SessionId) -> Result<IpAddr, SessionError> {
        let session = self.sessions.get(&id).ok_or(SessionError::Unknown)?;
        let invitation = self
            .endpoint
            .invitation(session.invitation())
            .ok_or(SessionError::Unknown)?;
        Ok(self.plane.local_ip(invitation.path().remote.ip())?)
    }
}
