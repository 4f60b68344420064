//! The message streams of a user agent: each a listening socket, then a task of its own.

use super::desktop_sharing::{self, Desktop, share_desktop};
use super::file_transfer::{self, ended, receive_file, send_file};
use super::relay::RelayTrust;
use crate::media::{
    ConnectionRole, MediaEvent, MsrpCommand, MsrpEvent, MsrpStart, MsrpTask, RelayPlace, StreamId,
};
use offhook_msrp::chunk::{ByteRange, StatusCode};
use offhook_msrp::fingerprint::Fingerprint;
use offhook_msrp::nickname::Nickname;
use offhook_msrp::session::{CloseReason, Message, OutgoingId, Reports, SessionEvent};
use offhook_msrp::tokio::{
    AcceptorDirect, AcceptorRelay, ConnectError, ConnectorDirect, MsrpConnection, TlsIdentity,
};
use offhook_msrp::{MsrpPath, MsrpSession, MsrpUri, OutgoingMessage};
use offhook_sansio::Entropy;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;
use tracing::{debug, warn};

/// Messages that may wait for a connection to take them.
const COMMAND_QUEUE: usize = 1024;

/// How long the peer's BYE, or its re-INVITE without the stream, may take after its connection has ended. Usually the two come
/// together; but one that met another of ours waits for up to 2 s (RFC 3261 §14.1), and one that was lost is sent again after 0.5 s
/// and 1.5 s (§17.1).
pub(super) const GOODBYE: Duration = Duration::from_secs(3);

/// How long a connection may take to send what is queued once its stream has ended.
const LINGER: Duration = Duration::from_secs(5);

/// The message streams of a user agent.
pub(super) struct MsrpStreams {
    streams: HashMap<StreamId, Stream>,
    events: mpsc::Sender<MediaEvent>,
    /// What all of them show in TLS.
    identity: TlsIdentity,
    trust: RelayTrust,
    entropy: Entropy,
}

enum Stream {
    /// Waits for the negotiation.
    Open {
        door: Door,
        /// Where a VNC viewer shall come.
        viewer: Option<TcpListener>,
    },
    /// Its task runs until this is dropped.
    Started {
        commands: mpsc::Sender<MsrpCommand>,
        /// Apart from the commands, which may have to wait for the peer: this may be what lets it go on.
        paused: watch::Sender<bool>,
    },
}

impl MsrpStreams {
    /// # Errors
    /// When no certificate can be made.
    pub(super) fn new(
        events: mpsc::Sender<MediaEvent>,
        entropy: Entropy,
        trust: RelayTrust,
    ) -> Result<Self, ConnectError> {
        Ok(Self {
            streams: HashMap::new(),
            events,
            identity: TlsIdentity::generate()?,
            trust,
            entropy,
        })
    }

    /// Which certificate is shown.
    pub(super) fn fingerprint(&self) -> &Fingerprint {
        self.identity.fingerprint()
    }

    /// Listens at an address for the stream's peer.
    pub(super) fn open(&mut self, stream: StreamId, local: IpAddr) -> io::Result<MsrpPath> {
        let listener = TcpListener::bind(SocketAddr::new(local, 0))?;
        listener.set_nonblocking(true)?;
        let uri = MsrpUri::new_session(listener.local_addr()?, false, &mut self.entropy);
        let path = uri.clone().into();
        let door = Door::Own(listener, Box::new(uri));
        self.streams.insert(stream, Stream::Open { door, viewer: None });
        Ok(path)
    }

    /// Takes a place at our relay for the stream; `None` when it is not such a place.
    pub(super) fn open_at_relay(&mut self, stream: StreamId, place: RelayPlace) -> Option<MsrpPath> {
        let path = place.path().clone();
        let door = Door::AtRelay(place.into_connection()?);
        self.streams.insert(stream, Stream::Open { door, viewer: None });
        Some(path)
    }

    /// Listens for the VNC viewer of a stream that was opened.
    pub(super) fn open_viewer(&mut self, stream: StreamId, address: SocketAddr) -> io::Result<SocketAddr> {
        let Some(Stream::Open { viewer, .. }) = self.streams.get_mut(&stream) else {
            return Err(io::ErrorKind::NotFound.into());
        };
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        *viewer = Some(listener);
        Ok(address)
    }

