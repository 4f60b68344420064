//! Which queries lead from a URI to its targets (RFC 3263 §4), as a function of the answers known so far.
//!
//! The plan is walked anew with each answer, until all that it needs is known. So there is no state to get wrong:
//! each rule of the RFC stands once, as straight code.

use crate::srv::{self, SrvHost};
use crate::{Answer, IpPreference, LookupError, LookupOptions, QueryError, RecordData, RecordKind, Target};
use offhook_sansio::{Entropy, Transport};
use offhook_sip_core::{Host, SipUri};
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A query without its id.
pub(crate) type Question = (RecordKind, String);

/// Answers by question.
pub(crate) type Answers = HashMap<Question, Answer>;

/// What is known, or the questions that have to be answered first.
type Known<T> = Result<T, Vec<Question>>;

/// A URI as the plan sees it.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The name or address to find: `maddr`, else the host (RFC 3263 §4, "TARGET").
    target: Host,
    /// Its text, in lower case and without a dot at the end.
    name: String,
    port: Option<u16>,
    /// What may be used, the preferred first: not empty.
    transports: Vec<Transport>,
    /// The URI names its transport.
    named: bool,
    options: LookupOptions,
}

/// The SRV name of a transport.
struct Service {
    transport: Transport,
    name: String,
}

impl Plan {
    pub(crate) fn new(uri: &SipUri, options: LookupOptions) -> Result<Self, LookupError> {
        let target = uri
            .maddr()
            .and_then(|maddr| maddr.parse().ok())
            .unwrap_or_else(|| uri.host());
        let name = normal(&target.to_string());
        let no_transport = |wanted: &str| LookupError::NoUsableTransport {
            host: name.clone(),
            wanted: wanted.to_owned(),
        };
        let mut transports = options.transports.clone();
        if let Some(wanted) = uri.transport() {
            let mut transport =
                named_transport(wanted, uri.is_secure()).ok_or_else(|| no_transport(wanted))?;
            // RFC 7118 §5.2 has no name for WebSocket over TLS but that of WebSocket.
            if transport == Transport::Ws
                && !transports.contains(&transport)
                && transports.contains(&Transport::Wss)
            {
                transport = Transport::Wss;
            }
            transports.retain(|supported| *supported == transport);
            if transports.is_empty() {
                return Err(no_transport(transport.as_str()));
            }
        } else {
            // WebSocket servers are found by their URI alone, unless we speak nothing else.
            let is_websocket = |transport: &Transport| matches!(transport, Transport::Ws | Transport::Wss);
            if !transports.iter().all(is_websocket) {
                transports.retain(|transport| !is_websocket(transport));
            }
            if uri.is_secure() {
                transports.retain(|transport| transport.is_secure());
            }
            if transports.is_empty() {
                return Err(no_transport(if uri.is_secure() {
                    "TLS"
                } else {
                    "UDP, TCP or TLS"
                }));
            }
        }
        Ok(Self {
            target,
            name,
            port: uri.port(),
            transports,
            named: uri.transport().is_some(),
            options,
        })
    }

    /// The result, or the questions to ask next.
    pub(crate) fn walk(
        &self,
        answers: &Answers,
        entropy: &mut Entropy,
    ) -> Known<Result<Vec<Target>, LookupError>> {
        let transport = self.default_transport();
        let port = self.port.unwrap_or(transport.default_port());
        if let Some(ip) = self.target.ip() {
            return Ok(Ok(vec![target(ip, port, transport)]));
        }
        if is_localhost(&self.name) {
            let loopbacks = [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()];
            let wanted = self.in_order(loopbacks.into_iter());
            return Ok(Ok(wanted.map(|ip| target(ip, port, transport)).collect()));
        }
        if self.port.is_none() {
            if !self.named {
                let services = self.naptr_services(answers)?;
                if let Some(found) = self.serve(&services, answers, entropy)? {
                    return Ok(found);
                }
            }
            if let Some(found) = self.serve(&self.own_services(), answers, entropy)? {
                return Ok(found);
            }
        }
        let ips = self.addresses(&self.name, answers)?;
        Ok(ips.map(|ips| ips.into_iter().map(|ip| target(ip, port, transport)).collect()))
    }

    /// The transport where nothing in DNS says which (RFC 3263 §4.1): the one named, else UDP, or TLS for `sips`;
    /// when that is not among ours, our preferred one.
    fn default_transport(&self) -> Transport {
        match self.transports.as_slice() {
            [only] => *only,
            several if several.contains(&Transport::Udp) => Transport::Udp,
            several => several[0],
        }
    }

