//! The user agent: one SIP endpoint, one media thread, any number of sessions.

use super::equipment::Equipment;
use super::external_tools::ExternalTools;
use super::listeners::Listeners;
use super::locals::Locals;
use super::media_ports::RtpPorts;
use super::media_thread::MediaThread;
use super::msrp_streams::MsrpStreams;
use super::plane::Plane;
use super::registration::Registration;
use super::relay::{MsrpRelay, RelayTrust, Relayer};
use super::session::{Session, boxed, post_surely};
use super::usages::Followers;
use super::voice::{Teller, VoiceDevice};
use crate::AudioStream;
use crate::media::{MediaConfig, MediaEvent};
use crate::stream::MediaStream;
use crate::{
    Connect, ManagerEvent, SessionConfig, SessionError, SessionEvent, SessionId, SessionManager, Stamped,
};
use offhook_account::Account;
use offhook_audio_mixer::{DeviceOptions, LastingEvent, MixerError, RecordError};
use offhook_msrp::tokio::ConnectError;
use offhook_rtp_media::dtls::DtlsCertificate;
use offhook_sansio::{Path, Received, ServerId, Transmit, Transport, WallClock};
use offhook_sip_core::endpoint::{SourceAddresses, Trace, TransportFailure};
use offhook_sip_core::registration::RegisterError;
use offhook_sip_core::tokio::{
    BindError, ConnectionConfig, Core, Driver, DriverGone, Handle, LocalChange, Tls, TlsError, TlsOptions,
    Transports, WeakHandle, WebSocketConfig, system_entropy,
};
use offhook_sip_core::{
    AskError, Endpoint, EndpointConfig, EndpointEvent, KeepAlive, MessageError, NameAddr, ParseOptions,
    PublishError, ReceivedMessage, Register, Response, Route, StatusCode, SubscribeError,
};
use std::io;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::mpsc;
use tracing::debug;

/// Incoming calls and traces that may wait for the application.
pub(super) const EVENT_QUEUE: usize = 256;

/// What a user agent is made of.
#[derive(Clone, Debug)]
pub struct UserAgentConfig {
    /// Where to listen for SIP. An unspecified address listens everywhere. Default `0.0.0.0:0`.
    pub listen: SocketAddr,
    /// The transports to listen and call by. UDP and the first of the others have the same port, each further one the
    /// next. With UDP and TCP, what is too large for UDP goes over TCP. Default UDP alone.
    pub transports: Vec<Transport>,
    /// Whom TLS believes, and who we are; without a certificate TLS is for calling only. Default: the system's
    /// authorities and no certificate.
    pub tls: TlsOptions,
    /// How WebSocket connections are begun.
    pub websocket: WebSocketConfig,
    /// The SIP endpoint.
    pub endpoint: EndpointConfig,
    /// The mixer and its clock.
    pub media: MediaConfig,
    /// What streams are spoken and heard through that have nothing else; see [`VoiceDevice`]. Default: the system's default
    /// devices.
    pub sound_devices: DeviceOptions,
    /// How long the room echoes what the loudspeaker says; zero switches the echo canceller off. Default 50 ms, as
    /// `ec_tail_length` of the documents.
    pub tail_length: Duration,
    /// Ports for RTP and RTCP, in pairs. Default 50000 to 50500, as `rtp.port_range` of the documents.
    pub rtp_ports: RangeInclusive<u16>,
    /// Who we are for DTLS-SRTP. Default: a certificate that is made when it is first needed, and kept while the agent runs.
    pub dtls_certificate: Option<DtlsCertificate>,
    /// Our relay for chats, files and desktops, which others may not reach otherwise. Default none.
    pub msrp_relay: Option<MsrpRelay>,
    /// What holds for all sessions.
    pub sessions: SessionConfig,
}

impl Default for UserAgentConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 0)),
            transports: vec![Transport::Udp],
            tls: TlsOptions::default(),
            websocket: WebSocketConfig::default(),
            endpoint: EndpointConfig::default(),
            media: MediaConfig::default(),
            sound_devices: DeviceOptions::default(),
            tail_length: Duration::from_millis(50),
            rtp_ports: 50_000..=50_500,
            dtls_certificate: None,
            msrp_relay: None,
            sessions: SessionConfig::default(),
        }
    }
}

