//! The driver: DNS over the network, on Tokio.

use crate::{
    Answer, Cache, Lookup, LookupError, LookupOptions, Query, QueryError, QueryId, Record, RecordData,
    RecordKind, Target,
};
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use offhook_sansio::Entropy;
use offhook_sip_core::SipUri;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long the absence of a record is kept when the zone does not say (RFC 2308 §5 would then keep it not at all;
/// a minute spares a domain without NAPTR records a query with each call).
const NEGATIVE_TTL: Duration = Duration::from_mins(1);

/// Resolves SIP URIs over DNS. Cheap to clone: clones share one cache.
///
/// ```no_run
/// use offhook_lookup::{LookupOptions, tokio::Resolver};
/// use offhook_sansio::Entropy;
///
/// # async fn example(seed: [u8; 32]) -> Result<(), Box<dyn std::error::Error>> {
/// let resolver = Resolver::from_system(LookupOptions::default(), Entropy::from_seed(seed))?;
/// for target in resolver.routes(&"sip:3333@sip2sip.info".parse()?).await? {
///     println!("{target}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Resolver {
    inner: Arc<Inner>,
}

struct Inner {
    dns: TokioResolver,
    options: LookupOptions,
    shared: Mutex<Shared>,
}

struct Shared {
    cache: Cache,
    entropy: Entropy,
}

