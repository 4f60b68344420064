//! One handshake, from the first datagram to the keys.

use super::certificate::DtlsCertificate;
use super::fingerprint::{CertificateFingerprint, is_named};
use super::flight::FlightGate;
use super::records::inspect;
use crate::srtp::{MasterKey, SrtpKeys, SrtpSuite};
use bytes::{Bytes, BytesMut};
use offhook_sansio::{Outbox, earliest};
use rtc_dtls::cipher_suite::CipherSuiteId;
use rtc_dtls::config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig};
use rtc_dtls::endpoint::{Endpoint, EndpointEvent};
use rtc_dtls::extension::extension_use_srtp::SrtpProtectionProfile;
use rtc_shared::TransportProtocol;
use rtc_shared::error::Error;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::debug;

/// How long a handshake may take, from the moment at which both sides know the other's fingerprint. Half a minute: a peer
/// that plays an announcement first begins late.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(30);

/// Datagrams of the peer that one handshake looks at; all later ones are dropped. A handshake has four, and each of them is
/// repeated seven times at most.
pub const MAX_DATAGRAMS: u32 = 128;

/// When to send a flight again that was not answered (RFC 6347 §4.2.4.1), seven times at most.
const RETRANSMIT: Duration = Duration::from_secs(1);

/// The label of RFC 5764 §4.2.
const EXPORTER: &str = "EXTRACTOR-dtls_srtp";

/// Authenticated encryption alone: certificates of either kind.
const CIPHER_SUITES: [CipherSuiteId; 4] = [
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_Aes_128_Gcm_Sha256,
    CipherSuiteId::Tls_Ecdhe_Ecdsa_With_ChaCha20_Poly1305_Sha256,
    CipherSuiteId::Tls_Ecdhe_Rsa_With_ChaCha20_Poly1305_Sha256,
];

/// In order of preference: the strong ones first, the short tag last. The suites with AES-256 in counter mode have no
/// profile (RFC 5764 §4.1.2, RFC 7714 §14.2).
const PROFILES: [(SrtpProtectionProfile, SrtpSuite); 4] = [
    (
        SrtpProtectionProfile::Srtp_Aead_Aes_256_Gcm,
        SrtpSuite::AeadAes256Gcm,
    ),
    (
        SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
        SrtpSuite::AeadAes128Gcm,
    ),
    (
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80,
        SrtpSuite::AesCm128HmacSha1_80,
    ),
    (
        SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32,
        SrtpSuite::AesCm128HmacSha1_32,
    ),
];

/// The library keys its associations by address; there is one here, and where it is sent to is not its business.
const PEER: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 1);

/// Who begins (RFC 5763 §5): the party whose description says `a=setup:active`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DtlsRole {
    /// We begin.
    Client,
    /// The peer begins.
    Server,
}

/// What signalling agreed on for a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsParameters {
    /// Who begins.
    pub role: DtlsRole,
    /// Who we are.
    pub certificate: DtlsCertificate,
    /// Who the peer is: the fingerprints in its session description. Without any nobody is believed.
    pub fingerprints: Vec<CertificateFingerprint>,
}

/// How a handshake ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DtlsEvent {
    /// The peer holds the certificate that its fingerprint names, and these are the keys.
    Established(SrtpKeys),
    /// There are no keys and there will be none.
    Failed(DtlsFailure),
}

/// Why a handshake gave no keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DtlsFailure {
    /// The peer's certificate is none of those that its session description names: somebody is in between, or the peer is at
    /// fault.
    #[error("the certificate of the other side is not the one that its session description names")]
    WrongFingerprint,
    /// The peer has no protection profile of ours, or no SRTP at all.
    #[error("the other side has none of our SRTP profiles")]
    NoCommonProfile,
    /// The peer gave up with this alert (RFC 5246 §7.2.2).
    #[error("the other side broke the DTLS handshake off (alert {0})")]
    Alert(u8),
    /// The peer does not answer.
    #[error("the DTLS handshake was not answered in time")]
    TimedOut,
    /// The peer does not keep to the protocol, or has no version or cipher suite of ours.
    #[error("the DTLS handshake of the other side cannot be followed")]
    Protocol,
}

