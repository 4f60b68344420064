//! A phone without sound that does what its arguments say, one step after the other: to try other programs with.
//!
//! ```text
//! user_agent [OPTION VALUE]... -- STEP...
//! user_agent --listen 127.0.0.1:5070 -- call sip:bob@127.0.0.1:5060 await confirmed hold await negotiated end
//! ```
//!
//! Options: `--listen ADDRESS`, `--transport udp|tcp|tls|ws`, `--ca FILE` whom TLS believes, `--account URI`,
//! `--password WORD`, `--server ADDRESS` of a registrar and proxy, `--reliability supported|preferred|required`,
//! `--session-expires SECONDS`, `--redirects NUMBER` to follow.
//!
//! Steps: `register`, `call URI`, `ring`, `early` (183 with a description), `accept`, `refuse STATUS`, `redirect URI`,
//! `hold`, `resume`, `refer URI`, `consult URI` (a second call), `transfer` (the first call takes our place in the second),
//! `end`, `pause MILLISECONDS`, and `await LINE`, which waits until a line is printed that begins with these words.
//! Re-INVITEs, UPDATEs and referrals of the other side are accepted without a step. Steps are about the first call, or the
//! one that has replaced it.

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use offhook_digest::Credentials;
use offhook_sansio::Transport;
use offhook_sip_core::tokio::{
    Driver, Handle, TlsOptions, Transports, Trust, WebSocketConfig, system_entropy,
};
use offhook_sip_core::{
    Body, Endpoint, EndpointConfig, EndpointEvent, InvitationEvent, InvitationId, InvitationMut,
    InvitationState, Invite, Method, NameAddr, RedirectPolicy, Refer, ReferralId, Register,
    RegistrationEvent, Reliability, Request, Route, SessionTimerConfig, StatusCode, Uri,
};
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

type Failure = Box<dyn std::error::Error>;

/// How long an awaited line may take.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Failure> {
    let mut words: VecDeque<String> = std::env::args().skip(1).collect();
    let options = Options::take(&mut words)?;
    let mut phone = Phone::start(options)?;
    println!("listening");
    while let Some(step) = words.pop_front() {
        phone
            .step(&step, &mut words)
            .await
            .map_err(|cause| format!("{step}: {cause}"))?;
    }
    Ok(phone.handle.stop().await?)
}

/// What stands before `--`.
struct Options(HashMap<String, String>);

impl Options {
    fn take(words: &mut VecDeque<String>) -> Result<Self, Failure> {
        let mut options = HashMap::new();
        while let Some(name) = words.pop_front() {
            if name == "--" {
                return Ok(Self(options));
            }
            let name = name.strip_prefix("--").ok_or("an option begins with --")?;
            options.insert(name.to_owned(), words.pop_front().ok_or("an option has a value")?);
        }
        Err("no steps: they come after --".into())
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    fn number(&self, name: &str) -> Result<Option<u32>, Failure> {
        Ok(self.get(name).map(str::parse).transpose()?)
    }

    fn transport(&self) -> Result<Transport, Failure> {
        match self.get("transport").unwrap_or("udp") {
            "udp" => Ok(Transport::Udp),
            "tcp" => Ok(Transport::Tcp),
            "tls" => Ok(Transport::Tls),
            "ws" => Ok(Transport::Ws),
            other => Err(format!("no transport {other}").into()),
        }
    }

    fn transports(&self) -> Result<Transports, Failure> {
        let listen = self.get("listen").unwrap_or("127.0.0.1:0").parse()?;
        let mut transports = Transports::new();
        match self.transport()? {
            Transport::Tcp => transports.bind_tcp(listen)?,
            Transport::Tls => {
                let trust = self
                    .get("ca")
                    .map_or(Trust::System, |file| Trust::CaFile(file.into()));
                let tls = TlsOptions {
                    trust,
                    ..TlsOptions::default()
                };
                transports.bind_tls(listen, tls.load()?)?
            }
            Transport::Ws => transports.bind_ws(listen, WebSocketConfig::default())?,
            _ => transports.bind_udp(listen)?,
        };
        Ok(transports)
    }

    fn endpoint(&self) -> Result<EndpointConfig, Failure> {
        let mut config = EndpointConfig::default();
        config.allow.push(Method::Refer);
        config.reliability = match self.get("reliability").unwrap_or("supported") {
            "supported" => Reliability::Supported,
            "preferred" => Reliability::Preferred,
            "required" => Reliability::Required,
            other => return Err(format!("no reliability {other}").into()),
        };
        if let Some(expires) = self.number("session-expires")? {
            let usual = SessionTimerConfig::default();
            config.session_timer = Some(SessionTimerConfig {
                expires,
                min_se: usual.min_se.min(expires),
            });
        }
        Ok(config)
    }
}

/// A referral of the other side, and the call that we make for it.
struct Errand {
    call: InvitationId,
    of: InvitationId,
    id: ReferralId,
}

struct Phone {
    handle: Handle<Endpoint>,
    events: mpsc::Receiver<EndpointEvent>,
    options: Options,
    me: NameAddr,
    /// The call that the steps are about: the first one, or what has replaced it.
    call: Option<InvitationId>,
    /// With whom we spoke before we transfer the first one.
    consultation: Option<InvitationId>,
    errand: Option<Errand>,
    /// What was printed and not awaited yet.
    lines: VecDeque<String>,
}

impl Phone {
    fn start(options: Options) -> Result<Self, Failure> {
        let transports = options.transports()?;
        let mut endpoint = Endpoint::new(options.endpoint()?, system_entropy()?);
        for (transport, address) in transports.locals() {
            endpoint.add_local(transport, address);
        }
        let me: Uri = options
            .get("account")
            .unwrap_or("sip:offhook@127.0.0.1")
            .parse()?;
        let (handle, events) = Driver::spawn(endpoint, transports);
        Ok(Self {
            handle,
            events,
            me: NameAddr::new(me),
            options,
            call: None,
            consultation: None,
            errand: None,
            lines: VecDeque::new(),
        })
    }

