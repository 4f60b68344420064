//! Why nothing comes or goes along a path.

use std::time::Duration;

/// Why a connection could not be opened, or does not hold; for a person who wants to mend it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportFailure {
    /// Nobody listens there.
    #[error("the connection is refused: nobody listens there")]
    Refused,
    /// The network does not deliver, or says that nobody is there.
    #[error("the network does not reach it")]
    Unreachable,
    /// No connection in this time.
    #[error("no connection within {0:?}")]
    ConnectTimeout(Duration),
    /// The connection stands, but TLS or WebSocket did not agree in this time.
    #[error("the handshake takes longer than {0:?}")]
    HandshakeTimeout(Duration),
    /// The server proves to be somebody else (RFC 5922 §7.3).
    #[error("the server's certificate is for {}, not for {wanted}", names(.found))]
    WrongName {
        /// Whom we want.
        wanted: String,
        /// Whom the certificate names.
        found: Vec<String>,
    },
    /// It is not known whom the server must prove to be.
    #[error("there is no name to check the server's certificate for")]
    NoName,
    /// Nobody whom we trust has signed the server's certificate.
    #[error("the server's certificate is signed by nobody we trust; name its authority in a CA file")]
    UnknownIssuer,
    /// The server's certificate is not good any more.
    #[error("the server's certificate has expired")]
    Expired,
    /// The server's certificate is not good yet, or our clock is wrong.
    #[error("the server's certificate is not valid yet: is the clock right?")]
    NotYetValid,
    /// The server's certificate is wrong in another way.
    #[error("the server's certificate is not acceptable: {0}")]
    Certificate(String),
    /// The server wants a certificate of ours, or another.
    #[error("the server does not accept our certificate, or that we have none")]
    OurCertificate,
    /// The other end speaks no TLS, or none that we speak.
    #[error("no TLS with the server: {0}")]
    Tls(String),
    /// The other end is no WebSocket server for SIP (RFC 7118 §4).
    #[error("no WebSocket for SIP: {0}")]
    WebSocket(String),
    /// The other end closed the connection.
    #[error("the other side closed the connection")]
    Closed,
    /// The other end did not answer a keep-alive, or does not take what is sent (RFC 5626 §4.4).
    #[error("the other side is silent: {0}")]
    Silent(&'static str),
    /// The other end sees us at another address than before: a NAT has forgotten us (RFC 5626 §4.4.2).
    #[error("our address in the network has changed")]
    AddressChanged,
    /// What came was no SIP.
    #[error("what came is no SIP")]
    Malformed,
    /// There is no room for another connection, or for what waits.
    #[error("there is no room: {0}")]
    Limit(&'static str),
    /// None of our addresses is the path's.
    #[error("no such local address")]
    NoLocalAddress,
    /// Anything else that the system said.
    #[error("{0}")]
    System(String),
}

fn names(found: &[String]) -> String {
    if found.is_empty() {
        "nobody".to_owned()
    } else {
        found.join(", ")
    }
}

impl From<&std::io::Error> for TransportFailure {
    fn from(error: &std::io::Error) -> Self {
        use std::io::ErrorKind as Kind;
        match error.kind() {
            Kind::ConnectionRefused => Self::Refused,
            Kind::HostUnreachable | Kind::NetworkUnreachable => Self::Unreachable,
            Kind::AddrNotAvailable => Self::NoLocalAddress,
            Kind::ConnectionReset | Kind::BrokenPipe | Kind::UnexpectedEof | Kind::ConnectionAborted => {
                Self::Closed
            }
            _ => Self::System(error.to_string()),
        }
    }
}

impl From<std::io::Error> for TransportFailure {
    fn from(error: std::io::Error) -> Self {
        Self::from(&error)
    }
}
