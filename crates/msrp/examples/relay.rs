//! A relay for MSRP (RFC 4976), configured by a file.
//!
//! ```text
//! cargo run --release -p offhook-msrp --features tls --example relay -- relay.toml
//! ```
//!
//! ```toml
//! uri = "msrps://relay.example.com:2855;tcp"   # as clients and peers reach it
//! listen = "0.0.0.0:2855"
//! aliases = ["example.com"]                    # other names by which clients ask for it
//! certificate = "relay.pem"                    # PEM; without both, plain msrp only (for tests, with allow_plain_auth)
//! key = "relay.key"
//! trust = "roots.pem"                          # who signs the relays and clients that it connects to
//! relays = "relays.pem"                        # who signs the relays that connect to it, and show what they are
//! wants_relay_certificates = true              # from relays between it and its clients
//! longest = 1800                               # seconds that a place is good
//!
//! [users.alice]
//! password = "wonderland"
//! places = 16                                  # sessions at a time
//! bytes_per_second = 10000000                  # through each place
//! connections = 32                             # that the relay opens for her
//! ```

mod common;

use common::{Failure, end, interrupted, roots, tell};
use offhook_msrp::MsrpUri;
use offhook_msrp::relay::server::{RelayConfig, RelayUser};
use offhook_msrp::tokio::RelayServer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    uri: String,
    listen: SocketAddr,
    #[serde(default)]
    aliases: Vec<String>,
    realm: Option<String>,
    certificate: Option<PathBuf>,
    key: Option<PathBuf>,
    trust: Option<PathBuf>,
    relays: Option<PathBuf>,
    #[serde(default)]
    wants_relay_certificates: bool,
    #[serde(default)]
    allow_plain_auth: bool,
    shortest: Option<u64>,
    longest: Option<u64>,
    max_connections: Option<usize>,
    queued_bytes: Option<usize>,
    #[serde(default)]
    users: HashMap<String, User>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct User {
    password: String,
    places: Option<usize>,
    bytes_per_second: Option<u64>,
    connections: Option<usize>,
}

const USAGE: &str = "usage: relay FILE.toml";

#[tokio::main]
async fn main() -> ExitCode {
    end(run().await, None)
}

async fn run() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or(USAGE)?;
    if path == "--help" || path == "-h" {
        let mut out = std::io::stdout();
        writeln!(
            out,
            "{USAGE}\n\nA relay of MSRP. What the file may say stands at the head of examples/relay.rs."
        )?;
        return Ok(());
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{path}: {error}"))?;
    let file: File = toml::from_str(&text)?;
    let config = relay_config(&file)?;
    if config.shortest > config.longest {
        return Err(format!("{path}: `shortest` is above `longest`: no place could be given").into());
    }
    let relay = match certificate_and_key(&file, &config)? {
        Some((certificate, key)) => {
            let own = OwnCertificate::read(certificate, key)?;
            let outward = client_config(own.clone(), file.trust.as_ref())?;
            let inward = server_config(own, file.relays.as_ref())?;
            RelayServer::bind_tls(file.listen, config, inward, outward).await
        }
        None => RelayServer::bind(file.listen, config).await,
    }
    .map_err(|error| format!("cannot listen on {}: {error}", file.listen))?;
    tell(&json!({ "event": "listening", "address": relay.local_addr().to_string() }));
    let mut seen = (0, 0);
    let mut interrupt = std::pin::pin!(interrupted());
    loop {
        tokio::select! {
            () = &mut interrupt => return Ok(()),
            () = tokio::time::sleep(Duration::from_secs(1)) => {}
        }
        let now = (relay.place_count(), relay.connection_count());
        if now != seen {
            tell(&json!({ "event": "load", "places": now.0, "connections": now.1 }));
            seen = now;
        }
    }
}

/// What TLS needs, or nothing for plain TCP. Half of it, or none for an `msrps` URI, is a mistake that would leave clients
/// without the protection that they were promised.
fn certificate_and_key<'f>(
    file: &'f File,
    config: &RelayConfig,
) -> Result<Option<(&'f PathBuf, &'f PathBuf)>, Failure> {
    match (&file.certificate, &file.key) {
        (Some(certificate), Some(key)) => Ok(Some((certificate, key))),
        (Some(_), None) => Err("there is a `certificate`, but no `key`: TLS needs both".into()),
        (None, Some(_)) => Err("there is a `key`, but no `certificate`: TLS needs both".into()),
        (None, None) if config.uri.is_secure() => {
            Err("an msrps `uri` needs a `certificate` and a `key`, and there are neither".into())
        }
        (None, None) => Ok(None),
    }
}

fn relay_config(file: &File) -> Result<RelayConfig, Failure> {
    let uri: MsrpUri = file.uri.parse()?;
    let mut config = RelayConfig::new(uri);
    config.aliases.clone_from(&file.aliases);
    config.allow_plain_auth = file.allow_plain_auth;
    config.wants_relay_certificates = file.wants_relay_certificates;
    if let Some(realm) = &file.realm {
        config.realm.clone_from(realm);
    }
    for (wish, limit) in [
        (file.shortest, &mut config.shortest),
        (file.longest, &mut config.longest),
    ] {
        *limit = wish.map_or(*limit, Duration::from_secs);
    }
    for (wish, limit) in [
        (file.max_connections, &mut config.connections),
        (file.queued_bytes, &mut config.queued_bytes),
    ] {
        *limit = wish.unwrap_or(*limit);
    }
    for (name, limits) in &file.users {
        let mut user = RelayUser::new(&*limits.password);
        user.places = limits.places.unwrap_or(user.places);
        user.connections = limits.connections.unwrap_or(user.connections);
        user.bytes_per_second = limits.bytes_per_second;
        config.users.insert(name.clone(), user);
    }
    Ok(config)
}

/// What the relay shows of itself, to those who connect to it and to relays that it connects to.
struct OwnCertificate {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
}

impl OwnCertificate {
    fn read(certificate: &PathBuf, key: &PathBuf) -> Result<Self, Failure> {
        Ok(Self {
            chain: CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?,
            key: PrivateKeyDer::from_pem_file(key)?,
        })
    }
}

impl Clone for OwnCertificate {
    fn clone(&self) -> Self {
        Self {
            chain: self.chain.clone(),
            key: self.key.clone_key(),
        }
    }
}

fn server_config(
    own: OwnCertificate,
    relays: Option<&PathBuf>,
) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match relays {
        None => builder.with_no_client_auth(),
        Some(path) => {
            // Clients show none, and prove by their password who they are.
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(path)?), provider)
                .allow_unauthenticated()
                .build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    Ok(Arc::new(builder.with_single_cert(own.chain, own.key)?))
}

fn client_config(own: OwnCertificate, trust: Option<&PathBuf>) -> Result<Arc<rustls::ClientConfig>, Failure> {
    let roots = match trust {
        Some(path) => roots(path)?,
        None => rustls::RootCertStore::empty(),
    };
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(own.chain, own.key)?;
    Ok(Arc::new(config))
}