    /// The services that the domain's NAPTR records name and that we can use, the domain's order first, ours among
    /// equals.
    fn naptr_services(&self, answers: &Answers) -> Known<Vec<Service>> {
        let Ok(records) = self.ask(RecordKind::Naptr, &self.name, answers)? else {
            return Ok(Vec::new());
        };
        let mut found = Vec::new();
        for data in records {
            let RecordData::Naptr {
                order,
                preference,
                flags,
                service,
                replacement,
            } = data
            else {
                continue;
            };
            let transport = match service.to_ascii_uppercase().as_str() {
                "SIP+D2U" => Transport::Udp,
                "SIP+D2T" => Transport::Tcp,
                "SIPS+D2T" => Transport::Tls,
                "SIP+D2W" => Transport::Ws, // RFC 7118 §5.5
                "SIPS+D2W" => Transport::Wss,
                _ => continue,
            };
            let rank = self.transports.iter().position(|ours| *ours == transport);
            let name = normal(replacement);
            if let (Some(rank), true, true) = (rank, flags.eq_ignore_ascii_case("s"), is_name(&name)) {
                found.push(((*order, *preference, rank), Service { transport, name }));
            }
        }
        found.sort_by_key(|(rank, _)| *rank);
        Ok(found.into_iter().map(|(_, service)| service).collect())
    }

    /// The SRV names of our transports under the domain itself.
    fn own_services(&self) -> Vec<Service> {
        let service = |transport: &Transport| {
            let prefix = match transport {
                Transport::Udp => "_sip._udp",
                Transport::Tcp => "_sip._tcp",
                Transport::Tls => "_sips._tcp",
                Transport::Ws | Transport::Wss => return None, // RFC 7118 defines no SRV name
            };
            Some(Service {
                transport: *transport,
                name: format!("{prefix}.{}", self.name),
            })
        };
        self.transports.iter().filter_map(service).collect()
    }

    /// The targets of these services; `None` when there is no SRV record for any of them.
    fn serve(
        &self,
        services: &[Service],
        answers: &Answers,
        entropy: &mut Entropy,
    ) -> Known<Option<Result<Vec<Target>, LookupError>>> {
        let lists = all(services
            .iter()
            .map(|service| self.srv_hosts(&service.name, answers)))?;
        if lists.iter().all(Option::is_none) {
            return Ok(None);
        }
        let hosts = lists.iter().flatten().flatten();
        let found: HashMap<&str, _> = all(hosts.map(|host| {
            let addresses = self.addresses(&host.host, answers)?;
            Ok((host.host.as_str(), addresses))
        }))?
        .into_iter()
        .collect();
        let mut targets = Vec::new();
        let mut error = LookupError::NoService {
            host: self.name.clone(),
        };
        for (service, hosts) in services.iter().zip(&lists) {
            for host in srv::order(hosts.clone().unwrap_or_default(), entropy) {
                match &found[host.host.as_str()] {
                    Ok(ips) => {
                        targets.extend(ips.iter().map(|ip| target(*ip, host.port, service.transport)));
                    }
                    Err(failed) => error = failed.clone(),
                }
            }
        }
        Ok(Some(if targets.is_empty() {
            Err(error)
        } else {
            Ok(targets)
        }))
    }

    /// The hosts of an SRV name: `None` without records, an empty list when the service is denied (target `.`).
    fn srv_hosts(&self, name: &str, answers: &Answers) -> Known<Option<Vec<SrvHost>>> {
        let Ok(records) = self.ask(RecordKind::Srv, name, answers)? else {
            return Ok(None);
        };
        let mut hosts = Vec::new();
        let mut denied = false;
        for data in records {
            let RecordData::Srv {
                priority,
                weight,
                port,
                target,
            } = data
            else {
                continue;
            };
            let host = normal(target);
            denied |= host.is_empty();
            if is_name(&host) {
                hosts.push(SrvHost {
                    priority: *priority,
                    weight: *weight,
                    port: *port,
                    host,
                });
            }
        }
        Ok((denied || !hosts.is_empty()).then_some(hosts))
    }