    pub(super) fn command(&mut self, stream: StreamId, command: MsrpCommand) {
        match (self.streams.remove(&stream), command) {
            (Some(Stream::Open { door, viewer }), MsrpCommand::Start(start)) => {
                let (commands, queue) = mpsc::channel(COMMAND_QUEUE);
                let (paused, is_paused) = watch::channel(false);
                let teller = Teller {
                    stream,
                    events: self.events.clone(),
                    relay: first_relay(&start.config),
                };
                let tls = start
                    .is_secure
                    .then(|| (self.identity.clone(), self.trust.clone()));
                let place = Place { door, viewer, tls };
                tokio::spawn(run(teller, place, *start, queue, is_paused));
                self.streams.insert(stream, Stream::Started { commands, paused });
            }
            (
                Some(Stream::Started { commands, paused }),
                order @ (MsrpCommand::Pause | MsrpCommand::Resume),
            ) => {
                paused.send_replace(matches!(order, MsrpCommand::Pause));
                self.streams.insert(stream, Stream::Started { commands, paused });
            }
            (Some(Stream::Started { commands, paused }), command) => {
                if let Err(mpsc::error::TrySendError::Full(MsrpCommand::Send(_, message_id))) =
                    commands.try_send(command)
                {
                    self.refuse(stream, message_id);
                }
                self.streams.insert(stream, Stream::Started { commands, paused });
            }
            (Some(open @ Stream::Open { .. }), command) => {
                debug!(?command, "a message stream has not started");
                self.streams.insert(stream, open);
            }
            (None, command) => debug!(?command, "a message stream is over"),
        }
    }

    /// The peer does not read: what comes now has no place.
    fn refuse(&self, stream: StreamId, message_id: String) {
        let event = MsrpEvent::NotDelivered {
            message_id,
            status: 408,
            reason: "the other side takes no more messages".to_owned(),
        };
        if self.events.try_send(MediaEvent::Msrp { stream, event }).is_err() {
            warn!("a message was dropped, and there was no room to tell");
        }
    }

    /// Ends a stream; false when it is none of these.
    pub(super) fn stop(&mut self, stream: StreamId) -> bool {
        self.streams.remove(&stream).is_some()
    }
}

/// Tells what becomes of one stream.
pub(super) struct Teller {
    stream: StreamId,
    events: mpsc::Sender<MediaEvent>,
    /// The relay that the connection goes to, for a person.
    relay: Option<String>,
}

impl Teller {
    /// Why a connection is over, in words for a person: a relay that goes takes the connections of both its sides with it.
    pub(super) fn why(&self, reason: &CloseReason) -> String {
        match (&self.relay, reason) {
            (Some(relay), CloseReason::ConnectionLost) => {
                format!("the connection through the relay {relay} ended")
            }
            _ => reason.to_string(),
        }
    }

    pub(super) async fn tell(&self, event: MsrpEvent) {
        let event = MediaEvent::Msrp {
            stream: self.stream,
            event,
        };
        if self.events.send(event).await.is_err() {
            debug!("nobody hears of a message stream any more");
        }
    }
}

/// The life of a stream from its negotiation on.
async fn run(
    teller: Teller,
    mut place: Place,
    start: MsrpStart,
    mut commands: mpsc::Receiver<MsrpCommand>,
    is_paused: watch::Receiver<bool>,
) {
    let MsrpStart {
        mut config,
        is_secure: _,
        role,
        task,
    } = start;
    // What is reported as delivered was told to the application, or is on the disk under its name.
    config.reports = Reports::Manual;
    match &task {
        MsrpTask::ReceiveFile(file) => file_transfer::configure(&mut config, file),
        MsrpTask::ShareDesktop(_) => desktop_sharing::configure(&mut config),
        MsrpTask::Messages | MsrpTask::SendFile(_) => {}
    }
    let viewer = place.viewer.take();
    let connecting = place.connect_in_time(role, config);
    tokio::pin!(connecting);
    let mut early = Vec::new();
    let connection = loop {
        tokio::select! {
            connection = &mut connecting => break connection,
            command = commands.recv() => match command {
                Some(command) => early.push(command),
                // Ended before it began.
                None => return,
            },
        }
    };
    let connection = match connection {
        Ok(connection) => connection,
        // The peer may have thought better of the stream before there was a connection.
        Err(reason) => return lose(&teller, &mut commands, Vec::new(), reason).await,
    };
    teller.tell(MsrpEvent::Ready).await;
    match task {
        MsrpTask::Messages => converse(&teller, connection, commands, early, is_paused).await,
        MsrpTask::SendFile(file) => send_file(&teller, connection, commands, file).await,
        MsrpTask::ReceiveFile(file) => receive_file(&teller, connection, commands, file).await,
        MsrpTask::ShareDesktop(task) => {
            let desktop = Desktop { task, viewer };
            share_desktop(&teller, connection, commands, desktop).await;
        }
    }
}

/// Where the peer gets to a stream.
enum Door {
    /// A socket that listens, at this address.
    Own(TcpListener, Box<MsrpUri>),
    /// A place at our relay.
    AtRelay(Box<AcceptorRelay>),
}

