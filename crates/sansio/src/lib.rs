//! The few words that all Offhook protocol cores share.
//!
//! Every protocol core in this workspace is a plain value: bytes and time in, bytes and events out. It owns no
//! socket, reads no clock, starts no thread and holds no random generator but the [`Entropy`] it was given.
//! That makes it possible to fuzz it, to run two of them against each other in virtual time, to embed it in any
//! runtime, and to read it in an afternoon.
//!
//! # The verbs
//!
//! | verb | meaning |
//! |---|---|
//! | commands (`invite`, `accept`, ...) | what the application wants; take `now` first |
//! | `handle_*(now, input)` | what the network or the clock did |
//! | `poll_transmit()` | the next datagram or stream segment to send, until `None` |
//! | `poll_event()` | the next thing the layer above should know, until `None` |
//! | `poll_timeout()` | the instant at which to call `handle_timeout(now)` next |
//!
//! # The drain rule
//!
//! One mutation, then drain to empty: after each command or `handle_*` call, call `poll_transmit` and
//! `poll_event` until both return `None`, then sleep until `poll_timeout`. Calling `handle_timeout` early or
//! twice does nothing.
//!
//! # Example
//!
//! A core that answers each datagram with its own bytes, one second later:
//!
//! ```
//! use bytes::Bytes;
//! use offhook_sansio::{Deadlines, Outbox, Path, Received, Timer, Transmit, Transport};
//! use std::time::{Duration, Instant};
//!
//! #[derive(Clone, Copy)]
//! enum EchoTimer { Answer }
//! impl Timer for EchoTimer {
//!     const ALL: &'static [Self] = &[Self::Answer];
//!     fn index(self) -> usize { self as usize }
//! }
//!
//! #[derive(Default)]
//! struct Echo { waiting: Option<(Path, Bytes)>, timers: Deadlines<EchoTimer, 1>, out: Outbox<Transmit> }
//!
//! impl Echo {
//!     fn handle_received(&mut self, now: Instant, received: Received) {
//!         self.waiting = Some((received.path, received.bytes));
//!         self.timers.set(EchoTimer::Answer, now + Duration::from_secs(1));
//!     }
//!     fn handle_timeout(&mut self, now: Instant) {
//!         while let Some(EchoTimer::Answer) = self.timers.take_expired(now) {
//!             if let Some((path, bytes)) = self.waiting.take() {
//!                 self.out.push(Transmit { path, bytes });
//!             }
//!         }
//!     }
//! }
//!
//! let t0 = Instant::now();
//! let path = Path::new(Transport::Udp, "127.0.0.1:5060".parse()?, "127.0.0.1:5062".parse()?);
//! let mut echo = Echo::default();
//! echo.handle_received(t0, Received { path, bytes: Bytes::from_static(b"hello") });
//! assert_eq!(echo.timers.soonest(), Some(t0 + Duration::from_secs(1)));
//! echo.handle_timeout(t0 + Duration::from_secs(1));
//! assert_eq!(echo.out.pop().unwrap().bytes, "hello");
//! # Ok::<(), std::net::AddrParseError>(())
//! ```

mod datagram;
mod deadline;
mod drain;
mod entropy;
mod transport;
mod wallclock;

pub use datagram::{Path, Received, ServerId, Transmit};
pub use deadline::{Deadlines, Timer, earliest};
pub use drain::Outbox;
pub use entropy::Entropy;
pub use transport::{Transport, UnknownTransport};
pub use wallclock::WallClock;

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
