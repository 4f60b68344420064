//! One call leg: signalling on one side, streams on the other.

mod ending;
mod incoming;
mod outgoing;
mod places;
mod proposal;
mod renegotiation;
mod transactions;
mod transfer;

pub(crate) use incoming::Incoming;
pub use outgoing::Connect;
pub(crate) use transfer::{Referrer, progress_of};

use crate::media::{MediaEvent, MediaPlane, StreamId};
use crate::stream::{
    AudioEvent, AudioStream, DtmfMethod, MediaStream, MediaStreamRegistry, Parties, StreamContext,
    StreamDescription, StreamError, StreamEvent, StreamSettings,
};
use crate::{
    RenegotiationAction, SessionDirection, SessionError, SessionEvent, SessionState, SessionTrigger, Stamped,
    Streams,
};
use ending::Ending;
use offhook_account::AccountId;
use offhook_rtp_media::dtmf::Digit;
use offhook_sansio::{Entropy, Outbox, Transport};
use offhook_sdp::SessionDescription;
use offhook_sdp::offer_answer::Negotiation;
use offhook_sip_core::invitation::{Cause, DescriptionKind, DtmfRelay, RedirectPolicy};
use offhook_sip_core::{
    Body, Endpoint, HeaderName, Headers, InvitationEvent, InvitationId, InvitationState, NameAddr, StatusCode,
};
use places::{Outcome, Places, Stage};
use proposal::Waiting;
use std::any::Any;
use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use tracing::debug;
use transfer::Transfer;

/// How long a digit in an INFO says that its key was held.
const DIGIT: Duration = Duration::from_millis(160);

/// Names one session of its [`SessionManager`](crate::SessionManager).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(pub(crate) u64);

/// What a session needs while it handles something: the layers below, and the time.
pub(crate) struct Context<'a> {
    pub(crate) now: Instant,
    pub(crate) endpoint: &'a mut Endpoint,
    pub(crate) plane: &'a mut dyn MediaPlane,
    pub(crate) settings: &'a StreamSettings,
    pub(crate) registry: &'a MediaStreamRegistry,
    pub(crate) redirects: RedirectPolicy,
}

impl Context<'_> {
    fn stage(&mut self) -> Stage<'_> {
        Stage {
            now: self.now,
            plane: self.plane,
        }
    }
}

/// A session (`Session` of the documents): one call leg with any number of streams.
///
/// The [`SessionManager`](crate::SessionManager) owns it and hands it commands, what its invitation hears, and what
/// its streams tell. Its states are those of [`SessionState`].
pub struct Session {
    state: SessionState,
    direction: SessionDirection,
    account: Option<AccountId>,
    local_identity: NameAddr,
    remote_identity: NameAddr,
    invitation: InvitationId,
    negotiation: Negotiation,
    places: Places,
    /// The places of streams that were started and may not run yet: their connections are being made.
    starting: Vec<usize>,
    /// The INVITE is answered and acknowledged: only streams may be missing.
    confirmed: bool,
    /// An answer that came with a provisional response, in case the final one brings none.
    early_answer: Option<SessionDescription>,
    /// An answer that came just before the change of state that makes it count.
    answer: Option<SessionDescription>,
    hold: Hold,
    exchange: Exchange,
    transfer: Transfer,
    /// Who asked for this call, and is told how it gets on.
    referrer: Option<Referrer>,
    /// Another session takes its place.
    is_replaced: bool,
    transport: Transport,
    remote_user_agent: Option<String>,
    removed: Removed,
    waiting: VecDeque<Waiting>,
    started_at: Option<Instant>,
    /// The entry of the manager's timers.
    timer: Option<Instant>,
    /// The first cause of the end, and when it came: what follows is only its echo.
    ending: Option<(Ending, Instant)>,
    /// Nothing more comes from the signalling; streams may have something to tell still.
    is_signalled: bool,
    events: Outbox<Stamped<SessionEvent>>,
}

