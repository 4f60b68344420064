//! DNS queries and what is read of their answers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

/// The kind of record that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RecordKind {
    /// Which services a domain has (RFC 3403).
    Naptr,
    /// Which hosts give a service (RFC 2782).
    Srv,
    /// IPv4 addresses of a host.
    A,
    /// IPv6 addresses of a host.
    Aaaa,
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Naptr => "NAPTR",
            Self::Srv => "SRV",
            Self::A => "A",
            Self::Aaaa => "AAAA",
        })
    }
}

/// Names one query of one lookup.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct QueryId(pub(crate) u32);

/// A DNS query to make; its answer goes to [`Lookup::handle_answer`](crate::Lookup::handle_answer).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Query {
    /// To give the answer back with.
    pub id: QueryId,
    /// The domain or host name, in lower case, without a dot at the end.
    pub name: String,
    /// The kind of record.
    pub kind: RecordKind,
}

/// One record of an answer. The order of records in an answer means nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// How long it may be kept.
    pub ttl: Duration,
    /// What it says.
    pub data: RecordData,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecordData {
    /// A service of a domain.
    Naptr {
        /// Lower ones first.
        order: u16,
        /// Among equal orders, lower ones first.
        preference: u16,
        /// `s`: an SRV query comes next.
        flags: String,
        /// `SIP+D2U`, `SIP+D2T`, `SIPS+D2T`, ...
        service: String,
        /// The name for that SRV query.
        replacement: String,
    },
    /// A host that gives a service.
    Srv {
        /// Lower ones first.
        priority: u16,
        /// Its share among those of equal priority.
        weight: u16,
        /// The port of the service.
        port: u16,
        /// The host; `.` says that the service is not given at all.
        target: String,
    },
    /// An address of a host, for A and AAAA.
    Address(IpAddr),
}

impl RecordData {
    pub(crate) fn answers(&self, kind: RecordKind) -> bool {
        match self {
            Self::Naptr { .. } => kind == RecordKind::Naptr,
            Self::Srv { .. } => kind == RecordKind::Srv,
            Self::Address(IpAddr::V4(_)) => kind == RecordKind::A,
            Self::Address(IpAddr::V6(_)) => kind == RecordKind::Aaaa,
        }
    }
}

/// Why a query gave no record.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum QueryError {
    /// The name does not exist (`NXDOMAIN`).
    #[error("no such domain")]
    NoSuchDomain,
    /// The name exists, but has no record of this kind.
    #[error("no such record")]
    NoRecords,
    /// No name server answered in time.
    #[error("no answer from the name server")]
    Timeout,
    /// The name servers could not be reached, or failed, or the answer was broken.
    #[error("the name server failed")]
    ServerFailure,
}

/// What came back for a query.
pub type Answer = Result<Vec<Record>, QueryError>;
