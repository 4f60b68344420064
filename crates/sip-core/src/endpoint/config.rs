//! What an endpoint is told once.

use super::aliases::ConnectionReuse;
use crate::EventPackages;
use crate::header::Route as RouteHeader;
use crate::transaction::{Timing, TransactionLimits};
use crate::{Headers, Host, Method, NameAddr, ParseOptions, SipUri, StatusCode};
use bytes::Bytes;
use offhook_sansio::Transport;
use std::net::SocketAddr;
use std::time::Duration;

/// How many of each thing an [`Endpoint`](crate::Endpoint) holds at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndpointLimits {
    /// Transactions.
    pub transactions: TransactionLimits,
    /// Invitations, both ways, until their last transaction is over. Default 16,384: at some 8 kB each this is
    /// 128 MB, and no phone comes near it. An INVITE above it is answered with 503.
    pub invitations: usize,
    /// Early dialogs of one INVITE, when proxies fork it. Default 16: more branches than anybody lets ring.
    pub forks: usize,
    /// Registrations. Default 4,096.
    pub registrations: usize,
    /// Names of servers that requests go to over TLS or WebSocket. Default 4,096, at most 1 MB. One more than that, and
    /// the name is forgotten that was used longest ago: connections to it hold, and none is opened in dialogs that began
    /// with it.
    pub server_names: usize,
    /// Connections of others that our requests may go by, too ([`EndpointConfig::connection_reuse`]). Default 1,024: twice
    /// what the driver holds. To the peers of others a connection is opened.
    pub aliased_connections: usize,
    /// Ports that one of them stands for. Default 8: a host seldom has more than one.
    pub aliases_per_connection: usize,
    /// Publications. Default 4,096.
    pub publications: usize,
    /// Subscriptions of ours, each further notifier of a forked one counted. Default 4,096.
    pub subscriptions: usize,
    /// Subscriptions of others here. Default 16,384; a SUBSCRIBE above it is answered with 503.
    pub incoming_subscriptions: usize,
    /// Requests of ours outside of dialogs that wait for their response. Default 4,096.
    pub asks: usize,
    /// Messages of ours, on their way or waiting. Default 4,096.
    pub messages: usize,
    /// Messages of ours to one target. Default 64: one that types faster than the other side answers should know.
    pub messages_per_target: usize,
}

impl Default for EndpointLimits {
    fn default() -> Self {
        Self {
            transactions: TransactionLimits::default(),
            invitations: 16_384,
            forks: 16,
            registrations: 4_096,
            server_names: 4_096,
            aliased_connections: 1_024,
            aliases_per_connection: 8,
            publications: 4_096,
            subscriptions: 4_096,
            incoming_subscriptions: 16_384,
            asks: 4_096,
            messages: 4_096,
            messages_per_target: 64,
        }
    }
}

/// How provisional responses are made reliable (RFC 3262).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reliability {
    /// Not at all: `100rel` is not announced, and a peer that requires it gets 420.
    Off,
    /// Announced in Supported, and done by us where the peer requires it. The default.
    #[default]
    Supported,
    /// And done by us towards each peer that announces it.
    Preferred,
    /// And required in our INVITEs; those of a peer that does not announce it are refused with 421.
    Required,
}

/// The session timer that is asked for (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionTimerConfig {
    /// After how many seconds without refresh a call counts as dead. Default 1800, as RFC 4028 §4 recommends.
    pub expires: u32,
    /// The shortest interval that is accepted, in seconds; a shorter one is refused with 422. Default 90, the least
    /// that RFC 4028 §5 allows.
    pub min_se: u32,
}

impl Default for SessionTimerConfig {
    fn default() -> Self {
        Self {
            expires: 1800,
            min_se: 90,
        }
    }
}