/// Where a stream's connection begins or arrives.
struct Place {
    door: Door,
    /// Where a VNC viewer shall come.
    viewer: Option<TcpListener>,
    /// What is shown in TLS, and which relays are believed, where TLS was agreed upon.
    tls: Option<(TlsIdentity, RelayTrust)>,
}

/// The relay that we connect to: ours, or the peer's.
fn first_relay(config: &offhook_msrp::SessionConfig) -> Option<String> {
    let [ours, theirs] = [config.local_path.uris(), config.remote_path.uris()];
    let (([.., relay, _], _) | ([_], [relay, _, ..])) = (ours, theirs) else {
        return None;
    };
    Some(place_of(relay))
}

/// Where somebody is, for a person.
fn place_of(uri: &MsrpUri) -> String {
    match uri.port() {
        Some(port) => format!("{}:{port}", uri.host()),
        None => uri.host().to_owned(),
    }
}

impl Place {
    /// Connects, or waits for the peer, as long as the configuration allows.
    ///
    /// # Errors
    /// Why there is no connection, in words for a person.
    async fn connect_in_time(
        self,
        role: ConnectionRole,
        config: offhook_msrp::SessionConfig,
    ) -> Result<MsrpConnection, String> {
        let within = config.bind_timeout;
        let there = first_relay(&config).unwrap_or_else(|| place_of(config.remote_path.first()));
        let connecting = self.connect(role, config);
        // Who waits knows best who came meanwhile and was not the one.
        let connected = match role {
            ConnectionRole::Active => timeout(within, connecting).await,
            ConnectionRole::Passive => Ok(connecting.await),
        };
        match connected {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(ConnectError::BindTimeout(None))) => {
                Err(format!("the other side did not connect within {within:?}"))
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!(
                "the other side does not answer at {there} within {within:?}"
            )),
        }
    }

    async fn connect(
        self,
        role: ConnectionRole,
        config: offhook_msrp::SessionConfig,
    ) -> Result<MsrpConnection, ConnectError> {
        match (role, self.door) {
            (ConnectionRole::Active, Door::AtRelay(end)) => end.into_connector().complete(config).await,
            (ConnectionRole::Passive, Door::AtRelay(end)) => end.complete(config).await,
            (ConnectionRole::Active, Door::Own(_, uri)) => {
                let mut connector = ConnectorDirect::prepare(Some(*uri))?;
                if let Some((identity, trust)) = &self.tls {
                    connector = match first_relay(&config) {
                        Some(_) => connector.with_tls(trust.config().await.map_err(io::Error::other)?),
                        None => connector.with_identity(identity),
                    };
                }
                connector.complete(config).await
            }
            (ConnectionRole::Passive, Door::Own(listener, uri)) => {
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let mut acceptor = AcceptorDirect::from_listener(listener, *uri);
                if let Some((identity, _)) = &self.tls {
                    acceptor = acceptor.with_identity(identity);
                }
                acceptor.complete(config).await
            }
        }
    }
}

/// Messages both ways until either side ends it.
async fn converse(
    teller: &Teller,
    mut connection: MsrpConnection,
    mut commands: mpsc::Receiver<MsrpCommand>,
    early: Vec<MsrpCommand>,
    mut is_paused: watch::Receiver<bool>,
) {
    let mut asked = Asked::default();
    for command in early {
        send(teller, &connection, &mut asked, command).await;
    }
    loop {
        let listens = !*is_paused.borrow_and_update();
        tokio::select! {
            Ok(()) = is_paused.changed() => {}
            command = commands.recv() => match command {
                Some(command) => send(teller, &connection, &mut asked, command).await,
                None => return finish(connection).await,
            },
            event = connection.next_event(), if listens => {
                match event {
                    Some(SessionEvent::Closed(reason)) => {
                        let lost = asked.messages.into_values().collect();
                        return lose(teller, &mut commands, lost, teller.why(&reason)).await;
                    }
                    Some(event) => tell_of(teller, &mut asked, event).await,
                    None => return,
                }
            }
        }
    }
}

/// The connection of a conversation is over, or never came to be. Says of each message that the other side has not taken that it
/// was not delivered, of those that are still given to be sent, too; then tells that the stream is over, unless it is about to end.
async fn lose(
    teller: &Teller,
    commands: &mut mpsc::Receiver<MsrpCommand>,
    lost: Vec<String>,
    reason: String,
) {
    for message_id in lost {
        tell_lost(teller, message_id, &reason).await;
    }
    let refusing = async {
        while let Some(command) = commands.recv().await {
            if let MsrpCommand::Send(_, message_id) = command {
                tell_lost(teller, message_id, &reason).await;
            }
        }
    };
    if timeout(GOODBYE, refusing).await.is_err() {
        teller.tell(MsrpEvent::Closed { reason }).await;
    }
}