/// The resolver could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the system's DNS configuration: {0}")]
pub struct ResolverError(#[source] NetError);

impl Resolver {
    /// A resolver that uses the system's name servers and hosts file.
    ///
    /// # Errors
    /// When the system's configuration cannot be read.
    pub fn from_system(options: LookupOptions, entropy: Entropy) -> Result<Self, ResolverError> {
        let builder = TokioResolver::builder_tokio().map_err(ResolverError)?;
        Self::build(builder, options, entropy)
    }

    /// A resolver that asks one name server, at any port, over UDP and, for long answers, TCP.
    ///
    /// # Errors
    /// When the resolver cannot be set up.
    pub fn with_name_server(
        server: SocketAddr,
        options: LookupOptions,
        entropy: Entropy,
    ) -> Result<Self, ResolverError> {
        let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
        let connections = connections.map(|mut connection| {
            connection.port = server.port();
            connection
        });
        let server = NameServerConfig::new(server.ip(), true, connections.into());
        let config = ResolverConfig::from_parts(None, Vec::new(), vec![server]);
        let builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        Self::build(builder, options, entropy)
    }

    fn build(
        mut builder: hickory_resolver::ResolverBuilder<TokioRuntimeProvider>,
        options: LookupOptions,
        entropy: Entropy,
    ) -> Result<Self, ResolverError> {
        let settings = builder.options_mut();
        settings.cache_size = 0; // ours is bounded by what a lookup may keep, and can be emptied
        settings.attempts = 2; // one repetition within the time that a query has
        settings.timeout = options.query_timeout / 2;
        let cache = Cache::default();
        Ok(Self {
            inner: Arc::new(Inner {
                dns: builder.build().map_err(ResolverError)?,
                options,
                shared: Mutex::new(Shared { cache, entropy }),
            }),
        })
    }

    /// Where to send a request for this URI, in the order in which to try; at least one target.
    ///
    /// # Errors
    /// A [`LookupError`] that names the host and the cause.
    pub async fn routes(&self, uri: &SipUri) -> Result<Vec<Target>, LookupError> {
        self.routes_with(uri, self.inner.options.clone()).await
    }

    /// The same with options of its own: an account's list of transports, for example.
    ///
    /// # Errors
    /// A [`LookupError`] that names the host and the cause.
    pub async fn routes_with(
        &self,
        uri: &SipUri,
        options: LookupOptions,
    ) -> Result<Vec<Target>, LookupError> {
        let entropy = self.shared(|shared| shared.entropy.fork());
        let mut lookup = Lookup::new(now(), uri, options, entropy);
        let mut running = JoinSet::new();
        loop {
            while let Some(query) = lookup.poll_query() {
                match self.shared(|shared| shared.cache.get(now(), query.kind, &query.name)) {
                    Some(answer) => lookup.handle_answer(now(), query.id, answer),
                    None => drop(running.spawn(ask(self.clone(), query))),
                }
            }
            if let Some(result) = lookup.result() {
                return result.map(<[_]>::to_vec).map_err(Clone::clone);
            }
            let timeout = lookup.poll_timeout().unwrap_or_else(now);
            tokio::select! {
                Some(done) = running.join_next() => {
                    // A task ends otherwise only when the runtime shuts down; then the timeout is the answer.
                    if let Ok((id, answer)) = done {
                        lookup.handle_answer(now(), id, answer);
                    }
                }
                () = tokio::time::sleep_until(timeout.into()) => lookup.handle_timeout(now()),
            }
        }
    }

    /// Forgets what is cached, as when the network changed.
    pub fn clear_cache(&self) {
        self.shared(|shared| shared.cache.clear());
    }

    fn shared<T>(&self, use_it: impl FnOnce(&mut Shared) -> T) -> T {
        use_it(&mut self.inner.shared.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl std::fmt::Debug for Resolver {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resolver")
            .field("options", &self.inner.options)
            .finish_non_exhaustive()
    }
}

/// Tokio's clock, so that tests can pause it.
fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}

/// Makes one query and keeps its answer.
async fn ask(resolver: Resolver, query: Query) -> (QueryId, Answer) {
    let (answer, negative_ttl) = look_up(&resolver.inner.dns, &query).await;
    tracing::debug!(kind = %query.kind, name = query.name, records = answer.as_ref().map_or(0, Vec::len),
        error = answer.as_ref().err().map(tracing::field::display), "DNS answer");
    resolver.shared(|shared| {
        shared
            .cache
            .insert(now(), query.kind, &query.name, &answer, negative_ttl);
    });
    (query.id, answer)
}

async fn look_up(dns: &TokioResolver, query: &Query) -> (Answer, Duration) {
    let kind = match query.kind {
        RecordKind::Naptr => RecordType::NAPTR,
        RecordKind::Srv => RecordType::SRV,
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
    };
    let Ok(mut name) = Name::from_ascii(&query.name) else {
        return (Err(QueryError::NoSuchDomain), NEGATIVE_TTL);
    };
    // A short host name may be meant within the system's search list; services are those of the full name.
    let searched = name.num_labels() == 1 && matches!(query.kind, RecordKind::A | RecordKind::Aaaa);
    name.set_fqdn(!searched);
    match dns.lookup(name, kind).await {
        Ok(found) => {
            let records: Vec<_> = found
                .answers()
                .iter()
                .filter_map(|record| {
                    let ttl = Duration::from_secs(u64::from(record.ttl));
                    let data = read(&record.data)?;
                    Some(Record { ttl, data })
                })
                .collect();
            let answer = if records.is_empty() {
                Err(QueryError::NoRecords)
            } else {
                Ok(records)
            };
            (answer, NEGATIVE_TTL)
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none))) => {
            let ttl = none
                .negative_ttl
                .map(|seconds| Duration::from_secs(u64::from(seconds)));
            (Err(rejected(none.response_code)), ttl.unwrap_or(NEGATIVE_TTL))
        }
        Err(NetError::Dns(DnsError::ResponseCode(code))) => (Err(rejected(code)), NEGATIVE_TTL),
        Err(NetError::Timeout) => (Err(QueryError::Timeout), NEGATIVE_TTL),
        Err(error) => {
            tracing::debug!(name = query.name, %error, "DNS query failed");
            (Err(QueryError::ServerFailure), NEGATIVE_TTL)
        }
    }
}

fn rejected(code: ResponseCode) -> QueryError {
    match code {
        ResponseCode::NXDomain => QueryError::NoSuchDomain,
        ResponseCode::NoError => QueryError::NoRecords,
        _ => QueryError::ServerFailure,
    }
}

fn read(data: &RData) -> Option<RecordData> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match data {
        RData::A(address) => RecordData::Address(address.0.into()),
        RData::AAAA(address) => RecordData::Address(address.0.into()),
        RData::SRV(srv) => RecordData::Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        },
        RData::NAPTR(naptr) => RecordData::Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            service: text(&naptr.services),
            replacement: naptr.replacement.to_ascii(),
        },
        _ => return None,
    })
}
