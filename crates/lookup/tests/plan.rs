//! The rules of RFC 3263 §4 against scripted zones.

use offhook_lookup::{
    Answer, IpPreference, Lookup, LookupError, LookupOptions, QueryError, Record, RecordData, RecordKind,
};
use offhook_sansio::{Entropy, Transport};
use std::time::{Duration, Instant};

/// A provider with all records, as RFC 3263 §4.1 shows it.
const PROVIDER: &[&str] = &[
    "NAPTR example.com 50 50 s SIPS+D2T _sips._tcp.example.com.",
    "NAPTR example.com 90 50 S sip+d2t _sip._tcp.example.com",
    "NAPTR example.com 100 50 s SIP+D2U _sip._udp.example.com",
    "NAPTR example.com 10 50 s SIP+D2S _sip._sctp.example.com",
    "NAPTR example.com 10 50 u SIP+D2U _bad._udp.example.com",
    "SRV _sips._tcp.example.com 0 0 5061 tls.example.com",
    "SRV _sip._tcp.example.com 1 0 5070 one.example.com.",
    "SRV _sip._tcp.example.com 2 0 5060 two.example.com",
    "SRV _sip._udp.example.com 0 0 5060 one.example.com",
    "A example.com 192.0.2.9",
    "A tls.example.com 192.0.2.7",
    "A one.example.com 192.0.2.1",
    "A two.example.com 192.0.2.2",
    "AAAA two.example.com 2001:db8::2",
];

const TLS_TCP_UDP: [Transport; 3] = [Transport::Tls, Transport::Tcp, Transport::Udp];

#[test]
fn addresses_ports_and_parameters_decide_before_dns_does() {
    for (uri, expected) in [
        ("sip:bob@192.0.2.4", "UDP 192.0.2.4:5060"),
        ("sip:bob@192.0.2.4:5070;transport=tcp", "TCP 192.0.2.4:5070"),
        ("sips:bob@[2001:db8::4]", "TLS [2001:db8::4]:5061"),
        ("sip:bob@192.0.2.4;transport=TLS", "TLS 192.0.2.4:5061"),
        ("sips:bob@192.0.2.4;transport=tcp", "TLS 192.0.2.4:5061"),
        ("sip:bob@nowhere.test;maddr=192.0.2.4", "UDP 192.0.2.4:5060"),
        ("sip:localhost:5062", "UDP 127.0.0.1:5062, UDP [::1]:5062"),
    ] {
        let (result, queries) = run(uri, &[], LookupOptions::default());
        assert_eq!(result.unwrap(), expected, "{uri}");
        assert_eq!(queries, [""; 0], "{uri}");
    }
}

#[test]
fn a_port_means_a_host_and_a_transport_means_its_srv_records() {
    let check = |uri: &str, expected: &str, queries: &[&str]| {
        let (result, asked) = run(uri, PROVIDER, LookupOptions::default());
        assert_eq!(result.unwrap(), expected, "{uri}");
        assert_eq!(asked, queries, "{uri}");
    };
    check(
        "sip:bob@Example.com.:5080",
        "UDP 192.0.2.9:5080",
        &["A example.com", "AAAA example.com"],
    );
    check(
        "sips:bob@example.com:5080",
        "TLS 192.0.2.9:5080",
        &["A example.com", "AAAA example.com"],
    );
    check(
        "sip:bob@example.com;transport=udp",
        "UDP 192.0.2.1:5060",
        &[
            "SRV _sip._udp.example.com",
            "A one.example.com",
            "AAAA one.example.com",
        ],
    );
    check(
        "sip:bob@two.example.com;transport=tcp",
        "TCP 192.0.2.2:5060, TCP [2001:db8::2]:5060",
        &[
            "SRV _sip._tcp.two.example.com",
            "A two.example.com",
            "AAAA two.example.com",
        ],
    );
}