/// What an [`Endpoint`](crate::Endpoint) is and says of itself.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// The value of User-Agent and Server. Default `offhook/` and the version of this crate.
    pub user_agent: String,
    /// Timer values.
    pub timing: Timing,
    /// Sizes of tables.
    pub limits: EndpointLimits,
    /// Methods that are served, said in Allow. Default INVITE, ACK, CANCEL, BYE, OPTIONS, PRACK, UPDATE, INFO and
    /// NOTIFY, which the endpoint serves by itself or as part of a call. REFER inside a call comes out as
    /// [`InvitationEvent::Refer`](crate::InvitationEvent::Refer) once it is added here, and outside of calls as
    /// [`IncomingSubscriptionEvent::Referred`](crate::IncomingSubscriptionEvent::Referred); requests of the others that you add come out as
    /// [`EndpointEvent::Request`](crate::EndpointEvent::Request).
    pub allow: Vec<Method>,
    /// Whether an OPTIONS outside of dialogs is answered without a transaction (RFC 3261 §8.2.7): nothing is kept of it, and
    /// one that comes again is answered again, with the same To tag. For servers that are asked often whether they are
    /// there. Default no.
    pub stateless_options: bool,
    /// Extensions that the owner understands, said in Supported besides those that the endpoint serves itself: `100rel`,
    /// `timer` and `replaces`, and `norefersub` where REFER is allowed. A request that requires another is answered with
    /// 420. Default none.
    pub supported: Vec<String>,
    /// Whether requests to a peer go by a connection that the peer opened (RFC 5923). Default over TLS alone, to whom a
    /// certificate names.
    pub connection_reuse: ConnectionReuse,
    /// Reliable provisional responses.
    pub reliability: Reliability,
    /// Session timers; `None` asks for none and grants none. Default on.
    pub session_timer: Option<SessionTimerConfig>,
    /// INFO packages that the owner takes, said in Recv-Info (RFC 6086); an INFO of another is refused with 469.
    /// Default none. INFO without a package is always taken.
    pub info_packages: Vec<String>,
    /// Bodies that an INVITE may have, said in Accept. Default `application/sdp`.
    pub accept: Vec<String>,
    /// The languages of reason phrases, said in Accept-Language when somebody asks. Default `en`.
    pub accept_language: Vec<String>,
    /// Event packages that can be subscribed to, with the bodies that their NOTIFYs may have.
    pub events: EventPackages,
    /// Event packages that others may subscribe to here, said in Allow-Events (RFC 6665 §4.4.4). Default none; with any,
    /// SUBSCRIBE is served and comes out as an incoming subscription.
    pub incoming_events: Vec<String>,
    /// The shortest time that others may subscribe for; a SUBSCRIBE below it, and below an hour, is answered with 423
    /// (RFC 6665 §4.2.1.1). Default 60 s.
    pub shortest_subscription: Duration,
    /// The longest time that others may subscribe for: they get no more. Default an hour.
    pub longest_subscription: Duration,
    /// How messages are read.
    pub parse: ParseOptions,
    /// How long an invitation that ends waits for the peer's answer to CANCEL or BYE before it counts as ended.
    /// Default 3.5 s, as users of SIP SIMPLE clients know it; the transactions go on behind the scenes.
    pub end_timeout: Duration,
    /// Whether each message sent and received is also an
    /// [`EndpointEvent::Trace`](crate::EndpointEvent::Trace). Default no.
    pub trace: bool,
}

impl Default for EndpointConfig {
    fn default() -> Self {
        Self {
            user_agent: concat!("offhook/", env!("CARGO_PKG_VERSION")).to_owned(),
            timing: Timing::default(),
            limits: EndpointLimits::default(),
            allow: vec![
                Method::Invite,
                Method::Ack,
                Method::Cancel,
                Method::Bye,
                Method::Options,
                Method::Prack,
                Method::Update,
                Method::Info,
                Method::Notify,
            ],
            stateless_options: false,
            supported: Vec::new(),
            connection_reuse: ConnectionReuse::default(),
            reliability: Reliability::default(),
            session_timer: Some(SessionTimerConfig::default()),
            info_packages: Vec::new(),
            accept: vec!["application/sdp".to_owned()],
            accept_language: vec!["en".to_owned()],
            events: EventPackages::default(),
            incoming_events: Vec::new(),
            shortest_subscription: Duration::from_mins(1),
            longest_subscription: Duration::from_hours(1),
            parse: ParseOptions::default(),
            end_timeout: Duration::from_millis(3500),
            trace: false,
        }
    }
}

impl EndpointConfig {
    /// Whether requests of this method are served.
    pub(crate) fn allows(&self, method: &Method) -> bool {
        self.allow.contains(method) || (*method == Method::Subscribe && self.serves_subscribe())
    }

    /// Whether SUBSCRIBE is the endpoint's to serve: for the events of the owner, and for referrals, which are
    /// subscriptions too (RFC 3515 §2.4.4).
    pub(super) fn serves_subscribe(&self) -> bool {
        let for_referrals = self.allow.contains(&Method::Refer) && !self.allow.contains(&Method::Subscribe);
        !self.incoming_events.is_empty() || for_referrals
    }

    /// All extensions that are understood: the values of Supported.
    pub fn extensions(&self) -> impl Iterator<Item = &str> {
        let built_in = [
            ("100rel", self.reliability != Reliability::Off),
            ("norefersub", self.allow.contains(&Method::Refer)),
            ("replaces", true),
            ("timer", self.session_timer.is_some()),
        ];
        let built_in = built_in
            .into_iter()
            .filter_map(|(name, is_on)| is_on.then_some(name));
        built_in.chain(self.supported.iter().map(String::as_str))
    }
}