    async fn step(&mut self, step: &str, words: &mut VecDeque<String>) -> Result<(), Failure> {
        let mut value = || words.pop_front().ok_or("a value is missing");
        match step {
            "register" => self.register().await,
            "call" => {
                self.call = Some(self.dial(value()?.parse()?).await?);
                Ok(())
            }
            "consult" => {
                self.consultation = Some(self.dial(value()?.parse()?).await?);
                Ok(())
            }
            "transfer" => self.transfer().await,
            "await" => self.wait(&value()?).await,
            "pause" => self.pause(Duration::from_millis(value()?.parse()?)).await,
            "ring" => self.with_call(|mut call, now| call.ring(now)).await,
            "early" => {
                let early = |mut call: InvitationMut<'_>, now| {
                    let body = description("sendrecv", 1);
                    call.respond_provisionally(now, StatusCode::SESSION_PROGRESS, Some(&body))
                };
                self.with_call(early).await
            }
            "accept" => {
                let accept =
                    |mut call: InvitationMut<'_>, now| call.accept(now, Some(&description("sendrecv", 1)));
                self.with_call(accept).await
            }
            "refuse" => {
                let status = StatusCode::new(value()?.parse()?).ok_or("no status")?;
                self.with_call(move |mut call, now| call.reject(now, status, None, &[]))
                    .await
            }
            "redirect" => {
                let contact = [("Contact".to_owned(), format!("<{}>", value()?))];
                let status = StatusCode::MOVED_TEMPORARILY;
                self.with_call(move |mut call, now| call.reject(now, status, None, &contact))
                    .await
            }
            "hold" => self.reinvite("sendonly", 2).await,
            "resume" => self.reinvite("sendrecv", 3).await,
            "refer" => {
                let refer = Refer::new(value()?.parse()?);
                self.with_call(move |mut call, now| call.refer(now, &refer).map(drop))
                    .await
            }
            "end" => {
                self.with_call(|mut call, now| call.end(now)).await?;
                self.wait("disconnected").await
            }
            _ => Err("no such step".into()),
        }
    }