/// The re-INVITE that is under way.
#[derive(Debug, Default)]
enum Exchange {
    /// None, or one of theirs that is answered at once.
    #[default]
    Idle,
    /// Ours, which changes directions only.
    Holding,
    /// Ours, by which streams change what they are made of.
    Changing,
    /// Ours, which adds streams at these places.
    Adding(Vec<usize>),
    /// Ours, which leaves out streams that are over.
    Removing(Vec<StreamDescription>),
    /// Theirs, which adds streams and waits for the application.
    Proposed(Vec<StreamDescription>),
}

impl Exchange {
    /// True while ours has no final answer.
    fn is_ours(&self) -> bool {
        matches!(
            self,
            Self::Holding | Self::Changing | Self::Adding(_) | Self::Removing(_)
        )
    }
}

/// Streams that are over on this side.
#[derive(Debug, Default)]
struct Removed {
    /// The other side has not been told of these.
    untold: Vec<StreamDescription>,
    /// It took no note of the last that it was told of: it is not told again for that alone.
    is_refused: bool,
}

/// What is wished, and what is agreed upon.
#[derive(Clone, Copy, Debug, Default)]
struct Hold {
    wished: bool,
    agreed: bool,
    by_remote: bool,
}

impl Session {
    /// Takes what the signalling below tells of this session's invitation.
    pub(crate) fn handle_invitation_event(&mut self, cx: &mut Context<'_>, event: InvitationEvent) {
        self.tell_transaction(cx, &event);
        match event {
            InvitationEvent::Provisional { response } => {
                self.note_user_agent(response.headers());
                let answer = body_of(response.headers(), response.body());
                let reason = response.reason().into_owned();
                self.handle_provisional(cx, response.status(), reason, answer);
            }
            InvitationEvent::Description {
                kind: DescriptionKind::Answer,
                body,
            } => {
                let answer = read_description(&body.bytes);
                if self.exchange.is_ours() {
                    self.handle_reinvite_answered(cx, StatusCode::OK, "", answer);
                } else if self.started_at.is_some() {
                    self.handle_reinvite_confirmed(cx, answer);
                } else {
                    // It counts with the change of state that follows.
                    self.answer = answer;
                }
            }
            InvitationEvent::StateChanged {
                state: InvitationState::Confirmed,
                cause,
                ..
            } => {
                if let Some(headers) = cause.headers() {
                    self.note_user_agent(headers);
                }
                let answer = self.answer.take();
                match self.state {
                    // Once: a re-INVITE of theirs that ends before our streams run confirms the call again.
                    SessionState::Connecting if !self.confirmed => self.handle_accepted(cx, answer),
                    SessionState::Accepting => self.handle_confirmed(cx, answer),
                    _ if self.exchange.is_ours() && is_success_without_body(&cause) => {
                        self.handle_reinvite_answered(cx, StatusCode::OK, "", None);
                    }
                    _ => self.pursue(cx),
                }
            }
            InvitationEvent::Reinvite { request } => {
                let offer = (!request.body().is_empty()).then(|| body_of(request.headers(), request.body()));
                self.handle_reinvite(cx, offer);
            }
            InvitationEvent::Update { request } => {
                let offer = body_of(request.headers(), request.body());
                self.handle_update(cx, offer);
            }
            // What was wished for while the peer changed the session had to wait until here.
            InvitationEvent::ReinviteAcknowledged => self.handle_reinvite_acknowledged(cx),
            InvitationEvent::ReinviteCancelled => self.handle_reinvite_cancelled(cx),
            InvitationEvent::ReinviteFailed { cause, .. } => {
                let code = cause.status().unwrap_or(StatusCode::REQUEST_TIMEOUT);
                self.handle_reinvite_answered(cx, code, &cause.reason(), None);
            }
            InvitationEvent::Redirected { target } => {
                self.emit(cx.now, SessionEvent::Redirected { target });
            }
            InvitationEvent::Info {
                package: None,
                body: Some(body),
            } => self.handle_info(cx.now, &body),
            InvitationEvent::Ended { by, cause } => self.finish(cx, Ending::of(by, &cause)),
            other => self.handle_referral_event(cx, other),
        }
    }