#[test]
fn naptr_records_order_the_transports_that_we_have() {
    let all = "TLS 192.0.2.7:5061, TCP 192.0.2.1:5070, TCP 192.0.2.2:5060, TCP [2001:db8::2]:5060, UDP 192.0.2.1:5060";
    let tcp_udp = all.split_once(", ").unwrap().1;
    for (uri, transports, expected) in [
        ("sip:bob@example.com", &TLS_TCP_UDP[..], all),
        ("sip:bob@example.com", &[Transport::Udp, Transport::Tcp], tcp_udp),
        ("sip:bob@example.com", &[Transport::Udp], "UDP 192.0.2.1:5060"),
        ("sips:bob@example.com", &TLS_TCP_UDP, "TLS 192.0.2.7:5061"),
    ] {
        let options = LookupOptions {
            transports: transports.to_vec(),
            ..LookupOptions::default()
        };
        assert_eq!(
            run(uri, PROVIDER, options).0.unwrap(),
            expected,
            "{uri} {transports:?}"
        );
    }
}

#[test]
fn without_naptr_srv_is_asked_for_each_transport_and_without_srv_the_address() {
    let without = |kind: &str| -> Vec<&str> {
        let records = PROVIDER.iter().filter(|line| !line.starts_with(kind));
        records.copied().collect()
    };
    let (result, asked) = run("sip:bob@example.com", &without("NAPTR"), LookupOptions::default());
    assert!(
        result
            .unwrap()
            .starts_with("TLS 192.0.2.7:5061, TCP 192.0.2.1:5070")
    );
    assert_eq!(
        asked[..4],
        [
            "NAPTR example.com",
            "SRV _sips._tcp.example.com",
            "SRV _sip._tcp.example.com",
            "SRV _sip._udp.example.com"
        ]
    );
    // NAPTR records that lead nowhere are no reason to give up either.
    for uri in ["sip:bob@example.com", "sips:bob@example.com"] {
        let (result, _) = run(uri, &without("SRV"), LookupOptions::default());
        let transport = if uri.starts_with("sips") {
            "TLS 192.0.2.9:5061"
        } else {
            "UDP 192.0.2.9:5060"
        };
        assert_eq!(result.unwrap(), transport);
    }
    let failing = [
        "TIMEOUT NAPTR example.com",
        "SERVFAIL SRV _sip._udp.example.com",
        "A example.com 192.0.2.9",
    ];
    let (result, _) = run("sip:bob@example.com", &failing, LookupOptions::default());
    assert_eq!(result.unwrap(), "UDP 192.0.2.9:5060");
}

#[test]
fn websocket_is_used_where_it_is_asked_for_or_nothing_else_is_spoken() {
    let zone = ["A ws.test 192.0.2.9", "NXDOMAIN nowhere.test"];
    for (uri, transports, expected) in [
        (
            "sip:bob@ws.test:8080;transport=ws",
            &[Transport::Udp, Transport::Ws][..],
            "WS 192.0.2.9:8080",
        ),
        (
            "sip:bob@ws.test:8443;transport=ws",
            &[Transport::Wss],
            "WSS 192.0.2.9:8443",
        ),
        (
            "sips:bob@192.0.2.9;transport=ws",
            &[Transport::Ws, Transport::Wss],
            "WSS 192.0.2.9:443",
        ),
        ("sip:bob@192.0.2.9", &[Transport::Wss], "WSS 192.0.2.9:443"),
        (
            "sip:bob@192.0.2.9",
            &[Transport::Wss, Transport::Udp],
            "UDP 192.0.2.9:5060",
        ),
    ] {
        let options = LookupOptions {
            transports: transports.to_vec(),
            ..LookupOptions::default()
        };
        let (result, _) = run(uri, &zone, options);
        assert_eq!(result.unwrap(), expected, "{uri}");
    }
}

#[test]
fn address_families_come_as_preferred() {
    for (ip, expected) in [
        (IpPreference::V4Only, "TCP 192.0.2.2:5060"),
        (IpPreference::V6Only, "TCP [2001:db8::2]:5060"),
        (
            IpPreference::V4First,
            "TCP 192.0.2.2:5060, TCP [2001:db8::2]:5060",
        ),
        (
            IpPreference::V6First,
            "TCP [2001:db8::2]:5060, TCP 192.0.2.2:5060",
        ),
    ] {
        let options = LookupOptions {
            ip,
            ..LookupOptions::default()
        };
        let (result, _) = run("sip:two.example.com;transport=tcp", PROVIDER, options);
        assert_eq!(result.unwrap(), expected, "{ip:?}");
    }
}