    /// Does something with the call.
    async fn with_call<E, F>(&self, act: F) -> Result<(), Failure>
    where
        E: std::error::Error + Send + 'static,
        F: FnOnce(InvitationMut<'_>, Instant) -> Result<(), E> + Send + 'static,
    {
        let id = self.call.ok_or("there is no call")?;
        let done = self.handle.call(move |endpoint, now| {
            let call = endpoint.invitation(id);
            call.map(|call| act(call, now))
        });
        Ok(done.await?.ok_or("the call is over")??)
    }

    async fn dial(&self, to: Uri) -> Result<InvitationId, Failure> {
        let invite = self.invite(to)?;
        let dial = move |endpoint: &mut Endpoint, now| endpoint.invite(now, invite);
        Ok(self.handle.call(dial).await??)
    }

    /// An attended transfer (RFC 5589 §7).
    async fn transfer(&self) -> Result<(), Failure> {
        let consulted = self.consultation.ok_or("nobody was consulted")?;
        let refer = self.handle.call(move |endpoint, _| {
            let call = endpoint.invitation(consulted)?;
            call.dialog().map(Refer::replacing)
        });
        let refer = refer.await?.ok_or("the consultation is over")?;
        self.with_call(move |mut call, now| call.refer(now, &refer).map(drop))
            .await
    }

    /// Whether the steps are about this call from now on.
    async fn is_wanted(&self, id: InvitationId) -> Result<bool, Failure> {
        let Some(current) = self.call else { return Ok(true) };
        let replaced = self
            .handle
            .call(move |endpoint, _| endpoint.invitation(id)?.replaces());
        Ok(replaced.await? == Some(current))
    }

    async fn reinvite(&self, direction: &str, version: u32) -> Result<(), Failure> {
        let body = description(direction, version);
        self.with_call(move |mut call, now| call.reinvite(now, Some(body)))
            .await
    }

    /// By the server where there is one, else straight to a numeric address.
    fn route(&self, target: &Uri) -> Result<Route, Failure> {
        let transport = self.options.transport()?;
        let Some(server) = self.options.get("server") else {
            let uri = target.as_sip().ok_or("no SIP URI")?;
            let address = format!("{}:{}", uri.host(), uri.port().unwrap_or(5060));
            return Ok(Route::new(transport, address.parse()?));
        };
        let address: SocketAddr = server.parse()?;
        let proxy = format!("sip:{address};transport={};lr", transport.as_param());
        let mut route = Route::new(transport, address);
        route.outbound_proxy = Some(proxy.parse()?);
        if let Some(uri) = self.me.uri.as_sip() {
            route = route.with_domain(uri.host().clone());
        }
        Ok(route)
    }

    fn credentials(&self) -> Option<Credentials> {
        let user = self.me.uri.as_sip()?.user()?.to_owned();
        Some(Credentials::new(user, self.options.get("password")?))
    }

    fn invite(&self, to: Uri) -> Result<Invite, Failure> {
        let most = self.options.number("redirects")?.unwrap_or(0) as usize;
        let route = self.route(&to)?;
        Ok(Invite {
            credentials: self.credentials(),
            offer: Some(description("sendrecv", 1)),
            redirects: match most {
                0 => RedirectPolicy::Tell,
                most => RedirectPolicy::Follow { most },
            },
            ..Invite::new(self.me.clone(), to, route)
        })
    }

    async fn register(&mut self) -> Result<(), Failure> {
        let register = Register {
            credentials: self.credentials(),
            ..Register::new(self.me.clone(), self.route(&self.me.uri)?)
        };
        let command = move |endpoint: &mut Endpoint, now| endpoint.register(now, register);
        self.handle.call(command).await??;
        self.wait("registered").await
    }

    async fn pause(&mut self, time: Duration) -> Result<(), Failure> {
        match tokio::time::timeout(time, self.wait("nothing that is ever printed")).await {
            Ok(outcome) => outcome,
            Err(_) => Ok(()),
        }
    }

    /// Waits until a line is printed that begins so. Lines before it are passed over.
    async fn wait(&mut self, beginning: &str) -> Result<(), Failure> {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            while let Some(line) = self.lines.pop_front() {
                if line.starts_with(beginning) {
                    return Ok(());
                }
            }
            let event = tokio::time::timeout_at(deadline, self.events.recv()).await;
            match event.map_err(|_| format!("no `{beginning}`"))? {
                Some(event) => self.react(event).await?,
                None => return Err("the driver has stopped".into()),
            }
        }
    }

    fn say(&mut self, line: String) {
        println!("{line}");
        self.lines.push_back(line);
    }

    async fn react(&mut self, event: EndpointEvent) -> Result<(), Failure> {
        match event {
            EndpointEvent::Registration { event, .. } => self.registration(&event),
            EndpointEvent::Invitation { id, event } if self.errand.as_ref().is_some_and(|e| e.call == id) => {
                self.run_errand(&event).await?;
            }
            EndpointEvent::Invitation { id, event } => self.invitation(id, event).await?,
            _ => {}
        }
        Ok(())
    }

    fn registration(&mut self, event: &RegistrationEvent) {
        match event {
            RegistrationEvent::Succeeded { .. } => self.say("registered".to_owned()),
            RegistrationEvent::Failed { cause, .. } => {
                self.say(format!("not registered: {}", cause.reason()));
            }
            _ => {}
        }
    }