/// One handshake, and after it the end that still answers a peer that missed our last words.
///
/// Its owner hands in what looks like DTLS, drains [`poll_transmit`](Self::poll_transmit) and
/// [`poll_event`](Self::poll_event) after each call, and calls [`handle_timeout`](Self::handle_timeout) at
/// [`poll_timeout`](Self::poll_timeout).
///
/// ```
/// use offhook_rtp_media::dtls::{
///     DtlsAssociation, DtlsCertificate, DtlsEvent, DtlsParameters, DtlsRole, FingerprintHash,
/// };
/// use std::time::Instant;
///
/// let (alice, bob) = (DtlsCertificate::generate()?, DtlsCertificate::generate()?);
/// let who = |role, ours: &DtlsCertificate, theirs: &DtlsCertificate| DtlsParameters {
///     role,
///     certificate: ours.clone(),
///     fingerprints: vec![theirs.fingerprint(FingerprintHash::Sha256)],
/// };
/// let now = Instant::now();
/// let mut caller = DtlsAssociation::new(&who(DtlsRole::Client, &alice, &bob), now);
/// let mut called = DtlsAssociation::new(&who(DtlsRole::Server, &bob, &alice), now);
/// let mut keys = Vec::new();
/// while keys.len() < 2 {
///     while let Some(datagram) = caller.poll_transmit() {
///         called.handle_datagram(now, &datagram);
///     }
///     while let Some(datagram) = called.poll_transmit() {
///         caller.handle_datagram(now, &datagram);
///     }
///     for end in [&mut caller, &mut called] {
///         if let Some(DtlsEvent::Established(agreed)) = end.poll_event() {
///             keys.push(agreed);
///         }
///     }
/// }
/// assert_eq!(keys[0].local, keys[1].remote);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct DtlsAssociation {
    endpoint: Endpoint,
    fingerprints: Vec<CertificateFingerprint>,
    state: State,
    gate: FlightGate,
    datagrams: u32,
    events: Outbox<DtlsEvent>,
}

/// Where the handshake stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Until `deadline`.
    Shaking { deadline: Instant },
    /// Over, with keys: what the peer repeats is answered (RFC 6347 §4.2.4).
    Established,
    /// Over.
    Closed,
}

impl DtlsAssociation {
    /// Begins: a client's first flight is there to be sent.
    pub fn new(parameters: &DtlsParameters, now: Instant) -> Self {
        let is_client = parameters.role == DtlsRole::Client;
        let config = configure(parameters, is_client);
        let server = config.as_ref().ok().filter(|_| !is_client).cloned();
        let mut association = Self {
            endpoint: Endpoint::new(PEER, TransportProtocol::UDP, server),
            fingerprints: parameters.fingerprints.clone(),
            state: State::Shaking {
                deadline: now + HANDSHAKE_TIMEOUT,
            },
            gate: FlightGate::new(parameters.role),
            datagrams: 0,
            events: Outbox::new(),
        };
        let begun = match config {
            Ok(config) if is_client => association.endpoint.connect(now, PEER, config, None),
            Ok(_) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = begun {
            association.fail(&error, None);
        }
        association
    }

    /// Takes a datagram of the peer. False when it was dropped unread: malformed, too late, or one too many.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) -> bool {
        let Some(seen) = inspect(datagram) else {
            return false;
        };
        let is_over = self.state == State::Established;
        if self.state == State::Closed
            || self.datagrams == MAX_DATAGRAMS
            // Media goes on until signalling ends it, whatever is said here.
            || (is_over && seen.has_alert)
        {
            return false;
        }
        self.datagrams += 1;
        if is_over || seen.has_alert {
            self.read(now, datagram, seen.alert);
            return true;
        }
        for datagram in self.gate.pass(seen, datagram) {
            self.read(now, &datagram, None);
        }
        true
    }

    fn read(&mut self, now: Instant, datagram: &[u8], alert: Option<u8>) {
        match self.endpoint.read(now, PEER, None, BytesMut::from(datagram)) {
            Ok(events) => {
                for event in events {
                    match event {
                        EndpointEvent::HandshakeComplete => self.complete(),
                        EndpointEvent::PeerClosed => self.close(DtlsFailure::Alert(CLOSE_NOTIFY)),
                        _ => {}
                    }
                }
            }
            Err(error) => self.fail(&error, alert),
        }
    }