#[test]
fn each_failure_names_the_host_and_the_cause() {
    for (uri, zone, expected) in [
        (
            "sip:bob@nowhere.test",
            &["NXDOMAIN nowhere.test"][..],
            "cannot find nowhere.test: no such domain",
        ),
        (
            "sip:bob@empty.test",
            &[],
            "cannot find empty.test: it has no address",
        ),
        (
            "sip:bob@slow.test:5060",
            &["TIMEOUT A slow.test", "TIMEOUT AAAA slow.test"],
            "cannot find slow.test: no answer from the name server",
        ),
        (
            "sip:bob@broken.test:5060",
            &["SERVFAIL A broken.test", "SERVFAIL AAAA broken.test"],
            "cannot find broken.test: the name server failed",
        ),
        (
            "sip:bob@denied.test;transport=tcp",
            &["SRV _sip._tcp.denied.test 0 0 0 .", "A denied.test 192.0.2.1"],
            "denied.test offers no SIP service",
        ),
        (
            "sip:bob@lost.test;transport=tcp",
            &["SRV _sip._tcp.lost.test 0 0 5060 gone.test", "NXDOMAIN gone.test"],
            "cannot find gone.test: no such domain",
        ),
        (
            "sip:bob@a.test;transport=sctp",
            &[],
            "no usable transport to a.test: sctp is needed",
        ),
        (
            "sip:bob@a.test;transport=ws",
            &[],
            "no usable transport to a.test: WS is needed",
        ),
        (
            "sips:bob@a.test;transport=udp",
            &[],
            "no usable transport to a.test: udp is needed",
        ),
    ] {
        let (result, _) = run(uri, zone, LookupOptions::default());
        assert_eq!(result.unwrap_err().to_string(), expected, "{uri}");
    }
    let options = LookupOptions {
        transports: vec![Transport::Udp],
        ..LookupOptions::default()
    };
    let (result, _) = run("sips:bob@a.test", &[], options);
    assert_eq!(
        result.unwrap_err().to_string(),
        "no usable transport to a.test: TLS is needed"
    );
}

#[test]
fn each_query_is_given_up_after_three_seconds_and_the_next_step_is_taken() {
    use RecordKind::{A, Aaaa, Naptr, Srv};
    let t0 = Instant::now();
    let mut lookup = lookup(t0, "sip:bob@example.com", LookupOptions::default());
    let mut asked = Vec::new();
    let mut now = t0;
    while lookup.result().is_none() {
        while let Some(query) = lookup.poll_query() {
            asked.push((query.kind, (now - t0).as_secs()));
        }
        let next = lookup.poll_timeout().unwrap();
        lookup.handle_timeout(now); // early: nothing
        assert_eq!(lookup.poll_timeout(), Some(next));
        now = next;
        lookup.handle_timeout(now);
    }
    assert_eq!(
        asked,
        [(Naptr, 0), (Srv, 3), (Srv, 3), (Srv, 3), (A, 6), (Aaaa, 6)]
    );
    assert_eq!(now - t0, Duration::from_secs(9));
    let host = "example.com".to_owned();
    assert_eq!(lookup.result(), Some(Err(&LookupError::Timeout { host })));
    assert_eq!(lookup.poll_timeout(), None);
}

#[test]
fn what_was_found_within_the_lifetime_is_the_result() {
    let t0 = Instant::now();
    let options = LookupOptions {
        query_timeout: Duration::from_mins(1),
        ..LookupOptions::default()
    };
    let mut lookup = lookup(t0, "sip:example.com:5060", options);
    let a = lookup.poll_query().unwrap();
    lookup.handle_answer(t0, a.id, answer(PROVIDER, &a.name, a.kind));
    assert_eq!(lookup.poll_timeout(), Some(t0 + Duration::from_secs(15)));
    lookup.handle_timeout(t0 + Duration::from_secs(15));
    assert_eq!(
        lookup.result().unwrap().unwrap()[0].to_string(),
        "UDP 192.0.2.9:5060"
    );
}

