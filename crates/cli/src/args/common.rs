//! What many commands share: who we are, how we listen, which relay.

use clap::{Args, ValueEnum};
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(crate) struct CommonArgs {
    /// Where to listen for SIP [default: port 5060 for those who wait for calls, such as answer, session, and chat without a
    /// URI; a free port for the others]
    #[arg(long, value_name = "ADDR:PORT")]
    pub(crate) listen: Option<SocketAddr>,
    /// The transport for SIP
    #[arg(long, value_enum, default_value_t = TransportArg::Udp)]
    pub(crate) transport: TransportArg,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    /// Who we are: sip:user@domain [default for calls: a local account that needs no provider]
    #[arg(long, value_name = "URI")]
    pub(crate) account: Option<String>,
    /// A file that holds the account's password and nothing else [or the variable OFFHOOK_PASSWORD]
    #[arg(long, value_name = "FILE", requires = "account")]
    pub(crate) password_file: Option<PathBuf>,
    /// Send everything by this proxy: `sip:host`, with a port where it is not 5060
    #[arg(long, value_name = "URI")]
    pub(crate) proxy: Option<String>,
    /// Print every SIP message to standard error
    #[arg(long)]
    pub(crate) trace: bool,
    /// Print one event a line as JSON to standard output
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct TlsArgs {
    /// Believe the servers that the authorities in this PEM file have certified, and no others [default: those that the
    /// operating system trusts]
    #[arg(long, value_name = "FILE.pem")]
    pub(crate) ca_file: Option<PathBuf>,
    /// DANGEROUS: believe every server, whoever it is. Anybody in between can then listen and speak for it. For
    /// laboratories only
    #[arg(long, conflicts_with = "ca_file")]
    pub(crate) no_verify: bool,
    /// Our certificate, followed by those that lead to its authority: needed to be called over TLS or WSS
    #[arg(long, value_name = "FILE.pem", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// The private key of our certificate
    #[arg(long, value_name = "FILE.pem", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// Let only those call us over TLS who have a certificate of an authority that we believe
    #[arg(long, requires = "cert")]
    pub(crate) require_client_cert: bool,
    /// What is asked for on a WebSocket server
    #[arg(long, value_name = "PATH", default_value = "/")]
    pub(crate) ws_path: String,
}

/// The transports that this version speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TransportArg {
    Udp,
    Tcp,
    /// TLS over TCP: the server must prove to be the domain of the URI
    Tls,
    /// WebSocket
    Ws,
    /// WebSocket over TLS
    Wss,
}

/// For what runs over MSRP: chats, files and desktops.
#[derive(Debug, Args)]
pub(crate) struct RelayArgs {
    /// Go through this MSRP relay, for who cannot be reached otherwise. Its certificate has to be for that name, and is checked as
    /// the TLS options say; `HOST:PORT;transport=tcp` goes there without TLS, for laboratories [default port: 2855]
    #[arg(long, value_name = "HOST[:PORT]", value_parser = relay)]
    pub(crate) relay: Option<RelayAddress>,
    /// Who we are at the relay [default: the user of --account]
    #[arg(long, value_name = "NAME", requires = "relay")]
    pub(crate) relay_user: Option<String>,
    /// A file that holds the password for the relay and nothing else [or the variable OFFHOOK_RELAY_PASSWORD; default: the
    /// account's password]
    #[arg(long, value_name = "FILE", requires = "relay")]
    pub(crate) relay_password_file: Option<PathBuf>,
}

/// Where an MSRP relay is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RelayAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) is_secure: bool,
}

/// The port that the world expects relays at (RFC 4975 §15.2).
const RELAY_PORT: u16 = 2855;

/// `relay.example.com`, `[2001:db8::1]:2855`, `192.0.2.1:2855;transport=tcp`.
fn relay(text: &str) -> Result<RelayAddress, String> {
    let (place, is_secure) = match text.split_once(';') {
        None => (text, true),
        Some((place, "transport=tls")) => (place, true),
        Some((place, "transport=tcp")) => (place, false),
        Some(_) => {
            return Err(
                "expected nothing but transport=tls or transport=tcp behind the semicolon".to_owned(),
            );
        }
    };
    let is_port = |port: &str| !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    let (host, port) = match place.rsplit_once(':') {
        Some((host, port)) if is_port(port) => (host, port.parse().unwrap_or(0)),
        _ => (place, RELAY_PORT),
    };
    let is_host = if let Some(inner) = host.strip_prefix('[') {
        let inner = inner.strip_suffix(']');
        inner.is_some_and(|inner| inner.parse::<std::net::Ipv6Addr>().is_ok())
    } else {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.');
        !host.is_empty() && host.bytes().all(is_plain)
    };
    if port == 0 || !is_host {
        return Err("expected a host, such as relay.example.com or relay.example.com:2855".to_owned());
    }
    let host = host.to_owned();
    Ok(RelayAddress {
        host,
        port,
        is_secure,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relay_has_a_host_and_perhaps_a_port_and_a_transport() {
        for (text, host, port, is_secure) in [
            ("relay.example.com", "relay.example.com", 2855, true),
            ("192.0.2.1:2000", "192.0.2.1", 2000, true),
            ("[2001:db8::1]", "[2001:db8::1]", 2855, true),
            ("[2001:db8::1]:2000", "[2001:db8::1]", 2000, true),
            ("localhost:2000;transport=tcp", "localhost", 2000, false),
            ("localhost;transport=tls", "localhost", 2855, true),
        ] {
            let host = host.to_owned();
            assert_eq!(
                relay(text),
                Ok(RelayAddress {
                    host,
                    port,
                    is_secure
                }),
                "{text}"
            );
        }
        for text in [
            "",
            ":2855",
            "host:0",
            "host:65536",
            "host:x",
            "2001:db8::1",
            "[2001:db8::1",
            "msrps://relay.example.com",
            "host;transport=udp",
            "two hosts",
        ] {
            assert!(relay(text).is_err(), "{text}");
        }
    }
}
