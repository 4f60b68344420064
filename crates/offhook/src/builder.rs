//! What an application is started with.

use crate::alert::Alert;
use crate::application::{Application, Events};
use crate::sound;
use crate::{Account, Error, Settings, Storage};
use offhook_account::AccountManager;
use offhook_audio_mixer::{DeviceChoice, DeviceOptions};
use offhook_lookup::LookupOptions;
use offhook_lookup::tokio::Resolver;
use offhook_sansio::{Entropy, Transport};
use offhook_session::media::MediaConfig;
use offhook_session::tokio::{MsrpRelay, StartError, UserAgent, UserAgentConfig};
use offhook_session::{DtmfMethod, MediaStreamRegistry, SessionConfig, StreamKind, StreamSettings};
use offhook_sip_core::invitation::RedirectPolicy;
use offhook_sip_core::tokio::{TlsOptions, WebSocketConfig, system_entropy};
use offhook_sip_core::{EndpointConfig, Method, SipUri};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;

/// The user part of the account that needs no provider.
const LOCAL_USER: &str = "offhook";

/// What to start an [`Application`] with. What is not said comes from the storage.
pub struct ApplicationBuilder {
    storage: Box<dyn Storage + Send>,
    listen: SocketAddr,
    transports: Vec<Transport>,
    tls: TlsOptions,
    websocket: WebSocketConfig,
    account: Option<Account>,
    outbound_proxy: Option<SipUri>,
    sample_rate: Option<u32>,
    sound_devices: Option<DeviceOptions>,
    tail_length: Duration,
    alert_device: Option<DeviceChoice>,
    msrp_relay: Option<MsrpRelay>,
    trace: bool,
    messages: bool,
    transfers: bool,
    redirects: RedirectPolicy,
    dtmf: DtmfMethod,
    registry: MediaStreamRegistry,
}

impl ApplicationBuilder {
    pub(super) fn new(storage: Box<dyn Storage + Send>) -> Self {
        Self {
            storage,
            listen: SocketAddr::from(([0, 0, 0, 0], 0)),
            transports: vec![Transport::Udp],
            tls: TlsOptions::default(),
            websocket: WebSocketConfig::default(),
            account: None,
            outbound_proxy: None,
            sample_rate: None,
            sound_devices: None,
            tail_length: UserAgentConfig::default().tail_length,
            alert_device: None,
            msrp_relay: None,
            trace: false,
            messages: false,
            transfers: false,
            redirects: RedirectPolicy::default(),
            dtmf: DtmfMethod::default(),
            registry: MediaStreamRegistry::default(),
        }
    }

    /// A further kind of stream that the application is asked about where it is proposed, such as media of an
    /// [external tool](crate::ExternalMediaStream); one of the same name is replaced. What is of no known kind is refused by itself.
    #[must_use]
    pub fn stream_kind(mut self, kind: StreamKind) -> Self {
        self.registry.add(kind);
        self
    }

    /// Whether messages outside of calls are taken, see [`ApplicationEvent::Message`](crate::ApplicationEvent::Message). Default no: they are answered with 405.
    #[must_use]
    pub fn messages(mut self, messages: bool) -> Self {
        self.messages = messages;
        self
    }

    /// Whether the other side of a session may ask us to call somebody else, see
    /// [`SessionEvent::TransferNewIncoming`](crate::SessionEvent::TransferNewIncoming). Default no: it is answered with 405.
    #[must_use]
    pub fn transfers(mut self, transfers: bool) -> Self {
        self.transfers = transfers;
        self
    }

    /// How digits are sent. Default by RTP.
    #[must_use]
    pub fn dtmf(mut self, method: DtmfMethod) -> Self {
        self.dtmf = method;
        self
    }

    /// What becomes of a call that is sent elsewhere (3xx). Default: it fails, and says where to.
    #[must_use]
    pub fn redirects(mut self, redirects: RedirectPolicy) -> Self {
        self.redirects = redirects;
        self
    }

    /// Where to listen for SIP. Default `0.0.0.0:0`: everywhere, on a free port.
    #[must_use]
    pub fn listen(mut self, address: SocketAddr) -> Self {
        self.listen = address;
        self
    }

    /// The transports for SIP, the preferred first. UDP and the first of the others have the same port, each further
    /// one the next. With UDP and TCP, what is too large for UDP goes over TCP. Default UDP alone.
    #[must_use]
    pub fn transports(mut self, transports: impl IntoIterator<Item = Transport>) -> Self {
        self.transports = transports.into_iter().collect();
        self
    }

    /// Whom TLS believes, and who we are. Default: the system's authorities, and no certificate: then TLS is for calling
    /// only.
    #[must_use]
    pub fn tls(mut self, options: TlsOptions) -> Self {
        self.tls = options;
        self
    }

    /// How WebSocket connections are begun.
    #[must_use]
    pub fn websocket(mut self, config: WebSocketConfig) -> Self {
        self.websocket = config;
        self
    }

    /// Who calls. Default: the stored default account, or else a local one that needs no provider.
    #[must_use]
    pub fn account(mut self, account: Account) -> Self {
        self.account = Some(account);
        self
    }

    /// Sends every request by this proxy. Default: what the account says.
    #[must_use]
    pub fn outbound_proxy(mut self, proxy: SipUri) -> Self {
        self.outbound_proxy = Some(proxy);
        self
    }

