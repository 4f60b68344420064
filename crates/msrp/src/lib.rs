//! MSRP (RFC 4975): the protocol that carries session chat and files, free of I/O.
//!
//! Layers, each using only those before it: [`uri`] (URIs and paths) -> [`chunk`] (heads, header values, end-lines) ->
//! [`framer`] (a stream to chunks, bodies in pieces as they arrive). Below is only `offhook-sansio`; nothing here knows
//! SIP or SDP: paths come and go as text.
//!
//! ```
//! use offhook_msrp::MsrpPath;
//! use offhook_msrp::framer::{Frame, Framer};
//!
//! let mut framer = Framer::new(Default::default());
//! framer.input().extend_from_slice(b"MSRP a786hjs2 SEND\r\nTo-Path: msrp://b.test:7777/iau39;tcp\r\n\
//!     From-Path: msrp://a.test:7654/jshA7we;tcp\r\nMessage-ID: 87652491\r\nByte-Range: 1-3/3\r\n\
//!     Content-Type: text/plain\r\n\r\nHi!\r\n-------a786hjs2$\r\n");
//! while let Some(frame) = framer.next_frame()? {
//!     match frame {
//!         Frame::Head(head) => assert!(head.from_path()?.last().session_id() == Some("jshA7we")),
//!         Frame::Body(body) => assert_eq!(body, "Hi!"),
//!         Frame::End(flag) => println!("chunk ends: {flag:?}"),
//!     }
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | RFC | what | |
//! |---|---|---|
//! | 4975 §6 | URIs and their comparison | yes |
//! | 4975 §7.1, §9 | heads, header fields, framing, end-lines | yes |
//! | 4975 §5.3, §7 | sessions, transactions, reports | no |
//! | 4976 | relays | no: their header fields are read |

pub mod chunk;
pub mod framer;
pub mod uri;

pub use uri::{MsrpPath, MsrpUri, UriError};