    /// The addresses of a host in the order of our preference.
    fn addresses(&self, host: &str, answers: &Answers) -> Known<Result<Vec<IpAddr>, LookupError>> {
        if let Ok(ip) = host.parse::<IpAddr>() {
            return Ok(Ok(vec![ip])); // against RFC 2782, but found in SRV records
        }
        let kinds: &[_] = match self.options.ip {
            IpPreference::V4Only => &[RecordKind::A],
            IpPreference::V6Only => &[RecordKind::Aaaa],
            IpPreference::V4First => &[RecordKind::A, RecordKind::Aaaa],
            IpPreference::V6First => &[RecordKind::Aaaa, RecordKind::A],
        };
        let found = all(kinds.iter().map(|kind| self.ask(*kind, host, answers)))?;
        let ips: Vec<_> = found
            .iter()
            .flatten()
            .flatten()
            .filter_map(|data| match data {
                RecordData::Address(ip) => Some(*ip),
                _ => None,
            })
            .collect();
        if ips.is_empty() {
            let errors = found.iter().filter_map(|answer| answer.as_ref().err()).copied();
            return Ok(Err(no_address(host, errors)));
        }
        Ok(Ok(ips))
    }

    /// The records of the right kind, as many as are allowed; or the question.
    fn ask<'a>(
        &self,
        kind: RecordKind,
        name: &str,
        answers: &'a Answers,
    ) -> Known<Result<Vec<&'a RecordData>, QueryError>> {
        let question = (kind, name.to_owned());
        match answers.get(&question) {
            None => Err(vec![question]),
            Some(Err(error)) => Ok(Err(*error)),
            Some(Ok(records)) => {
                let right = records.iter().map(|record| &record.data);
                let right = right.filter(|data| data.answers(kind));
                Ok(Ok(right.take(self.options.limits.records).collect()))
            }
        }
    }

    fn in_order(&self, ips: impl Iterator<Item = IpAddr>) -> impl Iterator<Item = IpAddr> {
        let preference = self.options.ip;
        let mut ips: Vec<_> = ips
            .filter(|ip| match preference {
                IpPreference::V4Only => ip.is_ipv4(),
                IpPreference::V6Only => ip.is_ipv6(),
                IpPreference::V4First | IpPreference::V6First => true,
            })
            .collect();
        ips.sort_by_key(|ip| ip.is_ipv4() == (preference == IpPreference::V6First));
        ips.into_iter()
    }

    /// The name that errors speak of.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// All results, or the questions of all that are not known yet: they are asked at the same time.
fn all<T>(parts: impl Iterator<Item = Known<T>>) -> Known<Vec<T>> {
    let mut known = Vec::new();
    let mut questions = Vec::new();
    for part in parts {
        match part {
            Ok(value) => known.push(value),
            Err(more) => questions.extend(more),
        }
    }
    if questions.is_empty() {
        Ok(known)
    } else {
        Err(questions)
    }
}

/// The transport that a URI's parameter means; `sips` makes it secure (RFC 3261 §26.2.2, RFC 7118 §5.3).
fn named_transport(parameter: &str, secure: bool) -> Option<Transport> {
    match (parameter.parse().ok()?, secure) {
        (Transport::Udp, true) => None,
        (Transport::Tcp, true) => Some(Transport::Tls),
        (Transport::Ws, true) => Some(Transport::Wss),
        (transport, _) => Some(transport),
    }
}

/// Which of the reasons says most: that the name is not there, that it has no address, then what went wrong.
fn no_address(host: &str, errors: impl Iterator<Item = QueryError>) -> LookupError {
    let host = host.to_owned();
    let rank = |error: &QueryError| match error {
        QueryError::NoSuchDomain => 0,
        QueryError::Timeout => 1,
        QueryError::ServerFailure => 2,
        QueryError::NoRecords => 3,
    };
    match errors.min_by_key(rank) {
        Some(QueryError::NoSuchDomain) => LookupError::NoSuchDomain { host },
        Some(QueryError::Timeout) => LookupError::Timeout { host },
        Some(QueryError::ServerFailure) => LookupError::ServerFailure { host },
        Some(QueryError::NoRecords) | None => LookupError::NoAddress { host },
    }
}

fn target(ip: IpAddr, port: u16, transport: Transport) -> Target {
    let address = SocketAddr::new(ip, port);
    Target { address, transport }
}

fn normal(name: &str) -> String {
    name.trim_end_matches('.').to_ascii_lowercase()
}

/// True for what can be asked for: 1 to 253 visible ASCII characters (RFC 1035 §2.3.4).
fn is_name(name: &str) -> bool {
    (1..=253).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}