/// Why a user agent does not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The SIP port cannot be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// TLS cannot be used as told.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// [`UserAgentConfig::transports`] is empty.
    #[error("there is no transport for SIP")]
    NoTransport,
    /// The mixer cannot run as configured.
    #[error(transparent)]
    Mixer(#[from] MixerError),
    /// Message streams get no certificate of their own.
    #[error("no certificate for message streams: {0}")]
    Certificate(#[from] ConnectError),
    /// The system gives no thread, no poll or no randomness.
    #[error("cannot start the media thread: {0}")]
    Media(#[from] io::Error),
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The session refused.
    #[error(transparent)]
    Session(#[from] SessionError),
    /// The registration was refused before anything was sent.
    #[error(transparent)]
    Registration(#[from] RegisterError),
    /// The request was refused before anything was sent.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The message was refused before anything was sent.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The publication was refused before anything was sent.
    #[error(transparent)]
    Publication(#[from] PublishError),
    /// The subscription was refused before anything was sent.
    #[error(transparent)]
    Subscription(#[from] SubscribeError),
    /// The sound device cannot be opened.
    #[error(transparent)]
    Device(#[from] offhook_audio_mixer::DeviceError),
    /// Our MSRP relay gives no place.
    #[error("the MSRP relay gives no place: {0}")]
    Relay(Box<ConnectError>),
    /// Whom to believe as an MSRP relay cannot be read.
    #[error("no TLS to the MSRP relay: {0}")]
    RelayTls(TlsError),
    /// The recording was not begun, or broke off.
    #[error(transparent)]
    Record(#[from] Arc<RecordError>),
    /// The user agent has stopped.
    #[error(transparent)]
    Gone(#[from] DriverGone),
}

/// What a user agent tells besides the events of its sessions.
#[non_exhaustive]
pub enum UserAgentEvent {
    /// Somebody calls. Accept, reject, or drop it (which answers 480).
    Incoming(Session),
    /// A connection that we opened, or wanted to open, is not there; what was to go by it fails, or takes another way.
    TransportFailed {
        /// Between whom.
        path: Path,
        /// Why.
        failure: TransportFailure,
    },
    /// A message outside of calls, where MESSAGE is in [`EndpointConfig::allow`]. It is answered with 200, or with 480
    /// when nobody takes these events.
    Message(Box<ReceivedMessage>),
    /// A sound device of a stream is there, is lost, or was moved. Calls go on.
    SoundDevice(LastingEvent),
    /// A SIP message went in or out; only when [`EndpointConfig::trace`] is on.
    Trace(Trace),
}

/// The stream of a user agent's own events.
pub struct UserAgentEvents {
    receiver: mpsc::Receiver<UserAgentEvent>,
}

impl UserAgentEvents {
    /// The next event; `None` when the user agent has stopped.
    pub async fn next(&mut self) -> Option<UserAgentEvent> {
        self.receiver.recv().await
    }
}

/// A running user agent. Cheap to clone; it stops with [`stop`](Self::stop), or when the last clone and the last
/// session are gone.
#[derive(Clone)]
pub struct UserAgent {
    pub(super) handle: Handle<SessionManager>,
    pub(super) followers: Followers,
    listeners: Listeners,
    equipment: Equipment,
    pub(super) locals: Locals,
}

impl UserAgent {
    /// Opens the SIP ports, starts the media thread, and serves.
    ///
    /// # Panics
    /// Outside of a Tokio runtime.
    pub fn start(config: UserAgentConfig) -> Result<(Self, UserAgentEvents), StartError> {
        let mut entropy = system_entropy().map_err(io::Error::from)?;
        let parse = config.endpoint.parse;
        let transports = open_transports(&config, parse)?;
        let locals = transports.locals();
        let (media_out, media_in) = mpsc::channel(EVENT_QUEUE);
        let trust = RelayTrust::new(config.tls.clone());
        let msrp = MsrpStreams::new(media_out.clone(), entropy.fork(), trust.clone())?;
        let tools = ExternalTools::new(media_out.clone());
        let sink = Box::new(move |event| match media_out.try_send(event) {
            Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => None,
            Err(mpsc::error::TrySendError::Full(event)) => Some(event),
        });
        let since_unix_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall_clock = WallClock::new(Instant::now(), since_unix_epoch);
        let thread = MediaThread::spawn(config.media, wall_clock, entropy.fork(), sink)?;
        let rtp = RtpPorts::new(config.rtp_ports, entropy.u32() as u16);
        let plane = Box::new(Plane::new(
            thread,
            rtp,
            msrp,
            tools,
            entropy.fork(),
            config.dtls_certificate,
        ));
        let mut endpoint = Endpoint::new(config.endpoint, entropy.fork());
        for (transport, address) in &locals {
            endpoint.add_local(*transport, *address);
        }
        let manager = SessionManager::new(endpoint, plane, config.sessions, entropy);
        let (handle, core_events) = Driver::spawn(manager, transports);
        let (sender, receiver) = mpsc::channel(EVENT_QUEUE);
        let (listeners, followers) = (Listeners::default(), Followers::default());
        let teller = Teller(sender.downgrade());
        let voice = VoiceDevice::new(
            config.sound_devices,
            config.tail_length,
            handle.downgrade(),
            teller,
        );
        let relayer = Relayer::new(config.msrp_relay, trust);
        let equipment = Equipment {
            voice,
            relayer,
            mixer_rate: config.media.sample_rate,
        };
        // Weak: these two serve the driver, and must not keep it alive when the application has dropped everything.
        let dispatcher = Dispatcher {
            handle: handle.downgrade(),
            listeners: listeners.clone(),
            followers: followers.clone(),
            equipment: equipment.clone(),
            sender,
        };
        tokio::spawn(forward_media(media_in, handle.downgrade()));
        tokio::spawn(dispatcher.run(core_events));
        Ok((
            Self {
                handle,
                followers,
                listeners,
                equipment,
                locals: Locals::new(locals),
            },
            UserAgentEvents { receiver },
        ))
    }

    /// What streams are spoken and heard through.
    pub fn voice(&self) -> &VoiceDevice {
        &self.equipment.voice
    }

    /// Calls somebody over the first of these routes that answers.
    pub async fn call(
        &self,
        account: &Account,
        to: NameAddr,
        routes: Vec<Route>,
        streams: impl IntoIterator<Item = AudioStream>,
    ) -> Result<Session, CommandError> {
        self.call_with(account, to, routes, boxed(streams)).await
    }

    /// Calls somebody with streams of any kind.
    pub async fn call_with(
        &self,
        account: &Account,
        to: NameAddr,
        routes: Vec<Route>,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<Session, CommandError> {
        self.place(account, to, routes, streams, SessionManager::connect)
            .await
    }

    async fn place(
        &self,
        account: &Account,
        to: NameAddr,
        routes: Vec<Route>,
        streams: Vec<Box<dyn MediaStream>>,
        connect: impl FnOnce(&mut SessionManager, Instant, Connect<'_>) -> Result<SessionId, SessionError>
        + Send
        + 'static,
    ) -> Result<Session, CommandError> {
        let (account, listeners, handle) = (account.clone(), self.listeners.clone(), self.handle.clone());
        let equipment = self.equipment.clone();
        let streams = equipment.equip(streams, None).await?;
        let placed = self.handle.call(move |manager, now| {
            let remote_identity = to.clone();
            let way = Connect {
                account: &account,
                to,
                routes,
                streams,
            };
            let id = connect(manager, now, way)?;
            // Before the driver looks for events: none is missed.
            let events = listeners.listen_to(id);
            Ok::<_, SessionError>(Session::new(id, remote_identity, handle, equipment, events))
        });
        Ok(placed.await??)
    }

    /// Does what the other side of a session asks for by its transfer: calls the target that
    /// [`TransferNewIncoming`](SessionEvent::TransferNewIncoming) names, along these routes and with these streams. The other
    /// side is told how that call gets on.
    pub async fn accept_transfer(
        &self,
        session: &Session,
        account: &Account,
        target: NameAddr,
        routes: Vec<Route>,
        streams: impl IntoIterator<Item = AudioStream>,
    ) -> Result<Session, CommandError> {
        let asked = session.id();
        self.place(
            account,
            target,
            routes,
            boxed(streams),
            move |manager, now, connect| manager.accept_transfer(now, asked, connect),
        )
        .await
    }

    /// Registers an address and keeps it registered until the registration is ended.
    pub async fn register(&self, register: Register) -> Result<Registration, CommandError> {
        let (listeners, handle) = (self.listeners.clone(), self.handle.clone());
        let registered = self.handle.call(move |manager, now| {
            let id = manager.register(now, register)?;
            let events = listeners.listen_to_registration(id);
            Ok::<_, RegisterError>(Registration::new(id, handle, events))
        });
        Ok(registered.await??)
    }

    /// Ends all sessions, waits a moment for the other sides to agree, and closes the sockets and sound devices.
    pub async fn stop(self) {
        if let Err(error) = self.handle.stop().await {
            debug!(%error, "stopping what has stopped");
        }
        self.equipment.voice.closed().await;
    }
}

/// Hands each event of the core to whom it concerns.
struct Dispatcher {
    handle: WeakHandle<SessionManager>,
    listeners: Listeners,
    followers: Followers,
    equipment: Equipment,
    sender: mpsc::Sender<UserAgentEvent>,
}

impl Dispatcher {
    async fn run(self, mut events: mpsc::Receiver<ManagerEvent>) {
        while let Some(event) = events.recv().await {
            match event {
                ManagerEvent::Session { id, event } => self.session_event(id, event),
                ManagerEvent::Registration { id, event } => self.listeners.tell_registration(id, event),
                ManagerEvent::TransportFailed { path, failure } => {
                    self.tell(UserAgentEvent::TransportFailed { path, failure });
                }
                ManagerEvent::Usage(event) => self.usage_event(*event),
                ManagerEvent::Trace(trace) => self.tell(UserAgentEvent::Trace(trace)),
                // A recorder closes its file when it is dropped: not here, where all sessions would wait for the disk.
                ManagerEvent::Detached { audio } => {
                    drop(tokio::task::spawn_blocking(move || drop(audio)));
                }
            }
        }
        self.listeners.close();
        self.followers.close();
    }

    fn usage_event(&self, event: EndpointEvent) {
        let EndpointEvent::MessageReceived(message) = event else {
            return self.followers.tell(event);
        };
        let (id, request) = (message.id, message.request.clone());
        // RFC 3428 §7: a 200 says that somebody will see it.
        let status = match self.sender.try_send(UserAgentEvent::Message(message)) {
            Ok(()) => StatusCode::OK,
            Err(_) => StatusCode::TEMPORARILY_UNAVAILABLE,
        };
        if let Some(handle) = self.handle.upgrade() {
            post_surely(&handle, move |manager, now| {
                let response = Response::for_request(&request, status);
                if let Err(error) = manager.with_endpoint(now, |endpoint| endpoint.respond(now, id, response))
                {
                    debug!(%error, "a message cannot be answered");
                }
            });
        }
    }

    fn session_event(&self, id: SessionId, event: Stamped<SessionEvent>) {
        if let SessionEvent::NewIncoming { remote_identity, .. } = &event.event {
            // Without a handle left the driver is stopping, and declines what comes by itself.
            let Some(handle) = self.handle.upgrade() else {
                return;
            };
            let events = self.listeners.listen_to(id);
            let session = Session::new(
                id,
                remote_identity.clone(),
                handle,
                self.equipment.clone(),
                events,
            );
            self.listeners.tell_session(id, event);
            return self.tell(UserAgentEvent::Incoming(session));
        }
        self.listeners.tell_session(id, event);
    }

    /// An application that does not listen gets no more calls: a session dropped here is answered with 480.
    fn tell(&self, event: UserAgentEvent) {
        if let Err(error) = self.sender.try_send(event) {
            debug!(%error, "nobody takes the user agent's events");
        }
    }
}

/// How many free ports are tried until one is found that is free for all transports.
const PORT_TRIES: usize = 16;

fn open_transports(config: &UserAgentConfig, parse: ParseOptions) -> Result<Transports, StartError> {
    if config.transports.is_empty() {
        return Err(StartError::NoTransport);
    }
    let secure = config.transports.iter().any(|transport| transport.is_secure());
    let tls = secure.then(|| config.tls.load()).transpose()?;
    let mut tries = 1..=PORT_TRIES;
    loop {
        let connections = ConnectionConfig {
            parse,
            ..ConnectionConfig::default()
        };
        let mut transports = Transports::new().with_connections(connections);
        let opened = open_at_one_port(&mut transports, config, tls.as_ref());
        let is_last = tries.next() == Some(PORT_TRIES);
        match opened {
            Err(BindError::InUse(_)) if config.listen.port() == 0 && !is_last => {}
            opened => return opened.map(|()| transports).map_err(StartError::from),
        }
    }
}

fn open_at_one_port(
    transports: &mut Transports,
    config: &UserAgentConfig,
    tls: Option<&Tls>,
) -> Result<(), BindError> {
    let mut listen = config.listen;
    // Connections of two kinds cannot come to one port.
    let mut has_stream = false;
    for transport in &config.transports {
        let mut address = listen;
        if *transport != Transport::Udp && std::mem::replace(&mut has_stream, true) {
            address.set_port(listen.port().wrapping_add(1));
        }
        let websocket = || config.websocket.clone();
        let local = match (transport, tls.cloned()) {
            (Transport::Udp, _) => transports.bind_udp(address)?,
            (Transport::Ws, _) => transports.bind_ws(address, websocket())?,
            (Transport::Tls, Some(tls)) => transports.bind_tls(address, tls)?,
            (Transport::Wss, Some(tls)) => transports.bind_wss(address, websocket(), tls)?,
            // Where one of the latter two is wanted, TLS was loaded.
            (Transport::Tcp | Transport::Tls | Transport::Wss, _) => transports.bind_tcp(address)?,
        };
        listen.set_port(local.port());
    }
    Ok(())
}

async fn forward_media(mut events: mpsc::Receiver<MediaEvent>, handle: WeakHandle<SessionManager>) {
    while let Some(event) = events.recv().await {
        let Some(handle) = handle.upgrade() else {
            return;
        };
        if handle
            .call(move |manager, now| manager.handle_media_event(now, event))
            .await
            .is_err()
        {
            return;
        }
    }
}

impl Core for SessionManager {
    type Event = ManagerEvent;

    fn handle_received(&mut self, now: Instant, received: Received) {
        Self::handle_received(self, now, received);
    }

    fn handle_transport_error(&mut self, now: Instant, path: Path) {
        Self::handle_transport_error(self, now, path);
    }

    fn handle_transport_failure(&mut self, now: Instant, path: Path, failure: TransportFailure) {
        Self::handle_transport_failure(self, now, path, failure);
    }

    fn handle_authenticated(&mut self, path: Path, identities: Vec<String>) {
        self.endpoint().handle_authenticated(path, identities);
    }

    fn handle_timeout(&mut self, now: Instant) {
        Self::handle_timeout(self, now);
    }

    fn poll_transmit(&mut self) -> Option<Transmit> {
        Self::poll_transmit(self)
    }

    fn poll_keep_alive(&mut self) -> Option<KeepAlive> {
        Self::poll_keep_alive(self)
    }

    fn poll_event(&mut self) -> Option<ManagerEvent> {
        Self::poll_event(self)
    }

    fn poll_timeout(&self) -> Option<Instant> {
        Self::poll_timeout(self)
    }

    fn handle_local(&mut self, now: Instant, change: LocalChange) {
        Core::handle_local(self.endpoint(), now, change);
    }

    fn set_source_addresses(&mut self, sources: SourceAddresses) {
        self.endpoint().set_source_addresses(sources);
    }

    fn server_name(&self, id: ServerId) -> Option<Arc<str>> {
        Self::server_name(self, id)
    }

    fn begin_stop(&mut self, now: Instant) {
        self.end_all(now);
    }

    fn is_stopped(&self) -> bool {
        self.is_idle()
    }
}
