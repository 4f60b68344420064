use super::*;
use proptest::prelude::*;

fn uri(text: &str) -> MsrpUri {
    text.parse().expect("a good URI")
}

#[test]
fn the_parts_of_a_uri_are_read() {
    let uri = uri("msrps://bob@[2001:db8::1]:9000/aSd/f34=+;tcp;a;b=c");
    assert!(uri.is_secure());
    assert_eq!(uri.user(), Some("bob"));
    assert_eq!(uri.host(), "[2001:db8::1]");
    assert_eq!(uri.socket_addr(), Some("[2001:db8::1]:9000".parse().unwrap()));
    assert_eq!(uri.session_id(), Some("aSd/f34=+"));
    assert_eq!(uri.transport(), "tcp");
    assert_eq!(
        uri.parameters().collect::<Vec<_>>(),
        [("a", None), ("b", Some("c"))]
    );
}

#[test]
fn good_uris_are_printed_as_they_came() {
    for text in [
        "msrp://host.example.com:8493/asfd34;tcp",
        "msrp://relay.example.com;tcp",
        "msrps://a%2Db:1/x;tcp;y=z",
        "msrp://a;b=c&d@host:1/s;tcp",
        "msrp://10.0.0.1:0/s;ws",
    ] {
        assert_eq!(uri(text).to_string(), text);
    }
}

#[test]
fn bad_uris_are_refused_for_their_reason() {
    use UriError as E;
    for (text, error) in [
        ("sip:bob@b.test", E::Scheme),
        ("http://b.test;tcp", E::Scheme),
        ("msrp://b.test:1/s", E::Transport),
        ("msrp://b.test:1/s;", E::Transport),
        ("msrp://b.test:1/s;t-p", E::Transport),
        ("msrp://b.test:1/;tcp", E::SessionId),
        ("msrp://b.test:1/a b;tcp", E::SessionId),
        ("msrp://b.test:66000/s;tcp", E::Port),
        ("msrp://b.test:/s;tcp", E::Port),
        ("msrp://b.test:+1/s;tcp", E::Port),
        ("msrp://:1/s;tcp", E::Host),
        ("msrp://[::1:1/s;tcp", E::Host),
        ("msrp://[::z]:1/s;tcp", E::Host),
        ("msrp://[::1]x:1/s;tcp", E::Host),
        ("msrp://[1.2.3.4]:1/s;tcp", E::Host),
        ("msrp://b_<>.test:1/s;tcp", E::Host),
        ("msrp://bob:secret@b.test:1/s;tcp", E::User),
        ("msrp://@b.test:1/s;tcp", E::User),
        ("msrp://192.0.2.1/s;tcp", E::AddressWithoutPort),
        ("msrp://[::1]/s;tcp", E::AddressWithoutPort),
        ("msrp://b.test:1/s;tcp;=x", E::Parameter),
        ("msrp://b.test:1/s;tcp;a=b c", E::Parameter),
    ] {
        assert_eq!(text.parse::<MsrpUri>(), Err(error), "{text}");
    }
    let long = format!("msrp://b.test:1/{};tcp", "s".repeat(1024));
    assert_eq!(long.parse::<MsrpUri>(), Err(E::TooLong(1044)));
}