    async fn invitation(&mut self, id: InvitationId, event: InvitationEvent) -> Result<(), Failure> {
        match event {
            InvitationEvent::StateChanged { state, cause, .. } => {
                if state == InvitationState::Incoming && self.is_wanted(id).await? {
                    self.call = Some(id);
                }
                let status = cause.status().map_or(0, StatusCode::as_u16);
                self.say(format!("{} {status}", state.to_string().to_lowercase()));
            }
            InvitationEvent::EarlyDescription { is_reliable, .. } => {
                let how = if is_reliable { "reliable" } else { "unreliable" };
                self.say(format!("early media, {how}"));
            }
            InvitationEvent::Negotiated { local, remote } => {
                self.say(format!("negotiated {} {}", direction(&local), direction(&remote)));
            }
            InvitationEvent::Reinvite { request } => {
                let body = answer(&request);
                self.say("reinvite".to_owned());
                self.with_call(move |mut call, now| {
                    call.respond_to_reinvite(now, StatusCode::OK, Some(&body))
                })
                .await?;
            }
            InvitationEvent::Update { request } => {
                let body = answer(&request);
                self.say("update".to_owned());
                self.with_call(move |mut call, now| call.respond_to_update(now, StatusCode::OK, Some(&body)))
                    .await?;
            }
            InvitationEvent::UpdateAnswered { cause } => {
                self.say(format!(
                    "update answered {}",
                    cause.status().map_or(0, StatusCode::as_u16)
                ));
            }
            InvitationEvent::Redirected { target } => self.say(format!("redirected {target}")),
            InvitationEvent::Refer {
                id: referral,
                request,
            } => self.accept_errand(id, referral, &request).await?,
            InvitationEvent::ReferNotified { status, is_last, .. } => {
                let status = status.map_or(0, StatusCode::as_u16);
                let last = if is_last { ", the last" } else { "" };
                self.say(format!("referral {status}{last}"));
            }
            _ => {}
        }
        Ok(())
    }

    /// Calls whom the other side wants us to call.
    async fn accept_errand(
        &mut self,
        of: InvitationId,
        id: ReferralId,
        request: &Request,
    ) -> Result<(), Failure> {
        self.with_call(move |mut call, now| call.accept_refer(now, id))
            .await?;
        let target = request.headers().get_str("Refer-To").unwrap_or_default();
        let target: NameAddr = target.parse()?;
        let referred = Invite::referred(self.me.clone(), request, self.route(&target.uri)?);
        let mut invite = referred.ok_or("not to be called")?;
        invite.offer = Some(description("sendrecv", 1));
        let call = self
            .handle
            .call(move |endpoint, now| endpoint.invite(now, invite))
            .await??;
        self.errand = Some(Errand { call, of, id });
        self.say(format!("referred {}", target.uri));
        Ok(())
    }

    /// Tells whoever sent us how it goes.
    async fn run_errand(&mut self, event: &InvitationEvent) -> Result<(), Failure> {
        let InvitationEvent::StateChanged { state, cause, .. } = event else {
            return Ok(());
        };
        let status = match state {
            InvitationState::Confirmed => StatusCode::OK,
            InvitationState::Disconnected => cause.status().unwrap_or(StatusCode::SERVICE_UNAVAILABLE),
            _ => return Ok(()),
        };
        if let Some(Errand { of, id, .. }) = self.errand {
            let tell = move |endpoint: &mut Endpoint, now| {
                let call = endpoint.invitation(of);
                call.map(|mut call| call.notify(now, id, status, None))
            };
            // The call that it came from may be over, and then nobody waits for it.
            let _ = self.handle.call(tell).await?;
        }
        self.say(format!("errand {status}"));
        Ok(())
    }
}

/// A description of one audio stream. Nobody listens at its port.
fn description(direction: &str, version: u32) -> Body {
    Body::sdp(format!(
        "v=0\r\no=- 1 {version} IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n\
         m=audio 4000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n"
    ))
}

fn direction(body: &Body) -> &'static str {
    let text = String::from_utf8_lossy(&body.bytes);
    ["sendonly", "recvonly", "inactive"]
        .into_iter()
        .find(|direction| text.contains(direction))
        .unwrap_or("sendrecv")
}

/// What answers an offer (RFC 3264 §6.1), or an offer where there is none.
fn answer(request: &Request) -> Body {
    let offered = Body::sdp(request.body().to_vec());
    let direction = match direction(&offered) {
        "sendonly" => "recvonly",
        "recvonly" => "sendonly",
        other => other,
    };
    description(direction, 4)
}