    /// Samples a second inside the mixer, 8000 to 48000. Default: the setting `audio.sample_rate`.
    #[must_use]
    pub fn sample_rate(mut self, hertz: u32) -> Self {
        self.sample_rate = Some(hertz);
        self
    }

    /// What calls are spoken and heard through that have nothing else. Default: what the settings `audio` say.
    #[must_use]
    pub fn sound_devices(mut self, devices: DeviceOptions) -> Self {
        self.sound_devices = Some(devices);
        self
    }

    /// How long the room echoes what the loudspeaker says; zero switches the echo canceller off. Default 50 ms.
    #[must_use]
    pub fn tail_length(mut self, length: Duration) -> Self {
        self.tail_length = length;
        self
    }

    /// What rings, see [`Application::alert`]. Default: the setting `audio.alert_device`.
    #[must_use]
    pub fn alert_device(mut self, device: DeviceChoice) -> Self {
        self.alert_device = Some(device);
        self
    }

    /// Our relay for chats, files and desktops, which others may not reach otherwise. Default none.
    #[must_use]
    pub fn msrp_relay(mut self, relay: MsrpRelay) -> Self {
        self.msrp_relay = Some(relay);
        self
    }

    /// Whether SIP messages come as [`ApplicationEvent::Trace`](crate::ApplicationEvent::Trace). Default: no.
    #[must_use]
    pub fn trace(mut self, trace: bool) -> Self {
        self.trace = trace;
        self
    }

    /// Reads settings and accounts, opens the ports, starts the media thread.
    pub async fn start(self) -> Result<Application, Error> {
        let mut entropy = system_entropy().map_err(|error| StartError::Media(io::Error::from(error)))?;
        let (storage, given, fork) = (self.storage, self.account, entropy.fork());
        // Settings lie on a disk that may be slow.
        let loaded = tokio::task::spawn_blocking(move || load(&*storage, given, fork)).await;
        let (settings, mut account) =
            loaded.map_err(|error| StartError::Media(io::Error::other(error)))??;
        if self.outbound_proxy.is_some() {
            account.sip.outbound_proxy = self.outbound_proxy;
        }
        let resolver = Resolver::from_system(LookupOptions::default(), entropy.fork())?;
        let transports = self.transports.clone().into();
        let mut endpoint = EndpointConfig::default();
        settings.user_agent().clone_into(&mut endpoint.user_agent);
        endpoint.trace = self.trace;
        if self.messages {
            endpoint.allow.push(Method::Message);
        }
        if self.transfers {
            endpoint.allow.push(Method::Refer);
        }
        let sample_rate = self.sample_rate.unwrap_or(settings.audio.sample_rate.hz());
        let alert_device = sound::alert_device(self.alert_device, &settings.audio);
        let config = UserAgentConfig {
            listen: self.listen,
            transports: self.transports,
            tls: self.tls,
            websocket: self.websocket,
            endpoint,
            media: MediaConfig {
                sample_rate,
                ..MediaConfig::default()
            },
            sound_devices: sound::devices(self.sound_devices, &settings.audio),
            tail_length: self.tail_length,
            dtls_certificate: None,
            msrp_relay: self.msrp_relay,
            rtp_ports: settings.rtp.port_range.first()..=settings.rtp.port_range.last(),
            sessions: SessionConfig {
                streams: StreamSettings {
                    dtmf: self.dtmf,
                    ..stream_settings(&account, &settings)
                },
                registry: self.registry,
                redirects: self.redirects,
                ..SessionConfig::default()
            },
        };
        let (agent, events) = UserAgent::start(config)?;
        let (alert, alerts) = Alert::new(alert_device, sample_rate);
        let events = Events {
            agent: events,
            alert: alerts,
        };
        Ok(Application {
            agent,
            events: Arc::new(Mutex::new(events)),
            alert: Arc::new(alert),
            resolver: Arc::new(resolver),
            settings: Arc::new(settings),
            account: Arc::new(account),
            transports,
        })
    }
}

fn load(
    storage: &dyn Storage,
    given: Option<Account>,
    entropy: Entropy,
) -> Result<(Settings, Account), Error> {
    let settings = Settings::load(storage)?;
    let account = match given {
        Some(account) => account,
        None => stored_account(&settings, storage, entropy)?,
    };
    Ok((settings, account))
}

fn stored_account(settings: &Settings, storage: &dyn Storage, entropy: Entropy) -> Result<Account, Error> {
    let mut accounts = AccountManager::new(entropy);
    accounts.load(storage)?;
    if let Some(id) = &settings.default_account {
        accounts.set_default_account(id)?;
    }
    Ok(match accounts.default_account() {
        Some(account) => account.clone(),
        None => Account::local(LOCAL_USER).expect("a plain word is a user name"),
    })
}

fn stream_settings(account: &Account, settings: &Settings) -> StreamSettings {
    // Names in the settings that this build has no codec for are passed over.
    let codecs = account
        .audio_codecs(settings)
        .iter()
        .filter_map(|codec| codec.as_str().parse().ok());
    StreamSettings {
        audio_codecs: codecs.collect(),
        rtp_timeout: settings.rtp.timeout(),
        ..StreamSettings::default()
    }
}
