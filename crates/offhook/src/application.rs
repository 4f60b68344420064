//! The application: all layers started in order, and the way to them.

use crate::alert::Alert;
use crate::builder::ApplicationBuilder;
use crate::{Account, Error, Publication, Registration, Session, Settings, Storage, Subscription};
use offhook_audio_mixer::{DeviceChoice, DeviceMixer, LastingEvent};
use offhook_conference::AudioConference;
use offhook_lookup::LookupOptions;
use offhook_lookup::tokio::Resolver;
use offhook_sansio::{Path, Transport};
use offhook_session::tokio::{CommandError, UserAgent, UserAgentEvent, UserAgentEvents, VoiceDevice};
use offhook_session::{AudioStream, MediaStream, SessionError};
use offhook_sip_core::endpoint::{Trace, TransportFailure};
use offhook_sip_core::invitation::Cause;
use offhook_sip_core::tokio::TlsOptions;
use offhook_sip_core::{
    Ask, Body, NameAddr, PagerMessage, Publish, ReceivedMessage, Register, Route, SipUri, Subscribe,
};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, mpsc};

/// A running end-point (`SIPApplication` of the documents): settings, accounts, lookup, SIP and media.
///
/// Cheap to clone. [`stop`](Self::stop) ends all sessions and says goodbye.
#[derive(Clone)]
pub struct Application {
    pub(super) agent: UserAgent,
    pub(super) events: Arc<Mutex<Events>>,
    pub(super) alert: Arc<Alert>,
    pub(super) resolver: Arc<Resolver>,
    pub(super) settings: Arc<Settings>,
    pub(super) account: Arc<Account>,
    /// Those that were wanted at the start, the preferred first.
    pub(super) transports: Arc<[Transport]>,
}

/// Where an application's events come from.
pub(super) struct Events {
    pub(super) agent: UserAgentEvents,
    pub(super) alert: mpsc::Receiver<LastingEvent>,
}

/// Which of the two sound devices of an application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SoundRole {
    /// What calls are spoken and heard through.
    Voice,
    /// What rings.
    Alert,
}

/// What an application tells besides the events of its sessions.
#[non_exhaustive]
pub enum ApplicationEvent {
    /// Somebody calls. Accept or reject; dropping it answers 480.
    Incoming(Session),
    /// A connection that we opened, or wanted to open, is not there, for whoever has to mend it; what was to go by it
    /// fails, or takes another way.
    TransportFailed {
        /// Between whom.
        path: Path,
        /// Why.
        failure: TransportFailure,
    },
    /// A message outside of calls. It has been answered.
    Message(Box<ReceivedMessage>),
    /// A sound device is there, is lost, or was moved. Calls go on.
    SoundDevice {
        /// Which of the two.
        role: SoundRole,
        /// What happened.
        event: LastingEvent,
    },
    /// A SIP message went in or out; only with [`ApplicationBuilder::trace`].
    Trace(Trace),
}

impl Application {
    /// Starts with what is stored, and with defaults for the rest.
    pub async fn start(storage: impl Storage + Send + 'static) -> Result<Self, Error> {
        Self::builder(storage).start().await
    }

    /// Starts with something other than what is stored.
    pub fn builder(storage: impl Storage + Send + 'static) -> ApplicationBuilder {
        ApplicationBuilder::new(Box::new(storage))
    }

    /// Where SIP is received, by whichever transport.
    pub fn local_addr(&self) -> SocketAddr {
        self.agent.local_addr()
    }

    /// By which transports SIP is received, and where.
    pub fn locals(&self) -> Vec<(Transport, SocketAddr)> {
        self.agent.locals()
    }

    /// Changes the UDP port, 0 for a free one; opens UDP where there is none, or with `None` takes it away. Calls go on.
    /// Register again, so that the provider knows.
    pub async fn set_local_udp_port(&self, port: Option<u16>) -> Result<(), Error> {
        Ok(self.agent.set_local_udp_port(port).await?)
    }

    /// Changes the TCP port likewise. Connections stay.
    pub async fn set_local_tcp_port(&self, port: Option<u16>) -> Result<(), Error> {
        Ok(self.agent.set_local_tcp_port(port).await?)
    }

    /// Changes what TLS believes and who we are, and the port of TLS likewise. Connections keep what they were opened
    /// with.
    pub async fn set_tls_options(&self, port: Option<u16>, options: &TlsOptions) -> Result<(), Error> {
        Ok(self.agent.set_tls_options(port, options).await?)
    }