#[test]
fn a_lying_name_server_cannot_make_the_lookup_grow() {
    let mut zone = vec!["SRV _sip._tcp.evil.test 0 0 5060 evil.test".to_owned()];
    for host in 0..200 {
        zone.push(format!("SRV _sip._tcp.evil.test 0 0 5060 h{host}.evil.test"));
        for last in 0..255 {
            zone.push(format!("A h{host}.evil.test 192.0.2.{last}"));
        }
    }
    zone.push(format!("SRV _sip._tcp.evil.test 0 0 5060 {}", "x".repeat(5_000)));
    let zone: Vec<&str> = zone.iter().map(String::as_str).collect();
    let (result, asked) = run("sip:evil.test;transport=tcp", &zone, LookupOptions::default());
    assert_eq!(result.unwrap().split(", ").count(), 32);
    assert!(asked.len() <= 64, "{}", asked.len());
}

#[test]
fn late_doubled_and_mistaken_answers_are_ignored() {
    let t0 = Instant::now();
    let mut lookup = lookup(t0, "sip:example.com:5060", LookupOptions::default());
    let (a, aaaa) = (lookup.poll_query().unwrap(), lookup.poll_query().unwrap());
    // An IPv4 address is no answer to a question for IPv6.
    lookup.handle_answer(t0, aaaa.id, answer(PROVIDER, "one.example.com", RecordKind::A));
    lookup.handle_answer(t0, aaaa.id, answer(PROVIDER, "two.example.com", RecordKind::Aaaa));
    assert_eq!(lookup.result(), None);
    lookup.handle_answer(t0, a.id, answer(PROVIDER, "example.com", RecordKind::A));
    lookup.handle_answer(t0, a.id, answer(PROVIDER, "one.example.com", RecordKind::A));
    let targets: Vec<_> = lookup
        .result()
        .unwrap()
        .unwrap()
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(targets, ["UDP 192.0.2.9:5060"]);
}

/// Looks up against a zone; gives the targets as text, and the queries in order.
fn run(uri: &str, zone: &[&str], options: LookupOptions) -> (Result<String, LookupError>, Vec<String>) {
    let now = Instant::now();
    let mut lookup = lookup(now, uri, options);
    let mut asked = Vec::new();
    while let Some(query) = lookup.poll_query() {
        asked.push(format!("{} {}", query.kind, query.name));
        lookup.handle_answer(now, query.id, answer(zone, &query.name, query.kind));
    }
    let result = lookup.result().expect("all was answered");
    let text = |targets: &[offhook_lookup::Target]| {
        let targets: Vec<_> = targets.iter().map(ToString::to_string).collect();
        targets.join(", ")
    };
    (result.map(text).map_err(Clone::clone), asked)
}

fn lookup(now: Instant, uri: &str, options: LookupOptions) -> Lookup {
    Lookup::new(now, &uri.parse().unwrap(), options, Entropy::from_number(1))
}

fn answer(zone: &[&str], name: &str, kind: RecordKind) -> Answer {
    let mut records = Vec::new();
    for line in zone {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["NXDOMAIN", missing] if missing == name => return Err(QueryError::NoSuchDomain),
            ["TIMEOUT", k, n] if (k, n) == (&*kind.to_string(), name) => return Err(QueryError::Timeout),
            ["SERVFAIL", k, n] if (k, n) == (&*kind.to_string(), name) => {
                return Err(QueryError::ServerFailure);
            }
            [k, n, ref data @ ..] if (k, n) == (&*kind.to_string(), name) => records.push(record(data)),
            _ => {}
        }
    }
    if records.is_empty() {
        Err(QueryError::NoRecords)
    } else {
        Ok(records)
    }
}

fn record(data: &[&str]) -> Record {
    let data = match *data {
        [address] => RecordData::Address(address.parse().unwrap()),
        [priority, weight, port, target] => RecordData::Srv {
            priority: priority.parse().unwrap(),
            weight: weight.parse().unwrap(),
            port: port.parse().unwrap(),
            target: target.to_owned(),
        },
        [order, preference, flags, service, replacement] => RecordData::Naptr {
            order: order.parse().unwrap(),
            preference: preference.parse().unwrap(),
            flags: flags.to_owned(),
            service: service.to_owned(),
            replacement: replacement.to_owned(),
        },
        _ => panic!("no record: {data:?}"),
    };
    let ttl = Duration::from_mins(1);
    Record { ttl, data }
}