    fn new(
        direction: SessionDirection,
        local_identity: NameAddr,
        remote_identity: NameAddr,
        invitation: InvitationId,
        transport: Transport,
        negotiation: Negotiation,
    ) -> Self {
        let mut session = Self {
            state: SessionState::Null,
            direction,
            account: None,
            local_identity,
            remote_identity,
            invitation,
            negotiation,
            places: Places::default(),
            starting: Vec::new(),
            confirmed: false,
            early_answer: None,
            answer: None,
            hold: Hold::default(),
            exchange: Exchange::Idle,
            transfer: Transfer::None,
            referrer: None,
            is_replaced: false,
            transport,
            remote_user_agent: None,
            removed: Removed::default(),
            waiting: VecDeque::new(),
            started_at: None,
            timer: None,
            ending: None,
            is_signalled: false,
            events: Outbox::new(),
        };
        session.step(match direction {
            SessionDirection::Outgoing => SessionTrigger::Connect,
            SessionDirection::Incoming => SessionTrigger::Invited,
        });
        session
    }

    /// What the other side proposes, as long as it is not answered.
    pub fn proposed_description(&self) -> Option<&SessionDescription> {
        self.negotiation.offer()
    }

    /// The state.
    pub fn state(&self) -> SessionState {
        self.state
    }

    /// Who called.
    pub fn direction(&self) -> SessionDirection {
        self.direction
    }

    /// The account that called. `None` for an incoming session: which of its accounts is meant by the
    /// [local identity](Self::local_identity) is for the application to say.
    pub fn account(&self) -> Option<&AccountId> {
        self.account.as_ref()
    }

    /// Who we are in this session.
    pub fn local_identity(&self) -> &NameAddr {
        &self.local_identity
    }

    /// Who the other side says it is.
    pub fn remote_identity(&self) -> &NameAddr {
        &self.remote_identity
    }

    /// The transport that its signalling began with.
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// What program the other side says it is (User-Agent of its requests, Server of its responses), once it has.
    pub fn remote_user_agent(&self) -> Option<&str> {
        self.remote_user_agent.as_deref()
    }

    /// The invitation that carries the session.
    pub fn invitation(&self) -> InvitationId {
        self.invitation
    }

    /// When the session was established.
    pub fn started_at(&self) -> Option<Instant> {
        self.started_at
    }

    /// True while either side holds.
    pub fn is_on_hold(&self) -> bool {
        self.hold.agreed || self.hold.by_remote
    }

    /// The streams as they stand.
    pub fn streams(&self) -> Streams {
        Streams::new(self.places.iter().map(MediaStream::describe).collect())
    }

    /// What the other side proposes to add, while that waits to be accepted or rejected.
    pub fn proposed_streams(&self) -> Streams {
        match &self.exchange {
            Exchange::Proposed(streams) => Streams::new(streams.clone()),
            _ => Streams::default(),
        }
    }

    /// Who asked for this call.
    pub(crate) fn referrer(&self) -> Option<Referrer> {
        self.referrer
    }

    fn note_user_agent(&mut self, headers: &Headers) {
        let named = headers
            .get_str(HeaderName::UserAgent)
            .or_else(|| headers.get_str(HeaderName::Server));
        if let Some(named) = named {
            self.remote_user_agent = Some(named.to_owned());
        }
    }

    pub(crate) fn poll_event(&mut self) -> Option<Stamped<SessionEvent>> {
        self.events.pop()
    }

    /// When one of the streams wants to do something.
    pub(crate) fn poll_timeout(&self) -> Option<Instant> {
        self.places.poll_timeout()
    }

    /// Notes when that will be; gives what was noted before.
    pub(crate) fn replace_timer(&mut self, due: Option<Instant>) -> Option<Instant> {
        std::mem::replace(&mut self.timer, due)
    }

    pub(crate) fn handle_timeout(&mut self, cx: &mut Context<'_>) {
        self.on_places(cx, Places::handle_timeout);
        self.end_if_over(cx);
    }