    /// By what others can be called now: as was preferred at the start, then what was added since.
    fn usable_transports(&self) -> Vec<Transport> {
        let there: Vec<Transport> = self
            .locals()
            .into_iter()
            .map(|(transport, _)| transport)
            .collect();
        let wanted = self.transports.iter().filter(|wanted| there.contains(wanted));
        let mut usable: Vec<Transport> = wanted.copied().collect();
        for transport in there {
            if !usable.contains(&transport) {
                usable.push(transport);
            }
        }
        usable
    }

    /// Who calls when this application calls.
    pub fn account(&self) -> &Account {
        &self.account
    }

    /// The settings in force.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Calls somebody: finds the way, sends the invitation, and gives the session whose events tell the rest.
    pub async fn call(
        &self,
        to: SipUri,
        streams: impl IntoIterator<Item = AudioStream>,
    ) -> Result<Session, Error> {
        let routes = self.routes(&to).await?;
        self.call_by(to, routes, streams).await
    }

    /// Calls somebody by ways that are known already, such as those of [`routes`](Self::routes).
    pub async fn call_by(
        &self,
        to: SipUri,
        routes: Vec<Route>,
        streams: impl IntoIterator<Item = AudioStream>,
    ) -> Result<Session, Error> {
        Ok(self
            .agent
            .call(&self.account, NameAddr::new(to.into()), routes, streams)
            .await?)
    }

    /// The same with streams of any kind: chats, files, and the application's own.
    pub async fn call_with(
        &self,
        to: SipUri,
        routes: Vec<Route>,
        streams: Vec<Box<dyn MediaStream>>,
    ) -> Result<Session, Error> {
        Ok(self
            .agent
            .call_with(&self.account, NameAddr::new(to.into()), routes, streams)
            .await?)
    }

    /// Does what the other side of a session asks for by its transfer: calls `target`, which
    /// [`SessionEvent::TransferNewIncoming`](crate::SessionEvent::TransferNewIncoming) names, with these streams. The other side is
    /// told how that call gets on; the session goes on until somebody ends it.
    pub async fn accept_transfer(
        &self,
        session: &Session,
        target: NameAddr,
        streams: impl IntoIterator<Item = AudioStream>,
    ) -> Result<Session, Error> {
        let uri = target.uri.as_sip().ok_or(SessionError::NotCallable);
        let uri = uri.map_err(CommandError::from)?.without_headers();
        let routes = self.routes(&uri).await?;
        let placed = self
            .agent
            .accept_transfer(session, &self.account, target, routes, streams);
        Ok(placed.await?)
    }

    /// The ways to an address, the best first: by the account's proxy where it has one (RFC 3263).
    pub async fn routes(&self, to: &SipUri) -> Result<Vec<Route>, Error> {
        let next_hop = self.account.next_hop(to);
        let proxy = (next_hop != to).then(|| loose(next_hop));
        let options = LookupOptions {
            transports: self.usable_transports(),
            ..LookupOptions::default()
        };
        let targets = self.resolver.routes_with(next_hop, options).await?;
        Ok(targets
            .into_iter()
            .map(|target| Route {
                outbound_proxy: proxy.clone(),
                ..target.route(next_hop)
            })
            .collect())
    }

    /// Registers the account with its provider, and keeps it registered until the registration is ended.
    pub async fn register(&self, expires: Duration) -> Result<Registration, Error> {
        let aor = self.account.uri();
        let routes = self.routes(&aor).await?;
        let Some(first) = routes.first().cloned() else {
            return Err(CommandError::from(SessionError::NoRoute).into());
        };
        let register = Register {
            routes,
            expires: expires.as_secs() as u32,
            credentials: self.account.credentials(),
            ..Register::new(NameAddr::new(aor.into()), first)
        };
        Ok(self.agent.register(register).await?)
    }

    /// Sends a message outside of calls (RFC 3428), and waits until it has arrived or failed: the final response, or what
    /// stands for it.
    pub async fn send_message(&self, to: SipUri, body: Body) -> Result<Cause, Error> {
        let (from, routes, first) = self.way_to(&to).await?;
        let message = PagerMessage {
            routes,
            credentials: self.account.credentials(),
            ..PagerMessage::new(from, to.into(), first, body)
        };
        Ok(self.agent.send_message(message).await?)
    }

