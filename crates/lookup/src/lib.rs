//! From a SIP URI to the addresses and transports that lead to it: RFC 3263 over DNS.
//!
//! Stands on `sip-core` (for [`SipUri`](offhook_sip_core::SipUri)) and `sansio`; `account` and the facade stand on
//! it. The core, [`Lookup`], is a plain value: it says which DNS queries to make, takes their answers in any order,
//! and gives the [`Target`]s in the order in which to try them. It owns no socket, no clock and no random
//! generator but the one it was given. The driver, `tokio::Resolver`, makes the queries.
//!
//! ```
//! use offhook_lookup::{Lookup, LookupOptions, QueryError, Record, RecordData, RecordKind};
//! use offhook_sansio::Entropy;
//! use std::time::{Duration, Instant};
//!
//! let now = Instant::now();
//! let uri = "sip:bob@example.com;transport=udp".parse()?;
//! let mut lookup = Lookup::new(now, &uri, LookupOptions::default(), Entropy::from_number(1));
//! while let Some(query) = lookup.poll_query() {
//!     let answer = match query.kind {
//!         RecordKind::A => Ok(vec![Record {
//!             ttl: Duration::from_secs(60),
//!             data: RecordData::Address("192.0.2.4".parse()?),
//!         }]),
//!         _ => Err(QueryError::NoRecords),
//!     };
//!     lookup.handle_answer(now, query.id, answer);
//! }
//! let targets = lookup.result().expect("all was answered").map_err(Clone::clone)?;
//! assert_eq!(targets[0].to_string(), "UDP 192.0.2.4:5060");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Standards
//!
//! | RFC | what | state |
//! |---|---|---|
//! | 3263 §4 | NAPTR, SRV, A and AAAA for requests | yes |
//! | 3263 §5 | where responses go when their connection is gone | no |
//! | 2782 | SRV priority and weight, target `.` | yes |
//! | 3403 | NAPTR: only what RFC 3263 uses (flag `s`, no regular expression) | partly |
//! | 7118 §5 | `ws` and `wss` when the URI names them; not by NAPTR | partly |
//! | 6761 §6.3 | `localhost` is never asked of a server | yes |
//! | 7984 | both address families are asked for; which comes first is an option | partly |

mod cache;
mod lookup;
mod options;
mod plan;
mod record;
mod srv;
mod target;

#[cfg(feature = "tokio")]
pub mod tokio;

pub use cache::Cache;
pub use lookup::Lookup;
pub use options::{IpPreference, Limits, LookupOptions};
pub use record::{Answer, Query, QueryError, QueryId, Record, RecordData, RecordKind};
pub use target::{LookupError, Target};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