/// Where a request goes first: what a lookup gives (RFC 3263).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// The address.
    pub address: SocketAddr,
    /// The transport.
    pub transport: Transport,
    /// The proxy at that address, where it shall find itself in a Route header field (RFC 3261 §8.1.2). It should
    /// have `;lr`.
    pub outbound_proxy: Option<SipUri>,
    /// The host of the URI that was looked up, not what DNS made of it: over TLS the server must prove to be this (RFC
    /// 5922 §7.3), over WebSocket it is asked for by this. Without it that is the address, which few certificates have.
    pub domain: Option<Host>,
    /// The proxies behind that one, in order: the Service-Route that a registrar gave (RFC 3608 §6.1). Most often empty.
    pub service_route: Vec<NameAddr>,
}

impl Route {
    /// A way without a Route header field.
    pub fn new(transport: Transport, address: SocketAddr) -> Self {
        Self {
            address,
            transport,
            outbound_proxy: None,
            domain: None,
            service_route: Vec::new(),
        }
    }

    /// Where it leads, as a proxy's URI for a Route header field: address, port and transport, with `lr`.
    ///
    /// ```
    /// use offhook_sansio::Transport;
    /// use offhook_sip_core::Route;
    ///
    /// let route = Route::new(Transport::Tls, "[2001:db8::1]:5061".parse()?);
    /// assert_eq!(route.uri().to_string(), "sip:[2001:db8::1]:5061;transport=tls;lr");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn uri(&self) -> SipUri {
        let uri = SipUri::new(Host::from(self.address.ip())).with_port(self.address.port());
        let uri = match self.transport {
            Transport::Udp => uri,
            // RFC 7118 §5.2 has one name for both.
            Transport::Ws | Transport::Wss => uri.with_param("transport", "ws"),
            Transport::Tcp | Transport::Tls => uri.with_param("transport", self.transport.as_param()),
        };
        uri.with_flag("lr")
    }

    /// The way to a server of this domain: the host of the URI that was looked up.
    #[must_use]
    pub fn with_domain(self, domain: Host) -> Self {
        Self {
            domain: Some(domain),
            ..self
        }
    }

    /// The same with the Service-Route of a registration behind its outbound proxy (RFC 3608 §6.1).
    #[must_use]
    pub fn with_service_route(mut self, service_route: &[NameAddr]) -> Self {
        self.service_route = service_route.to_vec();
        self
    }

    /// The Route header fields of a request that begins here. A proxy that is named by both sides is visited once.
    pub(crate) fn write_to(&self, headers: &mut Headers) {
        let proxy = self
            .outbound_proxy
            .as_ref()
            .map(|proxy| NameAddr::new(proxy.clone().into()));
        let behind = match (&proxy, self.service_route.split_first()) {
            (Some(proxy), Some((first, rest))) if first.uri.is_equivalent(&proxy.uri) => rest,
            _ => &self.service_route[..],
        };
        for route in proxy.iter().chain(behind) {
            headers.push_typed(&RouteHeader(route.clone()));
        }
    }
}

/// A body with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    /// The value of Content-Type.
    pub content_type: String,
    /// The content.
    pub bytes: Bytes,
}

impl Body {
    /// A body of any type.
    pub fn new(content_type: impl Into<String>, bytes: impl Into<Bytes>) -> Self {
        Self {
            content_type: content_type.into(),
            bytes: bytes.into(),
        }
    }

    /// The first line of a response: how a referral stands (RFC 3515 §2.4.5). Without a reason, the usual one.
    pub fn sipfrag(status: StatusCode, reason: Option<&str>) -> Self {
        let reason = reason.unwrap_or_else(|| status.default_reason());
        // A line it must stay.
        let reason = reason.replace(['\r', '\n'], " ");
        let line = format!("SIP/2.0 {} {reason}\r\n", status.as_u16());
        Self::new("message/sipfrag;version=2.0", line)
    }

    /// How a referral stands, where this says it.
    pub fn sipfrag_status(&self) -> Option<(StatusCode, String)> {
        let is_sipfrag = self
            .content_type
            .split(';')
            .next()
            .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("message/sipfrag"));
        is_sipfrag.then(|| crate::invitation::sipfrag_status(&self.bytes))?
    }

    /// A session description.
    pub fn sdp(bytes: impl Into<Bytes>) -> Self {
        Self::new("application/sdp", bytes)
    }
}
