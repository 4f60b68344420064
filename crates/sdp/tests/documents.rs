//! What the documents promise of their four classes of descriptions: `SDPSession`, `SDPMedia`, `SDPConnection`,
//! `SDPAttribute`.

use offhook_sdp::{
    Attribute, Bandwidth, Connection, Direction, Media, MediaKind, SessionDescription, Timing, ZoneAdjustment,
};

#[test]
fn sdp_session_has_the_constructors_defaults_and_all_is_read_and_write() {
    let mut session = SessionDescription::new(7, "192.0.2.1".parse().unwrap());
    let origin = &session.origin;
    assert_eq!(
        (&*origin.address, origin.session_id, origin.session_version),
        ("192.0.2.1", 7, 7)
    );
    assert_eq!(
        (&*origin.username, &*origin.net_type, &*origin.address_type),
        ("-", "IN", "IP4")
    );
    assert_eq!((session.timing.start, session.timing.stop), (0, 0));
    assert!(session.info.is_none() && session.attributes.is_empty() && session.media.is_empty());

    session.origin.username = "alice".into();
    session.origin.session_version = 8;
    session.origin.address = "host.example.com".into();
    session.name = " ".into();
    session.info = Some("about".into());
    session.connection = None;
    session.timing = Timing {
        start: 1,
        stop: 2,
        repeats: Vec::new(),
    };
    session.attributes.push(Attribute::with_value("tool", "offhook"));
    session.media.push(Media::new(MediaKind::Audio, 9, "RTP/AVP"));
    assert_eq!(
        session.to_string(),
        "v=0\r\no=alice 7 8 IN IP4 host.example.com\r\ns= \r\ni=about\r\nt=1 2\r\na=tool:offhook\r\n\
         m=audio 9 RTP/AVP\r\n"
    );
}

#[test]
fn an_empty_information_line_is_none_at_all() {
    let mut session = SessionDescription::new(7, "192.0.2.1".parse().unwrap());
    let without = session.to_string();
    session.info = Some("".into());
    assert_eq!(session.to_string(), without);
    let mut media = Media::new(MediaKind::Audio, 9, "RTP/AVP");
    media.info = Some("".into());
    assert_eq!(media.to_string(), "m=audio 9 RTP/AVP\r\n");
    let read: SessionDescription = "v=0\no=- 1 1 IN IP4 h\ni=\nm=audio 9 RTP/AVP 0\ni=\n"
        .parse()
        .unwrap();
    assert_eq!((&read.info, &read.media[0].info), (&None, &None));
}

#[test]
fn sdp_media_is_all_read_and_write_and_one_port_is_not_written() {
    let mut media = Media::new(MediaKind::from("audio"), 5000, "RTP/AVP");
    assert_eq!(
        (media.port_count, media.info.as_deref(), media.connection.as_ref()),
        (1, None, None)
    );
    media.formats = ["0", "101"].into_iter().collect();
    assert_eq!(media.to_string(), "m=audio 5000 RTP/AVP 0 101\r\n");
    media.kind = MediaKind::from("whiteboard");
    media.port_count = 2;
    media.info = Some("title".into());
    media.connection = Some(Connection::named("host.example.com"));
    media.attributes.push(Attribute::new("inactive"));
    assert_eq!(
        media.to_string(),
        "m=whiteboard 5000/2 RTP/AVP 0 101\r\ni=title\r\nc=IN IP4 host.example.com\r\na=inactive\r\n"
    );
}

#[test]
fn get_direction_goes_through_the_attributes_and_is_sendrecv_without_one() {
    let session = SessionDescription::new(7, "192.0.2.1".parse().unwrap());
    let media =
        |name: &'static str| Media::new(MediaKind::Audio, 9, "RTP/AVP").with_attribute(Attribute::new(name));
    for (name, direction) in [
        ("sendrecv", Direction::SendRecv),
        ("sendonly", Direction::SendOnly),
        ("recvonly", Direction::RecvOnly),
        ("inactive", Direction::Inactive),
        ("rtcp-mux", Direction::SendRecv),
    ] {
        assert_eq!(media(name).direction(&session), direction, "{name}");
    }
}

#[test]
fn sdp_connection_and_sdp_attribute_are_read_write_and_compared() {
    let mut connection = Connection::named("192.0.2.1");
    assert_eq!((&*connection.net_type, &*connection.address_type), ("IN", "IP4"));
    assert_eq!(connection, Connection::new("192.0.2.1".parse().unwrap()));
    connection.address_type = "IP6".into();
    assert_ne!(connection, Connection::named("192.0.2.1"));

    let mut attribute = Attribute::with_value("ptime", "20");
    assert_eq!(attribute, Attribute::with_value("ptime", "20"));
    attribute.value = Some("30".into());
    assert_ne!(attribute, Attribute::with_value("ptime", "20"));
    attribute.name = "maxptime".into();
    assert_eq!(attribute.to_string(), "maxptime:30");
    assert_ne!(Attribute::new("x"), Attribute::with_value("x", ""));
}

#[test]
fn descriptions_and_sections_differ_when_any_field_does() {
    let base = || {
        let media = Media::new(MediaKind::Audio, 9, "RTP/AVP");
        SessionDescription::new(7, "192.0.2.1".parse().unwrap()).with_media([media])
    };
    let bandwidth = || Bandwidth {
        kind: "AS".into(),
        value: 64,
    };
    let changes: [fn(&mut SessionDescription); 20] = [
        |session| session.origin.username = "x".into(),
        |session| session.origin.session_id = 8,
        |session| session.origin.session_version = 8,
        |session| session.origin.address = "x".into(),
        |session| session.origin.address_type = "IP6".into(),
        |session| session.origin.net_type = "x".into(),
        |session| session.name = "x".into(),
        |session| session.info = Some("x".into()),
        |session| session.uri = Some("x".into()),
        |session| session.emails.push("x".into()),
        |session| session.phones.push("x".into()),
        |session| session.connection = None,
        |session| session.timing.start = 1,
        |session| session.timing.stop = 1,
        |session| session.more_timings.push(Timing::default()),
        |session| session.zones.push(ZoneAdjustment { time: 1, offset: 1 }),
        |session| session.key = Some("x".into()),
        |session| session.attributes.push(Attribute::new("x")),
        |session| session.media.clear(),
        |session| session.media[0].port = 8,
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut other = base();
        assert_eq!(other, base());
        change(&mut other);
        assert_ne!(other, base(), "change {at}");
    }
    let section = || base().media.remove(0);
    let changes: [fn(&mut Media); 9] = [
        |media| media.kind = MediaKind::Video,
        |media| media.port = 8,
        |media| media.port_count = 2,
        |media| media.protocol = "x".into(),
        |media| media.formats.push("0"),
        |media| media.info = Some("x".into()),
        |media| media.connection = Some(Connection::named("x")),
        |media| media.key = Some("x".into()),
        |media| media.attributes.push(Attribute::new("x")),
    ];
    for (at, change) in changes.iter().enumerate() {
        let mut other = section();
        change(&mut other);
        assert_ne!(other, section(), "change {at}");
    }
    let mut other = base();
    other.bandwidths.push(bandwidth());
    assert_ne!(other, base());
    other = base();
    other.media[0].bandwidths.push(bandwidth());
    assert_ne!(other, base());
}