    /// Sends again what was not answered, and gives up in the end.
    pub fn handle_timeout(&mut self, now: Instant) {
        let State::Shaking { deadline } = self.state else {
            return;
        };
        if deadline <= now {
            debug!("the DTLS handshake takes too long");
            return self.close(DtlsFailure::TimedOut);
        }
        if self.endpoint.poll_timeout(&PEER).is_some_and(|due| due <= now)
            && let Err(error) = self.endpoint.handle_timeout(PEER, now)
        {
            // The last repetition was not answered either.
            debug!(%error, "DTLS");
            self.close(DtlsFailure::TimedOut);
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.state {
            State::Shaking { deadline } => earliest(Some(deadline), self.endpoint.poll_timeout(&PEER)),
            State::Established | State::Closed => None,
        }
    }

    /// The next datagram to send, until `None`.
    #[must_use = "a datagram that is polled and not sent is lost"]
    pub fn poll_transmit(&mut self) -> Option<Bytes> {
        Some(self.endpoint.poll_transmit()?.message.freeze())
    }

    /// How the handshake ended, once it has.
    #[must_use = "an event that is polled and dropped is lost"]
    pub fn poll_event(&mut self) -> Option<DtlsEvent> {
        self.events.pop()
    }

    /// True when there are keys.
    pub fn is_established(&self) -> bool {
        self.state == State::Established
    }

    /// The peer has proven that it knows the keys: looks at whose they are.
    fn complete(&mut self) {
        if !matches!(self.state, State::Shaking { .. }) {
            return;
        }
        if !self.is_named_peer() {
            return self.close(DtlsFailure::WrongFingerprint);
        }
        match self.export() {
            Some(keys) => {
                debug!(suite = %keys.local.suite(), "DTLS-SRTP");
                self.state = State::Established;
                self.events.push(DtlsEvent::Established(keys));
            }
            None => self.close(DtlsFailure::NoCommonProfile),
        }
    }

    fn is_named_peer(&self) -> bool {
        let state = self.endpoint.get_connection_state(PEER);
        state
            .and_then(|state| state.peer_certificates.first())
            .is_some_and(|certificate| is_named(&self.fingerprints, certificate))
    }

    /// The keys: client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
    fn export(&self) -> Option<SrtpKeys> {
        let state = self.endpoint.get_connection_state(PEER)?;
        let profile = state.srtp_protection_profile();
        let (_, suite) = PROFILES.into_iter().find(|(known, _)| *known == profile)?;
        let (key, salt) = (suite.key_len(), suite.salt_len());
        let octets = state
            .export_keying_material(EXPORTER, &[], 2 * (key + salt))
            .ok()?;
        let (keys, salts) = octets.as_ref().split_at_checked(2 * key)?;
        let master = |key: &[u8], salt: &[u8]| {
            let mut octets = zeroize::Zeroizing::new([0; 64]);
            let octets = &mut octets[..key.len() + salt.len()];
            octets[..key.len()].copy_from_slice(key);
            octets[key.len()..].copy_from_slice(salt);
            MasterKey::new(suite, octets).ok()
        };
        let client = master(&keys[..key], salts.get(..salt)?)?;
        let server = master(&keys[key..], salts.get(salt..)?)?;
        Some(if state.is_client() {
            SrtpKeys::new(client, server)
        } else {
            SrtpKeys::new(server, client)
        })
    }

    fn fail(&mut self, error: &Error, alert: Option<u8>) {
        // In the clear anybody can say so; but a handshake that nobody wants to go on with ends sooner this way.
        debug!(%error, ?alert, "DTLS");
        let shown = self
            .endpoint
            .get_connection_state(PEER)
            .is_some_and(|state| !state.peer_certificates.is_empty());
        self.close(match (error, alert) {
            (_, Some(alert)) => DtlsFailure::Alert(alert),
            (
                Error::ErrServerNoMatchingSrtpProfile
                | Error::ErrClientNoMatchingSrtpProfile
                | Error::ErrRequestedButNoSrtpExtension,
                None,
            ) => DtlsFailure::NoCommonProfile,
            _ if shown && !self.is_named_peer() => DtlsFailure::WrongFingerprint,
            _ => DtlsFailure::Protocol,
        });
    }

    /// An association that stands is not brought down any more.
    fn close(&mut self, failure: DtlsFailure) {
        if matches!(self.state, State::Shaking { .. }) {
            self.state = State::Closed;
            self.events.push(DtlsEvent::Failed(failure));
        }
    }
}

impl fmt::Debug for DtlsAssociation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DtlsAssociation")
            .field("state", &self.state)
            .field("datagrams", &self.datagrams)
            .finish_non_exhaustive()
    }
}

/// The alert that ends an association in good order (RFC 5246 §7.2.1).
const CLOSE_NOTIFY: u8 = 0;

fn configure(parameters: &DtlsParameters, is_client: bool) -> Result<Arc<HandshakeConfig>, Error> {
    let fingerprints = parameters.fingerprints.clone();
    let certificate = &parameters.certificate;
    let config = ConfigBuilder::default()
        .with_crypto_provider(certificate.provider.clone())
        .with_certificates(vec![(*certificate.chain).clone()])
        .with_cipher_suites(CIPHER_SUITES.to_vec())
        .with_srtp_protection_profiles(PROFILES.map(|(profile, _)| profile).to_vec())
        .with_extended_master_secret(ExtendedMasterSecretType::Request)
        // Chains prove nothing here: the fingerprint does, and the signature that comes with the certificate.
        .with_client_auth(ClientAuthType::RequireAnyClientCert)
        .with_insecure_skip_verify(true)
        .with_verify_peer_certificate(Some(Arc::new(move |shown, _| match shown.first() {
            Some(certificate) if is_named(&fingerprints, certificate) => Ok(()),
            _ => Err(Error::ErrKeySignatureMismatch),
        })))
        .with_flight_interval(RETRANSMIT);
    config.build(is_client, Some(PEER)).map(Arc::new)
}
