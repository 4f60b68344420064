//! Fuzzing of `offhook-lookup`.

use offhook_lookup::{Lookup, LookupOptions, QueryError, QueryId, Record, RecordData, RecordKind};
use offhook_sansio::Entropy;
use std::time::{Duration, Instant};

/// A lying name server: the bytes choose a URI and invent the answers. Whatever they are, the lookup ends, within
/// its limits, and in time.
pub fn lookup_answers(data: &[u8]) {
    const URIS: [&str; 6] = [
        "sip:bob@example.com",
        "sips:bob@example.com",
        "sip:example.com;transport=tcp",
        "sip:example.com:5060",
        "sip:localhost",
        "sip:x;maddr=a.b;transport=ws",
    ];
    let mut bytes = data.iter().copied();
    let mut next = move || bytes.next().unwrap_or(0);
    let options = LookupOptions::default();
    let limits = options.limits;
    let t0 = Instant::now();
    let uri = URIS[usize::from(next()) % URIS.len()].parse().expect("a SIP URI");
    let mut lookup = Lookup::new(t0, &uri, options, Entropy::from_number(1));
    let mut now = t0;
    let mut asked: Vec<(QueryId, RecordKind)> = Vec::new();
    let mut waiting = Vec::new();
    while lookup.result().is_none() {
        while let Some(query) = lookup.poll_query() {
            assert!(query.name.len() <= 300, "{}", query.name);
            assert!(
                asked.iter().all(|(id, _)| *id != query.id),
                "each query has its own id"
            );
            asked.push((query.id, query.kind));
            waiting.push((query.id, query.kind));
        }
        assert!(asked.len() <= limits.queries);
        match next() {
            0..=9 => {
                now = lookup.poll_timeout().expect("a lookup that runs has a deadline");
                lookup.handle_timeout(now);
            }
            choice if !waiting.is_empty() => {
                let (id, kind) = waiting.swap_remove(usize::from(choice) % waiting.len());
                let answer = match next() {
                    0 => Err(QueryError::NoSuchDomain),
                    1 => Err(QueryError::NoRecords),
                    2 => Err(QueryError::ServerFailure),
                    count => Ok((0..count).map(|_| record(kind, &mut next)).collect()),
                };
                lookup.handle_answer(now, id, answer);
            }
            choice => {
                if let Some((id, _)) = asked.get(usize::from(choice)) {
                    lookup.handle_answer(now, *id, Ok(Vec::new())); // answered before
                }
                now += Duration::from_secs(1);
                lookup.handle_timeout(now);
            }
        }
    }
    assert!(now <= t0 + Duration::from_secs(16));
    assert_eq!(lookup.poll_timeout(), None);
    if let Some(Ok(targets)) = lookup.result() {
        assert!((1..=limits.targets).contains(&targets.len()));
    }
}

/// Mostly a record of the right kind, with a name from a small set: so that answers lead on.
fn record(kind: RecordKind, next: &mut impl FnMut() -> u8) -> Record {
    const NAMES: [&str; 8] = [
        ".",
        "",
        "a.example.com.",
        "b.example.com",
        "example.com",
        "_sip._udp.example.com",
        "192.0.2.3",
        "a b\r\n",
    ];
    const SERVICES: [&str; 4] = ["SIP+D2U", "SIPS+D2T", "sip+d2t", "E2U+sip"];
    let choice = next();
    let name = NAMES[usize::from(choice) % NAMES.len()].to_owned();
    let kind = if choice > 240 { RecordKind::A } else { kind };
    let data = match kind {
        RecordKind::Naptr => RecordData::Naptr {
            order: u16::from(next()),
            preference: u16::from(next()),
            flags: if choice & 32 == 0 { "s" } else { "u" }.to_owned(),
            service: SERVICES[usize::from(choice >> 3) % SERVICES.len()].to_owned(),
            replacement: name,
        },
        RecordKind::Srv => RecordData::Srv {
            priority: u16::from(next()),
            weight: u16::from(next()) << 8 | u16::from(choice),
            port: 5060,
            target: name,
        },
        RecordKind::A => RecordData::Address([192, 0, 2, choice].into()),
        RecordKind::Aaaa => RecordData::Address([0, 0, 0, 0, 0, 0, 0, u16::from(choice)].into()),
    };
    let ttl = Duration::from_secs(u64::from(choice));
    Record { ttl, data }
}
