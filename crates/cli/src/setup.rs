//! From the command line to a running application.

use crate::args::{CallingArgs, CommonArgs, MessagingArgs, RelayArgs, TlsArgs, TransportArg};
use crate::exit::{Code, Failure};
use crate::report::Reporter;
use offhook::{
    Account, AccountId, Application, ApplicationBuilder, ApplicationEvent, Certificate, ClientCertificates,
    CommandError, Error, LastingEvent, LookupError, MemoryStorage, MsrpRelay, MsrpRelaySettings, OpenError,
    RelayUsage, Session, SessionError, SipUri, SoundRole, StartError, StreamError, TlsOptions, Transport,
    TransportFailure, Trust, WebSocketConfig,
};
use serde_json::json;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// Starts an application as the options say. `default_port` is where it listens unless told.
pub(crate) async fn start(
    args: &CommonArgs,
    default_port: u16,
    reporter: Reporter,
) -> Result<Application, Failure> {
    begin(prepare(args, default_port)?, reporter).await
}

/// The same for what runs over MSRP.
pub(crate) async fn start_for_messages(
    args: &MessagingArgs,
    default_port: u16,
    reporter: Reporter,
) -> Result<Application, Failure> {
    let builder = with_relay(prepare(&args.common, default_port)?, &args.common, &args.relay)?;
    begin(builder, reporter).await
}

/// The same for calls, which the other side may want to send elsewhere.
pub(crate) async fn start_for_calls(
    args: &CommonArgs,
    calling: &CallingArgs,
    default_port: u16,
    reporter: Reporter,
) -> Result<Application, Failure> {
    begin(for_calls(args, calling, default_port)?, reporter).await
}

/// The same for several calls at a time: the devices that were chosen are for all of them.
pub(crate) async fn start_for_sessions(
    args: &CommonArgs,
    calling: &CallingArgs,
    default_port: u16,
    reporter: Reporter,
) -> Result<Application, Failure> {
    let mut builder = for_calls(args, calling, default_port)?;
    if let Some(devices) = calling.media.chosen_devices() {
        builder = builder.sound_devices(devices);
    }
    begin(builder, reporter).await
}

fn for_calls(
    args: &CommonArgs,
    calling: &CallingArgs,
    default_port: u16,
) -> Result<ApplicationBuilder, Failure> {
    let builder = with_relay(prepare(args, default_port)?, args, &calling.relay)?;
    let builder = builder
        .transfers(calling.media.follow_transfers)
        .dtmf(calling.media.dtmf.into());
    Ok(match calling.streams.tool_kind() {
        Some(kind) => builder.stream_kind(kind),
        None => builder,
    })
}

/// What the options say.
fn prepare(args: &CommonArgs, default_port: u16) -> Result<ApplicationBuilder, Failure> {
    let listen = args
        .listen
        .unwrap_or_else(|| SocketAddr::from(([0, 0, 0, 0], default_port)));
    let transport = match args.transport {
        TransportArg::Udp => Transport::Udp,
        TransportArg::Tcp => Transport::Tcp,
        TransportArg::Tls => Transport::Tls,
        TransportArg::Ws => Transport::Ws,
        TransportArg::Wss => Transport::Wss,
    };
    if args.tls.no_verify && transport.is_secure() {
        let _ = writeln!(
            std::io::stderr(),
            "warning: --no-verify believes every server: anybody in between can listen and speak for it"
        );
    }
    let mut builder = Application::builder(MemoryStorage::new())
        .listen(listen)
        .transports([transport])
        .tls(tls(&args.tls))
        .websocket(WebSocketConfig {
            resource: args.tls.ws_path.clone(),
            ..WebSocketConfig::default()
        })
        .trace(args.trace);
    if let Some(account) = account(args)? {
        builder = builder.account(account);
    }
    if let Some(proxy) = &args.proxy {
        builder = builder.outbound_proxy(uri(proxy)?);
    }
    Ok(builder)
}

async fn begin(builder: ApplicationBuilder, reporter: Reporter) -> Result<Application, Failure> {
    // A program starts once.
    let _ = SOUND.set(SoundTeller {
        reporter,
        lost: Default::default(),
    });
    let app = builder.start().await.map_err(failure)?;
    let address = app.local_addr();
    let transport = app
        .locals()
        .first()
        .map_or(Transport::Udp, |(transport, _)| *transport);
    let fields = json!({ "transport": transport.as_param(), "address": address.to_string() });
    reporter.say(
        "listening",
        fields,
        &format!("Listening on {address} ({transport})"),
    );
    Ok(app)
}