async fn tell_lost(teller: &Teller, message_id: String, reason: &str) {
    if !message_id.is_empty() {
        let (status, reason) = (StatusCode::TIMEOUT.code(), reason.to_owned());
        teller
            .tell(MsrpEvent::NotDelivered {
                message_id,
                status,
                reason,
            })
            .await;
    }
}

/// What was asked of the peer, and is not answered.
#[derive(Default)]
struct Asked {
    /// Those that the other side has not taken.
    messages: HashMap<OutgoingId, String>,
    /// Those that it has, and has not reported as delivered.
    taken: HashMap<OutgoingId, String>,
    /// Answers come in the order of the requests.
    nicknames: VecDeque<Nickname>,
}

impl Asked {
    /// What became of a message is known.
    fn forget(&mut self, message: OutgoingId) -> Option<String> {
        let taken = self.taken.remove(&message);
        taken.or_else(|| self.messages.remove(&message))
    }
}

async fn send(teller: &Teller, connection: &MsrpConnection, asked: &mut Asked, command: MsrpCommand) {
    let (message, message_id): (OutgoingMessage, _) = match command {
        MsrpCommand::Send(message, message_id) => (*message, message_id),
        MsrpCommand::Report(message) => return report(connection, *message).await,
        MsrpCommand::RequestNickname(nickname) => {
            return request_nickname(teller, connection, asked, nickname).await;
        }
        MsrpCommand::Start(_)
        | MsrpCommand::ReportFile
        | MsrpCommand::Rfb(_)
        | MsrpCommand::Pause
        | MsrpCommand::Resume => {
            return debug!("a conversation is neither started twice nor a file nor a desktop");
        }
    };
    match connection.handle().send(message).await {
        Ok(id) => {
            if !message_id.is_empty() {
                asked.messages.insert(id, message_id);
            }
        }
        Err(error) => {
            let (status, reason) = (408, error.to_string());
            teller
                .tell(MsrpEvent::NotDelivered {
                    message_id,
                    status,
                    reason,
                })
                .await;
        }
    }
}

async fn request_nickname(
    teller: &Teller,
    connection: &MsrpConnection,
    asked: &mut Asked,
    nickname: Nickname,
) {
    let wanted = nickname.clone();
    let request = move |session: &mut MsrpSession| session.request_nickname(Instant::now(), &wanted);
    if let Ok(Ok(())) = connection.handle().with(request).await {
        asked.nicknames.push_back(nickname);
    } else {
        let status = StatusCode::TIMEOUT;
        teller
            .tell(MsrpEvent::NicknameAnswered { nickname, status })
            .await;
    }
}

async fn report(connection: &MsrpConnection, message: Message) {
    let all = ByteRange::whole(message.body.len() as u64);
    let report = move |session: &mut MsrpSession| session.report(&message.head, all, StatusCode::OK);
    if connection.handle().with(report).await.is_err() {
        debug!("the sender of a message is gone");
    }
}

/// What of a session's news concerns a conversation.
async fn tell_of(teller: &Teller, asked: &mut Asked, event: SessionEvent) {
    let told = match event {
        SessionEvent::Message(message) => MsrpEvent::Message(Box::new(message)),
        SessionEvent::SendDone { message } => match asked.messages.remove(&message) {
            Some(message_id) => {
                asked.taken.insert(message, message_id.clone());
                MsrpEvent::Sent { message_id }
            }
            None => return,
        },
        SessionEvent::Reported {
            message,
            complete: true,
            ..
        } => match asked.forget(message) {
            Some(message_id) => MsrpEvent::Delivered { message_id },
            None => return,
        },
        SessionEvent::SendFailed { message, status } => match asked.forget(message) {
            Some(message_id) => MsrpEvent::NotDelivered {
                message_id,
                status: status.code(),
                reason: format!("the other side answered {status}"),
            },
            None => return,
        },
        SessionEvent::NicknameAnswered(status) => match asked.nicknames.pop_front() {
            Some(nickname) => MsrpEvent::NicknameAnswered { nickname, status },
            None => return,
        },
        _ => return,
    };
    teller.tell(told).await;
}

/// Tells that the connection is over, unless the stream is about to end as well: then nothing has failed.
pub(super) async fn tell_closed(teller: &Teller, commands: &mut mpsc::Receiver<MsrpCommand>, reason: String) {
    if timeout(GOODBYE, ended(commands)).await.is_err() {
        teller.tell(MsrpEvent::Closed { reason }).await;
    }
}

/// Sends what is queued, then closes, within a limit.
pub(super) async fn finish(mut connection: MsrpConnection) {
    let closing = async {
        if connection.handle().close().await.is_ok() {
            while connection.next_event().await.is_some() {}
        }
    };
    if timeout(LINGER, closing).await.is_err() {
        debug!("a peer did not take the last messages");
    }
}