    /// Asks what somebody can do (RFC 3261 §11): the final response, or what stands for it.
    pub async fn options(&self, to: SipUri) -> Result<Cause, Error> {
        let (from, routes, first) = self.way_to(&to).await?;
        let ask = Ask {
            routes,
            credentials: self.account.credentials(),
            ..Ask::options(from, to.into(), first)
        };
        Ok(self.agent.ask(ask).await?)
    }

    /// Publishes state of the account for an event package (RFC 3903), and keeps it there until the publication is ended.
    pub async fn publish(&self, event: &str, body: Body, expires: Duration) -> Result<Publication, Error> {
        let aor = self.account.uri();
        let (from, routes, first) = self.way_to(&aor).await?;
        let publish = Publish {
            routes,
            expires: expires.as_secs() as u32,
            credentials: self.account.credentials(),
            ..Publish::new(from, event, first)
        };
        Ok(self.agent.publish(publish, body).await?)
    }

    /// Subscribes to somebody's state (RFC 6665) until the subscription is ended. With no duration at all the state comes
    /// once.
    pub async fn subscribe(&self, to: SipUri, event: &str, expires: Duration) -> Result<Subscription, Error> {
        let (from, routes, first) = self.way_to(&to).await?;
        let subscribe = Subscribe {
            routes,
            expires: expires.as_secs() as u32,
            credentials: self.account.credentials(),
            ..Subscribe::new(from, to.into(), event, first)
        };
        Ok(self.agent.subscribe(subscribe).await?)
    }

    /// Who we are, and the ways to somebody.
    async fn way_to(&self, to: &SipUri) -> Result<(NameAddr, Vec<Route>, Route), Error> {
        let routes = self.routes(to).await?;
        let first = routes.first().cloned();
        let first = first.ok_or(CommandError::from(SessionError::NoRoute))?;
        Ok((NameAddr::new(self.account.uri().into()), routes, first))
    }

    /// A conference without calls: audio streams that are added to it hear each other, and us through the voice device.
    ///
    /// # Errors
    /// When the application has stopped.
    pub async fn conference(&self) -> Result<AudioConference, Error> {
        Ok(AudioConference::new(&self.agent).await?)
    }

    /// What calls are spoken and heard through that have nothing else: to choose its devices, mute it, and put sounds beside
    /// the calls.
    pub fn voice(&self) -> &VoiceDevice {
        self.agent.voice()
    }

    /// The mixer on the alert device, for ringing: a [`TonePlayer`](crate::TonePlayer) or a
    /// [`WavePlayer`](crate::WavePlayer) is put in its bridge. The device is open while anybody has the mixer, and is opened
    /// by the mixer's own thread: an event tells whether it is there.
    ///
    /// # Errors
    /// When the mixer cannot run.
    pub fn alert(&self) -> Result<Arc<DeviceMixer>, Error> {
        self.alert.mixer()
    }

    /// Which device rings from now on.
    pub fn set_alert_device(&self, device: DeviceChoice) {
        self.alert.set_device(device);
    }

    /// The next incoming call, message, trace, or what became of a sound device; `None` when the application has stopped.
    pub async fn next_event(&self) -> Option<ApplicationEvent> {
        loop {
            // Held while waiting on purpose: of several callers each event goes to one.
            let mut events = self.events.lock().await;
            let Events { agent, alert } = &mut *events;
            let event = tokio::select! {
                event = agent.next() => event?,
                Some(event) = alert.recv() => {
                    return Some(ApplicationEvent::SoundDevice { role: SoundRole::Alert, event });
                }
            };
            match event {
                UserAgentEvent::SoundDevice(event) => {
                    return Some(ApplicationEvent::SoundDevice {
                        role: SoundRole::Voice,
                        event,
                    });
                }
                UserAgentEvent::Incoming(session) => return Some(ApplicationEvent::Incoming(session)),
                UserAgentEvent::TransportFailed { path, failure } => {
                    return Some(ApplicationEvent::TransportFailed { path, failure });
                }
                UserAgentEvent::Message(message) => return Some(ApplicationEvent::Message(message)),
                UserAgentEvent::Trace(trace) => return Some(ApplicationEvent::Trace(trace)),
                _ => {}
            }
        }
    }

    /// Ends all sessions, waits a moment for the other sides to agree, and closes the ports.
    pub async fn stop(self) {
        self.agent.stop().await;
    }
}

/// The URI of a proxy for a Route header field: with `lr`, or the proxy would rewrite the request (RFC 3261 §16.4).
fn loose(proxy: &SipUri) -> SipUri {
    if proxy.lr() {
        proxy.clone()
    } else {
        proxy.clone().with_flag("lr")
    }
}