fn tls(args: &TlsArgs) -> TlsOptions {
    let mut options = TlsOptions {
        verify_server: !args.no_verify,
        ..TlsOptions::default()
    };
    if let Some(file) = &args.ca_file {
        options.trust = Trust::CaFile(file.clone());
    }
    if let (Some(chain), Some(key)) = (args.cert.clone(), args.key.clone()) {
        options.certificate = Some(Certificate::Files { chain, key });
    }
    if args.require_client_cert {
        options.client_certificates = ClientCertificates::Required;
    }
    options
}

/// Reads a SIP URI as people write it: `sip:` may be left out before `user@host`. A word alone is more likely a slip
/// than the name of a host.
pub(crate) fn uri(text: &str) -> Result<SipUri, Failure> {
    let scheme = text.split_once(':').map_or("", |(scheme, _)| scheme);
    let has_scheme = scheme.eq_ignore_ascii_case("sip") || scheme.eq_ignore_ascii_case("sips");
    let wrong = |error: &dyn std::fmt::Display| {
        let message = format!("`{text}` is not a SIP URI ({error}); write it like sip:alice@example.org");
        Failure::new(Code::Uri, message)
    };
    if has_scheme {
        return text.parse().map_err(|error| wrong(&error));
    }
    match text.split_once('@') {
        None => return Err(wrong(&"it begins with neither sip: nor sips:, and has no @")),
        Some((user, _)) if user.contains(':') => return Err(wrong(&"neither sip: nor sips:")),
        Some(_) => {}
    }
    format!("sip:{text}").parse().map_err(|error| wrong(&error))
}

/// The next incoming call; SIP traces are printed on the way. `None` when the application has stopped.
pub(crate) async fn next_incoming(app: &Application) -> Option<Session> {
    loop {
        match app.next_event().await? {
            ApplicationEvent::Incoming(session) => return Some(session),
            ApplicationEvent::Trace(trace) => {
                let arrow = if trace.sent { "->" } else { "<-" };
                let text = String::from_utf8_lossy(&trace.bytes);
                let _ = writeln!(std::io::stderr(), "{arrow} {}\n{}", trace.path, text.trim_end());
            }
            // A server may close what it does not need any more.
            ApplicationEvent::TransportFailed {
                failure: TransportFailure::Closed,
                ..
            } => {}
            ApplicationEvent::TransportFailed { path, failure } => {
                let _ = writeln!(
                    std::io::stderr(),
                    "{} to {}: {failure}",
                    path.transport,
                    path.remote
                );
            }
            ApplicationEvent::SoundDevice { role, event } => {
                if let Some(sound) = SOUND.get() {
                    sound.tell(role, &event);
                }
            }
            _ => {}
        }
    }
}

/// Who is told of sound devices: they come and go whatever the program is about.
static SOUND: OnceLock<SoundTeller> = OnceLock::new();

struct SoundTeller {
    reporter: Reporter,
    /// Whether the voice device and the alert device are lost: that one is there is no news unless it was.
    lost: [AtomicBool; 2],
}

impl SoundTeller {
    /// A call goes on without its device, and whoever hears nothing wants to know why.
    fn tell(&self, role: SoundRole, event: &LastingEvent) {
        let (which, lost) = match role {
            SoundRole::Voice => ("sound", &self.lost[0]),
            SoundRole::Alert => ("alert", &self.lost[1]),
        };
        let (name, sentence) = match event {
            LastingEvent::Lost(error) => {
                lost.store(true, Ordering::Relaxed);
                let sentence = format!("{error}; silence takes its place");
                ("sound_device_lost", sentence)
            }
            LastingEvent::Rerouted(direction) => (
                "sound_device_moved",
                format!("its {direction} was moved to another device"),
            ),
            LastingEvent::Found if lost.swap(false, Ordering::Relaxed) => {
                ("sound_device_found", "it is there again".to_owned())
            }
            LastingEvent::Resumed(direction) => {
                lost.store(false, Ordering::Relaxed);
                ("sound_device_found", format!("its {direction} is there again"))
            }
            _ => return,
        };
        if self.reporter.is_json() {
            let fields = json!({ "device": which, "message": sentence });
            self.reporter.say(name, fields, "");
        }
        let _ = writeln!(std::io::stderr(), "The {which} device: {sentence}");
    }
}

