//! Properties: what is written is read back, and no bytes make the parser fail otherwise than by an error.

use offhook_sdp::{
    Attribute, Bandwidth, Connection, Media, ParseOptions, Repeat, SessionDescription, Timing, ZoneAdjustment,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;

proptest! {
    #[test]
    fn a_description_survives_writing_and_strict_reading(session in session()) {
        let text = session.to_string();
        let read = SessionDescription::parse_with(text.as_bytes(), &ParseOptions::strict());
        prop_assert_eq!(read, Ok(session), "{}", text);
    }

    #[test]
    fn any_lines_are_read_to_a_fixed_point_or_refused(lines in vec("[vosiuepcbtrzkam]=[ -~]{0,30}", 0..20)) {
        let text = format!("v=0\no=- 1 1 IN IP4 h\n{}", lines.join("\n"));
        fixed_point(text.as_bytes())?;
    }

    #[test]
    fn damaged_offers_are_read_to_a_fixed_point_or_refused(at in 0usize..1534, with: u8, cut in 0usize..1534) {
        let mut bytes = include_bytes!("data/c-ice-msrp.sdp").to_vec();
        bytes[at] = with;
        bytes.truncate(cut.max(200));
        fixed_point(&bytes)?;
    }
}

#[test]
fn attributes_keep_their_order_whatever_stands_between_them_and_ends_them() {
    let text = "v=0\r\no=- 1 1 IN IP4 h\r\na=0\r\na=1:x\ns=-\r\na=2\nt=0 0\na=3:\r\n\
                m=audio 9 RTP/AVP  0  8 \r\na=4\r\nb=AS:64\r\na=5:a:b\na=6\r\n\na=7\r\nm=text 0 x\r\na=8\r";
    let session = SessionDescription::parse(text.as_bytes()).unwrap();
    assert_eq!(
        session.to_string(),
        "v=0\r\no=- 1 1 IN IP4 h\r\ns=-\r\nt=0 0\r\na=0\r\na=1:x\r\na=2\r\na=3:\r\n\
         m=audio 9 RTP/AVP 0 8\r\nb=AS:64\r\na=4\r\na=5:a:b\r\na=6\r\na=7\r\nm=text 0 x\r\na=8\r\n"
    );
    assert_eq!(session.media[0].attributes.len(), 4);
}

fn fixed_point(bytes: &[u8]) -> Result<(), TestCaseError> {
    if let Ok(session) = SessionDescription::parse(bytes) {
        let again = SessionDescription::parse(session.to_string().as_bytes());
        prop_assert_eq!(again, Ok(session));
    }
    Ok(())
}

fn session() -> impl Strategy<Value = SessionDescription> {
    let lines = (
        "[!-~]{1,30}( [!-~]{1,9})?",
        of(information()),
        of(value()),
        vec(value(), 0..3),
        vec(value(), 0..3),
        of(value()),
    );
    let times = (timing(), vec(timing(), 0..2), vec(zone(), 0..3));
    let common = (connection(), vec(bandwidth(), 0..3), vec(attribute(), 0..9));
    (
        any::<u64>(),
        any::<u64>(),
        token(),
        lines,
        times,
        common,
        vec(media(), 0..4),
    )
        .prop_map(
            |(id, version, username, lines, times, (connection, bandwidths, attributes), media)| {
                let mut session = SessionDescription::new(id, [192, 0, 2, 1].into());
                session.origin.session_version = version;
                session.origin.username = username.into();
                session.name = lines.0.into();
                session.info = lines.1.map(Into::into);
                session.uri = lines.2.map(Into::into);
                session.emails = lines.3.into_iter().map(Into::into).collect();
                session.phones = lines.4.into_iter().map(Into::into).collect();
                session.key = lines.5.map(Into::into);
                (session.timing, session.more_timings, session.zones) = times;
                session.connection = Some(connection);
                session.bandwidths = bandwidths;
                session.attributes = attributes.into_iter().collect();
                session.with_media(media)
            },
        )
}

fn media() -> impl Strategy<Value = Media> {
    let common = (of(connection()), vec(bandwidth(), 0..3), vec(attribute(), 0..12));
    let formats = vec(token(), 1..9);
    (
        token(),
        any::<u16>(),
        1u16..9,
        token(),
        formats,
        of(information()),
        common,
    )
        .prop_map(
            |(kind, port, count, protocol, formats, info, (connection, bandwidths, attributes))| {
                let mut media = Media::new(kind.as_str().into(), port, protocol);
                media.port_count = count;
                media.formats = formats.into_iter().collect();
                media.info = info.map(Into::into);
                media.connection = connection;
                media.bandwidths = bandwidths;
                media.attributes = attributes.into_iter().collect();
                media
            },
        )
}

fn attribute() -> impl Strategy<Value = Attribute> {
    ("[a-z0-9-]{1,40}", of(value())).prop_map(|(name, value)| match value {
        Some(value) => Attribute::with_value(name, value),
        None => Attribute::new(name),
    })
}

fn connection() -> impl Strategy<Value = Connection> {
    (token(), token()).prop_map(|(address_type, address)| Connection {
        net_type: "IN".into(),
        address_type: address_type.into(),
        address: address.into(),
    })
}

fn bandwidth() -> impl Strategy<Value = Bandwidth> {
    ("[A-Z]{1,5}", any::<u64>()).prop_map(|(kind, value)| {
        let kind = kind.into();
        Bandwidth { kind, value }
    })
}

fn timing() -> impl Strategy<Value = Timing> {
    let repeat = (any::<i64>(), any::<i64>(), vec(any::<i64>(), 0..3));
    let repeat = repeat.prop_map(|(interval, duration, offsets)| Repeat {
        interval,
        duration,
        offsets,
    });
    (any::<u64>(), any::<u64>(), vec(repeat, 0..2)).prop_map(|(start, stop, repeats)| Timing {
        start,
        stop,
        repeats,
    })
}

fn zone() -> impl Strategy<Value = ZoneAdjustment> {
    (any::<u64>(), any::<i64>()).prop_map(|(time, offset)| ZoneAdjustment { time, offset })
}

fn token() -> impl Strategy<Value = String> {
    "[!#-.0-9A-Z^-~]{1,30}"
}

/// An empty one is none.
fn information() -> impl Strategy<Value = String> {
    "[ -~\u{e4}]{1,60}"
}

fn value() -> impl Strategy<Value = String> {
    "[ -~\u{e4}\u{20ac}]{0,60}"
}
