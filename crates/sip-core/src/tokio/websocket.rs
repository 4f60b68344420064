//! SIP over WebSocket (RFC 7118): the handshake, and frames as messages.

use super::protocol::Wanted;
use crate::endpoint::TransportFailure;
use crate::parse::Limits;
use bytes::Bytes;
use futures_util::{Sink, SinkExt};
use std::fmt;
use std::io;
use std::net::Ipv6Addr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::error::Error;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::http::header::{ORIGIN, SEC_WEBSOCKET_PROTOCOL};
use tokio_tungstenite::tungstenite::http::{HeaderMap, HeaderValue, StatusCode};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig as Tuning;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

pub(super) use tokio_tungstenite::WebSocketStream;

/// RFC 7118 §4.1.
const SUBPROTOCOL: &str = "sip";

/// How much is read and written at a time, in bytes: some usual messages.
const BUFFER: usize = 4096;

/// How WebSocket connections are begun.
#[derive(Clone, Debug)]
pub struct WebSocketConfig {
    /// What is asked for on the server, the path of a `ws` URI. Default `/`; some servers want `/ws`.
    pub resource: String,
    /// What we say of where we come from, which servers for browsers may want. Default nothing: we are no browser.
    pub origin: Option<String>,
    /// Who may connect to us. Default everybody.
    pub origins: Origins,
    /// How long the handshake may take. Default 3 s.
    pub handshake_timeout: Duration,
}

/// Which origins a server accepts connections from: the web sites whose scripts a browser runs (RFC 6455 §10.2). Only
/// browsers tell the truth about it.
#[derive(Clone)]
#[non_exhaustive]
pub enum Origins {
    /// All: SIP asks for a password, and no cookie counts here, so that a foreign site gains nothing.
    Any,
    /// What this says yes to; `None` stands for a request without an origin.
    Checked(Arc<OriginCheck>),
}

/// Says yes to origins.
pub type OriginCheck = dyn Fn(Option<&str>) -> bool + Send + Sync;

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            resource: "/".to_owned(),
            origin: None,
            origins: Origins::Any,
            handshake_timeout: Duration::from_secs(3),
        }
    }
}

impl fmt::Debug for Origins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Any => "Any",
            Self::Checked(_) => "Checked(..)",
        })
    }
}

impl Origins {
    fn allow(&self, origin: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Checked(check) => check(origin),
        }
    }
}

/// What came in one frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Frame {
    Message(Bytes),
    /// A double CRLF (RFC 5626 §3.5.1), which is usable here too; the WebSocket's own pings are answered below us.
    Ping,
    /// An answer to a ping, or something else that only shows life.
    Pong,
    /// The peer says goodbye.
    Close,
}

impl From<Message> for Frame {
    fn from(message: Message) -> Self {
        let bytes: Bytes = match message {
            Message::Text(text) => text.into(),
            Message::Binary(bytes) => bytes,
            Message::Close(_) => return Self::Close,
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Self::Pong,
        };
        match &bytes[..] {
            b"\r\n\r\n" => Self::Ping,
            b"\r\n" | b"" => Self::Pong,
            _ => Self::Message(bytes),
        }
    }
}

pub(super) async fn connect<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    wanted: &Wanted,
    config: &WebSocketConfig,
    limits: &Limits,
) -> Result<WebSocketStream<S>, TransportFailure> {
    let name = wanted.name()?;
    let host = if name.parse::<Ipv6Addr>().is_ok() {
        format!("[{name}]")
    } else {
        name.to_string()
    };
    // The scheme is not sent; whatever protects the stream is there already.
    let uri = format!("ws://{host}:{}{}", wanted.port, config.resource);
    let mut request = uri.into_client_request().map_err(|error| failure(&error))?;
    let headers = request.headers_mut();
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    if let Some(origin) = &config.origin {
        let value = HeaderValue::from_str(origin);
        headers.insert(
            ORIGIN,
            value.map_err(|error| TransportFailure::WebSocket(error.to_string()))?,
        );
    }
    let connecting = tokio_tungstenite::client_async_with_config(request, stream, Some(tuning(limits)));
    let (stream, _) = connecting.await.map_err(|error| failure(&error))?;
    Ok(stream)
}

pub(super) async fn accept<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    config: &WebSocketConfig,
    limits: &Limits,
) -> Result<WebSocketStream<S>, TransportFailure> {
    #[expect(clippy::result_large_err, reason = "the type is tungstenite's")]
    let check = |request: &Request, mut response: Response| {
        if !offers_sip(request.headers()) {
            return Err(refusal(
                StatusCode::BAD_REQUEST,
                "only the subprotocol sip is spoken here",
            ));
        }
        let origin = request
            .headers()
            .get(ORIGIN)
            .map(|origin| origin.to_str().unwrap_or("null"));
        if !config.origins.allow(origin) {
            return Err(refusal(StatusCode::FORBIDDEN, "not from this origin"));
        }
        let spoken = HeaderValue::from_static(SUBPROTOCOL);
        response.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, spoken);
        Ok(response)
    };
    tokio_tungstenite::accept_hdr_async_with_config(stream, check, Some(tuning(limits)))
        .await
        .map_err(|error| failure(&error))
}

/// Writes until nobody can have more to write, and says goodbye.
pub(super) async fn write(
    mut sink: impl Sink<Message, Error = Error> + Unpin,
    mut queue: mpsc::Receiver<Bytes>,
    ping: Bytes,
    patience: Duration,
) -> io::Result<()> {
    while let Some(bytes) = queue.recv().await {
        let message = if bytes == ping {
            Message::Ping(Bytes::new()) // RFC 7118 §6
        } else {
            message(bytes)
        };
        timeout(patience, sink.send(message))
            .await?
            .map_err(io::Error::other)?;
    }
    sink.close().await.map_err(io::Error::other)
}

/// Text where it is text, as browsers want it; RFC 7118 §4.2 has everybody understand both.
fn message(bytes: Bytes) -> Message {
    match Utf8Bytes::try_from(bytes.clone()) {
        Ok(text) => Message::Text(text),
        Err(_) => Message::Binary(bytes),
    }
}

fn offers_sip(headers: &HeaderMap) -> bool {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|offered| offered.trim() == SUBPROTOCOL)
}

fn refusal(status: StatusCode, reason: &str) -> ErrorResponse {
    let mut response = ErrorResponse::new(Some(reason.to_owned()));
    *response.status_mut() = status;
    response
}

fn tuning(limits: &Limits) -> Tuning {
    let message_bytes = limits.head_bytes.saturating_add(limits.body_bytes);
    Tuning::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_write_buffer_size(message_bytes.max(BUFFER).saturating_mul(2))
        .max_message_size(Some(message_bytes))
        .max_frame_size(Some(message_bytes))
}

fn failure(error: &Error) -> TransportFailure {
    match error {
        Error::Io(error) => TransportFailure::from(error),
        Error::Http(response) => {
            TransportFailure::WebSocket(format!("the server answers {}", response.status()))
        }
        error => TransportFailure::WebSocket(error.to_string()),
    }
}