/// Stops, and prints the SIP messages of the goodbye.
pub(crate) async fn finish(app: Application) {
    let last_words = async {
        while let Some(late) = next_incoming(&app).await {
            drop(late);
        }
    };
    tokio::join!(app.clone().stop(), last_words);
}

/// What an error of the application means to a script.
pub(crate) fn failure(error: Error) -> Failure {
    let code = match &error {
        Error::Uri(_) | Error::Lookup(LookupError::NoUsableTransport { .. }) => Code::Uri,
        Error::Lookup(_)
        | Error::Command(CommandError::Session(
            SessionError::NoRoute | SessionError::Open(OpenError::NoWay { .. }),
        )) => Code::Unreachable,
        Error::Start(StartError::Bind(_) | StartError::Tls(_))
        | Error::Command(CommandError::Session(
            SessionError::Open(_) | SessionError::Stream(StreamError::Open(_)),
        )) => Code::Listen,
        // What was proposed does not fit what we have: a decline, of ours.
        Error::Command(CommandError::Session(SessionError::Stream(_) | SessionError::Negotiation(_))) => {
            Code::Declined
        }
        Error::Command(CommandError::Device(_)) => Code::Device,
        Error::Command(CommandError::Relay(_) | CommandError::RelayTls(_)) => Code::Relay,
        Error::Codec(_) => Code::Codec,
        _ => Code::Internal,
    };
    match error {
        Error::Start(StartError::Bind(error)) => Failure::new(
            code,
            format_args!("{error}; choose another address with --listen"),
        ),
        Error::Lookup(error @ LookupError::NoUsableTransport { .. }) => Failure::new(
            code,
            format_args!("{error}; --transport chooses what this program speaks"),
        ),
        error => Failure::new(code, error),
    }
}

fn account(args: &CommonArgs) -> Result<Option<Account>, Failure> {
    let Some(text) = &args.account else {
        return Ok(None);
    };
    let id: AccountId = text.parse().map_err(|error| {
        let message = format!("`{text}` is not an account ({error}); write it like sip:alice@example.org");
        Failure::new(Code::Uri, message)
    })?;
    let mut account = Account::new(id);
    account.enabled = true;
    if let Some(password) = password(args)? {
        account.auth.password = password.into();
    }
    Ok(Some(account))
}

fn password(args: &CommonArgs) -> Result<Option<String>, Failure> {
    secret(args.password_file.as_deref(), "OFFHOOK_PASSWORD")
}

/// A relay for messages, as the account's user unless told otherwise.
fn with_relay(
    builder: ApplicationBuilder,
    common: &CommonArgs,
    args: &RelayArgs,
) -> Result<ApplicationBuilder, Failure> {
    let Some(place) = &args.relay else {
        return Ok(builder);
    };
    let account = account(common)?.map(|account| account.id().username().to_owned());
    let user = args.relay_user.clone().or(account).ok_or_else(|| {
        let message = "the relay wants to know who we are: say it with --relay-user or --account";
        Failure::new(Code::Usage, message)
    })?;
    let password = match secret(args.relay_password_file.as_deref(), "OFFHOOK_RELAY_PASSWORD")? {
        Some(password) => password,
        None => password(common)?.unwrap_or_default(),
    };
    let mut settings = MsrpRelaySettings::new(&place.host, user, password).with_host(&place.host, place.port);
    if !place.is_secure {
        settings = settings.without_tls();
    }
    let usage = RelayUsage::Always;
    Ok(builder.msrp_relay(MsrpRelay { settings, usage }))
}

/// What a file holds, or else a variable.
fn secret(file: Option<&Path>, variable: &str) -> Result<Option<String>, Failure> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).map_err(|error| {
            Failure::new(
                Code::Usage,
                format_args!("cannot read the password file {}: {error}", path.display()),
            )
        })?;
        return Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()));
    }
    Ok(std::env::var(variable).ok())
}