#[test]
fn comparison_follows_section_6_1() {
    let rows = [
        (
            "msrp://Host.test:8493/s;tcp",
            "MSRP://bob@host.TEST:8493/s;TCP;x=y",
            true,
        ),
        (
            "msrp://h%6Fst.test:8493/s;tcp",
            "msrp://host.test:8493/s;tcp",
            true,
        ),
        (
            "msrp://h%2Cst.test:8493/s;tcp",
            "msrp://h,st.test:8493/s;tcp",
            false,
        ),
        ("msrp://[::1]:1/s;tcp", "msrp://[0:0:0:0:0:0:0:1]:1/s;tcp", true),
        ("msrp://[::1]:1/s;tcp", "msrp://[::2]:1/s;tcp", false),
        (
            "msrp://host.test:8493/s;tcp",
            "msrps://host.test:8493/s;tcp",
            false,
        ),
        (
            "msrp://host.test:8493/s;tcp",
            "msrp://host.test:8493/S;tcp",
            false,
        ),
        ("msrp://host.test:8493/s;tcp", "msrp://host.test:8493;tcp", false),
        ("msrp://host.test:8493/s;tcp", "msrp://host.test/s;tcp", false),
        (
            "msrp://host.test:8493/s;tcp",
            "msrp://host.test:8494/s;tcp",
            false,
        ),
        (
            "msrp://host.test:8493/s;tcp",
            "msrp://other.test:8493/s;tcp",
            false,
        ),
        (
            "msrp://host.test:8493/s;tcp",
            "msrp://host.test:8493/s;sctp",
            false,
        ),
    ];
    for (a, b, same) in rows {
        assert_eq!(uri(a).is_equivalent(&uri(b)), same, "{a} {b}");
        assert_eq!(uri(b).is_equivalent(&uri(a)), same, "{b} {a}");
    }
}

#[test]
fn a_new_session_has_80_random_bits_and_reads_back() {
    let mut entropy = Entropy::from_number(1);
    for address in ["127.0.0.1:2855", "[::1]:2855"] {
        let one = MsrpUri::new_session(address.parse().unwrap(), false, &mut entropy);
        let two = MsrpUri::new_session(address.parse().unwrap(), false, &mut entropy);
        assert_eq!(one.session_id().unwrap().len() * 4, 80);
        assert_ne!(one.session_id(), two.session_id());
        assert_eq!(uri(&one.to_string()), one);
        assert_eq!(one.socket_addr(), Some(address.parse().unwrap()));
    }
}

#[test]
fn a_changed_uri_is_checked() {
    let uri = uri("msrp://b.test:1/s;tcp");
    assert_eq!(
        uri.clone().with_port(9).with_session_id("t").unwrap().to_string(),
        "msrp://b.test:9/t;tcp"
    );
    assert_eq!(uri.clone().with_session_id("a;b"), Err(UriError::SessionId));
    assert_eq!(uri.clone().with_user("a:b"), Err(UriError::User));
    assert_eq!(uri.with_user("al").unwrap().user(), Some("al"));
}

#[test]
fn a_path_lists_relays_before_the_end() {
    let path: MsrpPath = "msrps://relay.test:1/r;tcp msrp://b.test:2/s;tcp"
        .parse()
        .unwrap();
    assert_eq!(path.first().host(), "relay.test");
    assert_eq!(path.last().host(), "b.test");
    assert_eq!(path.to_string().parse::<MsrpPath>().unwrap(), path);
    assert!(path.is_equivalent(&path));
    assert!(!path.is_equivalent(&MsrpPath::from(path.last().clone())));
    assert_eq!("".parse::<MsrpPath>(), Err(UriError::EmptyPath));
    assert_eq!("a b".parse::<MsrpPath>(), Err(UriError::Scheme));
    let flood = "msrp://b.test:2/s;tcp ".repeat(17);
    assert_eq!(flood.parse::<MsrpPath>(), Err(UriError::TooManyHops));
}

proptest! {
    #[test]
    fn whatever_is_read_is_printed_and_read_again(text in "msrps?://([a-z]{1,3}@)?[a-zA-Z0-9.%-]{1,8}(:[0-9]{1,5})?(/[a-z=+/]{0,5})?;[a-z]{0,4}(;[a-z=]{0,4})*|\\PC{0,40}") {
        if let Ok(uri) = text.parse::<MsrpUri>() {
            prop_assert_eq!(uri.to_string().parse::<MsrpUri>().unwrap(), uri.clone());
            prop_assert!(uri.is_equivalent(&uri));
        }
    }
}
