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
//! longest = 1800                               # seconds that a place is good
//!
//! [users.alice]
//! password = "wonderland"
//! places = 16                                  # sessions at a time
//! bytes_per_second = 10000000                  # through each place
//! connections = 32                             # that the relay opens for her
//! ```

mod common;

use common::{end, tell};
use offhook_msrp::MsrpUri;
use offhook_msrp::relay::server::{RelayConfig, RelayUser};
use offhook_msrp::tokio::RelayServer;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde::Deserialize;
use serde_json::json;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

type Failure = Box<dyn std::error::Error>;

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

#[tokio::main]
async fn main() -> ExitCode {
    end(run().await)
}

async fn run() -> Result<(), Failure> {
    let path = std::env::args().nth(1).ok_or("usage: relay FILE.toml")?;
    let file: File = toml::from_str(&std::fs::read_to_string(path)?)?;
    let config = relay_config(&file)?;
    let relay = match certificate_and_key(&file, &config)? {
        Some((certificate, key)) => {
            let inward = server_config(certificate, key)?;
            RelayServer::bind_tls(file.listen, config, inward, client_config(file.trust.as_ref())?).await?
        }
        None => RelayServer::bind(file.listen, config).await?,
    };
    tell(&json!({ "event": "listening", "address": relay.local_addr().to_string() }));
    let mut seen = (0, 0);
    loop {
        tokio::select! {
            _ = tokio::signal::ctrl_c() => return Ok(()),
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

fn server_config(certificate: &PathBuf, key: &PathBuf) -> Result<Arc<rustls::ServerConfig>, Failure> {
    let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)?.collect::<Result<_, _>>()?;
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, PrivateKeyDer::from_pem_file(key)?)?;
    Ok(Arc::new(config))
}

fn client_config(trust: Option<&PathBuf>) -> Result<Arc<rustls::ClientConfig>, Failure> {
    let mut roots = rustls::RootCertStore::empty();
    if let Some(path) = trust {
        for certificate in CertificateDer::pem_file_iter(path)? {
            roots.add(certificate?)?;
        }
    }
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
    Ok(Arc::new(config))
}