    /// Runs something on the streams and passes on what they tell.
    fn on_places<R>(
        &mut self,
        cx: &mut Context<'_>,
        act: impl FnOnce(&mut Places, &mut Stage<'_>) -> R,
    ) -> R {
        let result = act(&mut self.places, &mut cx.stage());
        self.relay(cx.now);
        result
    }

    fn relay(&mut self, now: Instant) {
        while let Some((stream, event)) = self.places.poll_event() {
            self.emit(now, SessionEvent::Stream { stream, event });
        }
    }

    /// Starts streams as both sides agreed. One that starts is enough; without any, the last reason is the error.
    fn start_streams(
        &mut self,
        cx: &mut Context<'_>,
        is_offerer: bool,
        chosen: &[usize],
    ) -> Result<(), StreamError> {
        let outcome = Outcome {
            negotiation: &self.negotiation,
            is_offerer,
            parties: Parties {
                local: &self.local_identity,
                remote: &self.remote_identity,
            },
        };
        let (started, failure) = self.places.start(&mut cx.stage(), outcome, chosen);
        self.relay(cx.now);
        self.starting.extend(started);
        match failure {
            Some(error) if self.places.is_empty() => Err(error),
            _ => Ok(()),
        }
    }

    /// Goes on when the streams that were started run.
    fn notice_running(&mut self, cx: &mut Context<'_>) {
        if !self.places.are_running(&self.starting) {
            return;
        }
        if self.started_at.is_none() {
            if self.confirmed && self.state.after(SessionTrigger::Started).is_some() {
                self.establish(cx);
            }
        } else if !self.starting.is_empty() {
            let started = std::mem::take(&mut self.starting);
            let streams = Streams::new(self.places.describe(&started));
            if !streams.is_empty() {
                self.emit(
                    cx.now,
                    SessionEvent::DidRenegotiateStreams {
                        action: RenegotiationAction::Add,
                        streams,
                    },
                );
            }
        }
    }

    /// Both sides agree and the streams run.
    fn establish(&mut self, cx: &mut Context<'_>) {
        self.starting.clear();
        self.step(SessionTrigger::Started);
        self.started_at = Some(cx.now);
        let streams = self.streams();
        self.emit(cx.now, SessionEvent::DidStart { streams });
        self.pursue(cx);
    }

    /// The streams that are or were this session's.
    pub(crate) fn opened(&self) -> &[StreamId] {
        self.places.opened()
    }

    /// True when it is an audio stream of this session's.
    pub(crate) fn has_audio(&self, id: StreamId) -> bool {
        let mut named = self.places.iter().filter(|stream| stream.id() == Some(id));
        named.any(|stream| {
            let any: &dyn Any = stream;
            any.is::<AudioStream>()
        })
    }

    /// Takes what the media side tells of one of this session's streams.
    pub(crate) fn handle_media_event(&mut self, cx: &mut Context<'_>, id: StreamId, event: MediaEvent) {
        let handled = self.on_places(cx, |places, stage| places.handle_media_event(stage, id, event));
        match handled {
            Ok(()) => {
                self.notice_running(cx);
                self.remove_done(cx);
            }
            Err((index, error)) => self.handle_stream_failure(cx, index, &error),
        }
        self.end_if_over(cx);
    }

    /// A stream cannot go on. The others do (RFC 3264 §8.2), also when they are only about to run; without others it is the end.
    fn handle_stream_failure(&mut self, cx: &mut Context<'_>, index: usize, error: &StreamError) {
        let description = self.places.describe(&[index]);
        self.on_places(cx, |places, stage| places.fail(stage, index, error));
        self.starting.retain(|place| *place != index);
        if self.places.is_empty() {
            return self.terminate(cx, Ending::local(error.to_string()));
        }
        self.removed.untold.extend(description);
        self.notice_running(cx);
        self.pursue(cx);
    }

    /// Runs a command on one of the session's streams.
    pub(crate) fn with_stream<S: MediaStream, R>(
        &mut self,
        cx: &mut Context<'_>,
        id: Option<StreamId>,
        command: impl FnOnce(&mut S, &mut StreamContext<'_>) -> Result<R, StreamError>,
    ) -> Result<R, SessionError> {
        let result = self.on_places(cx, |places, stage| places.with(stage, id, command));
        // It may be something else by now that the stream wants to offer.
        self.pursue(cx);
        Ok(result?)
    }

    /// The application has read an event of a stream.
    pub(crate) fn event_taken(&mut self, cx: &mut Context<'_>, id: StreamId) {
        self.on_places(cx, |places, stage| places.event_taken(stage, id));
    }

    /// Sends a digit on the audio stream, or beside it.
    pub(crate) fn send_dtmf(&mut self, cx: &mut Context<'_>, digit: Digit) -> Result<(), SessionError> {
        self.permit(SessionTrigger::SendDigits)?;
        if cx.settings.dtmf == DtmfMethod::Rtp {
            return self.with_stream(cx, None, |audio: &mut AudioStream, cx| audio.send_dtmf(cx, digit));
        }
        self.audio_stream().ok_or(StreamError::NoSuchStream)?;
        let mut invitation = cx
            .endpoint
            .invitation(self.invitation)
            .ok_or(SessionError::Unknown)?;
        invitation.info_dtmf(cx.now, digit.key(), DIGIT)?;
        Ok(())
    }

    /// The other side's INFO: a digit belongs to the sound, however it comes. What else there may be in one is nobody's.
    fn handle_info(&mut self, now: Instant, body: &Body) {
        let key = DtmfRelay::of_body(body).and_then(|key| Digit::try_from(key.signal).ok());
        if let (Some(digit), Some(stream)) = (key, self.audio_stream()) {
            let event = StreamEvent::Audio(AudioEvent::GotDtmf { digit });
            self.emit(now, SessionEvent::Stream { stream, event });
        }
    }

    /// The first stream of sound that runs.
    fn audio_stream(&self) -> Option<StreamId> {
        let mut streams = self.places.iter().filter(|stream| {
            let any: &dyn Any = *stream;
            any.is::<AudioStream>() && stream.is_running()
        });
        streams.next().and_then(MediaStream::id)
    }

    fn emit(&mut self, now: Instant, event: SessionEvent) {
        self.events.push(Stamped {
            timestamp: now,
            event,
        });
    }

    /// Whether a command fits the state.
    fn permit(&self, command: SessionTrigger) -> Result<(), SessionError> {
        match self.state.after(command) {
            Some(_) => Ok(()),
            None => Err(self.illegal(command)),
        }
    }

    fn illegal(&self, command: SessionTrigger) -> SessionError {
        SessionError::IllegalState {
            command,
            state: self.state,
        }
    }

    /// Moves to where a trigger leads, which fits the state.
    fn step(&mut self, trigger: SessionTrigger) {
        let next = self.state.after(trigger);
        debug_assert!(next.is_some(), "{trigger:?} while {}", self.state);
        self.state = next.unwrap_or(self.state);
    }
}

/// A 2xx that brings no answer. With one it would have come as a description, just before.
fn is_success_without_body(cause: &Cause) -> bool {
    matches!(cause, Cause::Response(response) if response.status().is_success()) && cause.body().is_none()
}

/// The session part of our descriptions: a random id, no name, our address (RFC 8866 §5.2).
fn template(entropy: &mut Entropy, local_ip: IpAddr) -> SessionDescription {
    // 63 bits: some peers read the id as a signed number.
    SessionDescription::new(entropy.u64() >> 1, local_ip)
}

/// The session description in a message, if there is one that can be read.
pub(crate) fn body_of(headers: &Headers, body: &[u8]) -> Option<SessionDescription> {
    let content_type = headers.get_str(HeaderName::ContentType)?;
    let media_type = content_type.split(';').next().unwrap_or_default().trim();
    if !media_type.eq_ignore_ascii_case("application/sdp") {
        return None;
    }
    read_description(body)
}

fn read_description(body: &[u8]) -> Option<SessionDescription> {
    SessionDescription::parse(body)
        .inspect_err(|error| debug!(%error, "a session description cannot be read"))
        .ok()
}
