//! What connections are held to.

use crate::ParseOptions;
use std::ops::RangeInclusive;
use std::time::Duration;

/// Limits and times of the TCP connections of [`Transports`](super::Transports).
///
/// Where there are too many connections, one that was accepted is closed for the newcomer: the oldest of those by
/// which no message has come yet, or else the one whose newest message is oldest. One that we opened never is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// Connections in all. Default 512: half of the 1,024 open files that a process usually may have.
    pub connections: usize,
    /// Connections accepted from one IP address. Default 128: an office behind one address, and nobody alone can take
    /// them all.
    pub accepted_per_source: usize,
    /// Messages that wait to be written to one connection; with one more the connection counts as broken. Default
    /// 1,024: what a busy endpoint sends to its proxy in a second.
    pub queue: usize,
    /// How long a connection may take to be opened. Default 5 s: three SYNs, and six more such routes before an
    /// INVITE is given up.
    pub connect_timeout: Duration,
    /// How long the peer may take to take a message. Default 10 s.
    pub write_timeout: Duration,
    /// How long a message may take from its first byte to its last. Default 10 s: 1 MiB at 1 Mbit/s.
    pub message_timeout: Duration,
    /// How long an accepted connection may take until its first message is there. Default 20 s.
    pub first_message_timeout: Duration,
    /// How long a connection may be silent: no message, no keep-alive. Default 1 h: registrations and session timers
    /// have half of that.
    pub idle_timeout: Duration,
    /// How often a connection that we opened is kept alive by a double CRLF. Default a random time in 95 s to 120 s, as
    /// RFC 5626 §4.4.1 wants it.
    pub ping_interval: RangeInclusive<Duration>,
    /// How long a peer that has answered such pings may take to answer the next, before the connection counts as
    /// broken. Default 10 s, as RFC 5626 §4.4.1 says. From other peers no answer is expected.
    pub pong_timeout: Duration,
    /// How messages are cut from the stream. Should be what [`EndpointConfig::parse`](crate::EndpointConfig::parse) is.
    pub parse: ParseOptions,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            connections: 512,
            accepted_per_source: 128,
            queue: 1024,
            connect_timeout: Duration::from_secs(5),
            write_timeout: Duration::from_secs(10),
            message_timeout: Duration::from_secs(10),
            first_message_timeout: Duration::from_secs(20),
            idle_timeout: Duration::from_hours(1),
            ping_interval: Duration::from_secs(95)..=Duration::from_mins(2),
            pong_timeout: Duration::from_secs(10),
            parse: ParseOptions::default(),
        }
    }
}
