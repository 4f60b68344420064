//! Sessions of several streams: kinds and protocols chosen between, refused, removed, recycled, held, renumbered.

use offhook_sdp::attribute::{AcceptTypes, Crypto, CryptoSuite, Path, Property, Setup};
use offhook_sdp::offer_answer::{
    AgreedStream, Negotiation, OfferedStream, Preference, StreamChange, add_section, answer_formats,
};
use offhook_sdp::{
    Attribute, Connection, Direction, HoldStyle, Media, MediaKind, Protocol, RtpFormat, SessionDescription,
};

#[test]
fn streams_of_all_kinds_and_protocols_are_agreed_on_in_one_session() {
    let (mut caller, mut callee) = sides();
    let srtp = Attribute::from(&Crypto::new(1, CryptoSuite::AesCm128HmacSha1_80, &[7; 30]));
    let offer = vec![
        audio(5000).with_protocol("RTP/SAVP").with_attribute(srtp),
        audio(5002)
            .with_protocol("UDP/TLS/RTP/SAVPF")
            .with_attribute(Attribute::from(&Setup::ActPass)),
        audio(5004).with_protocol("RTP/AVPF"),
        chat(5006, "TCP/TLS/MSRP"),
        chat(5008, "TCP/MSRP"),
        screen(5010),
        video(5012),
    ];
    exchange(&mut caller, offer.clone(), &mut callee, |stream| {
        Some(Media {
            port: 6000,
            ..stream.media.clone()
        })
    });
    let protocols: Vec<_> = callee.agreed_streams().map(|stream| stream.protocol()).collect();
    assert_eq!(
        protocols,
        [
            Protocol::RtpSavp,
            Protocol::UdpTlsRtpSavpf,
            Protocol::RtpAvpf,
            Protocol::TcpTlsMsrp,
            Protocol::TcpMsrp,
            Protocol::Tcp,
            Protocol::RtpAvp
        ]
    );
    for stream in caller.agreed_streams() {
        assert!(stream.is_active());
        assert_eq!(stream.direction(), Direction::SendRecv);
        assert_eq!(stream.remote_address(), Some("192.0.2.20:6000".parse().unwrap()));
        assert_eq!(*stream.local, offer[stream.index]);
    }
    let video = caller.agreed_streams().last().unwrap().formats();
    assert_eq!((video.len(), &*video[1].remote.encoding), (2, "H261"));
    let chat = &caller.local().unwrap().media[3];
    assert_eq!(chat.attributes.get::<Path>().unwrap().unwrap().words().len(), 1);
}

#[test]
fn an_owner_chooses_among_the_sections_by_their_protocol() {
    // The same stream with SRTP and without, for peers that have none: one of both is taken.
    let (mut caller, mut callee) = sides();
    let offer = vec![audio(5000).with_protocol("RTP/SAVP"), audio(5000)];
    let answer = exchange(&mut caller, offer, &mut callee, |stream| {
        stream
            .media
            .transport()
            .is_srtp()
            .then(|| audio(6000).with_protocol("RTP/SAVP"))
    });
    assert_eq!((answer.media[0].port, answer.media[1].port), (6000, 0));
    let active: Vec<_> = caller.agreed_streams().map(|stream| stream.is_active()).collect();
    assert_eq!(active, [true, false]);
    assert_eq!(
        caller.agreed_streams().nth(1).unwrap().direction(),
        Direction::Inactive
    );
}

#[test]
fn a_removed_streams_place_is_used_again_by_another_kind() {
    let (mut caller, mut callee) = sides();
    exchange(
        &mut caller,
        vec![audio(5000), chat(5002, "TCP/MSRP")],
        &mut callee,
        take,
    );

    let mut sections = caller.sections();
    sections[1] = sections[1].rejection();
    exchange(&mut caller, sections, &mut callee, take);
    assert_eq!(
        changes(&mut caller.clone(), &mut callee),
        [StreamChange::Unchanged, StreamChange::Disabled]
    );

    let mut sections = callee.sections();
    assert_eq!(add_section(&mut sections, video(7000)), 1);
    assert_eq!(add_section(&mut sections, screen(7002)), 2);
    let offer = callee.create_offer(sections).unwrap().clone();
    caller.handle_offer(offer).unwrap();
    let found: Vec<_> = caller.offered_streams().map(|stream| stream.change).collect();
    assert_eq!(
        found,
        [
            StreamChange::Unchanged,
            StreamChange::Recycled,
            StreamChange::Added
        ]
    );
    assert!(found[1].is_new() && !found[0].is_new());
    let answer = caller.answer_with(take).unwrap().clone();
    callee.handle_answer(answer).unwrap();
    let kinds: Vec<_> = callee
        .agreed_streams()
        .map(|stream| stream.local.kind.clone())
        .collect();
    assert_eq!(
        kinds,
        [MediaKind::Audio, MediaKind::Video, MediaKind::Application]
    );
}

#[test]
fn a_stream_refused_by_the_answer_is_offered_as_refused_from_then_on() {
    let (mut caller, mut callee) = sides();
    exchange(
        &mut caller,
        vec![audio(5000), video(5002)],
        &mut callee,
        |stream| (stream.media.kind == MediaKind::Audio).then(|| audio(6000)),
    );
    assert_eq!(caller.sections()[1].to_string(), "m=video 0 RTP/AVP 96 31\r\n");
    let sections = caller.sections();
    let answer = exchange(&mut caller, sections, &mut callee, |stream| {
        assert_eq!(stream.index, 0, "a disabled section needs no decision");
        take(stream)
    });
    assert!(answer.media[1].is_rejected());
}

#[test]
fn hold_works_in_both_styles_and_direction_follows() {
    for style in [HoldStyle::Direction, HoldStyle::ZeroAddress] {
        let (mut caller, mut callee) = sides();
        exchange(&mut caller, vec![audio(5000)], &mut callee, take);
        let held = caller.sections().remove(0).held(style);
        let written = held.to_string();
        let shows = match style {
            HoldStyle::Direction => "a=sendonly\r\n",
            HoldStyle::ZeroAddress => "c=IN IP4 0.0.0.0\r\n",
        };
        assert!(written.contains(shows), "{written}");
        exchange(&mut caller, vec![held], &mut callee, |stream| {
            let direction = stream
                .media
                .direction(stream.offer)
                .answered_with(Direction::SendRecv);
            Some(audio(6000).with_direction(direction))
        });
        let (ours, theirs) = (
            caller.agreed_streams().next().unwrap(),
            callee.agreed_streams().next().unwrap(),
        );
        assert_eq!(ours.direction(), Direction::SendOnly, "{style:?}");
        assert_eq!(theirs.direction(), Direction::RecvOnly, "{style:?}");
        assert!(theirs.is_held_by_peer() && !ours.is_held_by_peer(), "{style:?}");

        exchange(&mut caller, vec![audio(5000)], &mut callee, take);
        assert_eq!(
            callee.agreed_streams().next().unwrap().direction(),
            Direction::SendRecv
        );
    }
    let mut v6 = audio(5000);
    v6.connection = Some(Connection::new("2001:db8::1".parse().unwrap()));
    assert!(
        v6.held(HoldStyle::ZeroAddress)
            .to_string()
            .contains("c=IN IP6 ::\r\n")
    );
    let inactive = audio(5000)
        .with_direction(Direction::RecvOnly)
        .held(HoldStyle::Direction);
    assert_eq!(inactive.attributes.direction(), Some(Direction::Inactive));
}

#[test]
fn a_delayed_offer_is_an_exchange_begun_by_the_called_side() {
    let (mut caller, mut callee) = sides();
    // INVITE without a description; the 2xx offers, the ACK answers.
    let offer = callee
        .create_offer(vec![audio(6000), video(6002)])
        .unwrap()
        .to_string();
    caller.handle_offer(offer.parse().unwrap()).unwrap();
    let answer = caller
        .answer_with(|stream| (stream.index == 0).then(|| audio(5000)))
        .unwrap()
        .to_string();
    callee.handle_answer(answer.parse().unwrap()).unwrap();
    assert_eq!(callee.agreed_streams().filter(AgreedStream::is_active).count(), 1);
    assert_eq!(
        callee.agreed_streams().next().unwrap().remote_address(),
        Some("192.0.2.10:5000".parse().unwrap())
    );
}

#[test]
fn an_answer_of_several_codecs_lets_both_sides_switch_between_them() {
    let (mut caller, mut callee) = sides();
    let codecs = [
        RtpFormat::opus(113),
        RtpFormat::g722(),
        RtpFormat::pcmu(),
        RtpFormat::telephone_event(101, 8000),
    ];
    exchange(
        &mut caller,
        vec![Media::audio(5000, codecs.clone())],
        &mut callee,
        |stream| {
            let pairs = answer_formats(&stream.media.rtp_formats(), &codecs[1..], Preference::Offerer);
            Some(Media::audio(6000, pairs.into_iter().map(|pair| pair.local)))
        },
    );
    for side in [&caller, &callee] {
        let pairs = side.agreed_streams().next().unwrap().formats();
        let names: Vec<_> = pairs.iter().map(|pair| &*pair.local.encoding).collect();
        assert_eq!(names, ["G722", "PCMU", "telephone-event"]);
    }
    assert_eq!(callee.local().unwrap().media[0].codecs(), ["G722", "PCMU"]);
}

#[test]
fn payload_numbers_keep_their_meaning_whoever_offers() {
    let (mut caller, mut callee) = sides();
    let peers = [
        RtpFormat::opus(101),
        RtpFormat::new(96, "telephone-event", 8000, 1),
    ];
    exchange(
        &mut caller,
        vec![Media::audio(5000, peers)],
        &mut callee,
        |stream| {
            let supported = [RtpFormat::opus(113), RtpFormat::telephone_event(101, 8000)];
            let pairs = answer_formats(&stream.media.rtp_formats(), &supported, Preference::Offerer);
            Some(Media::audio(6000, pairs.into_iter().map(|pair| pair.local)))
        },
    );
    // The callee's own numbers would now give 101 another meaning.
    let own = Media::audio(
        6000,
        [RtpFormat::opus(113), RtpFormat::telephone_event(101, 8000)],
    );
    let offer = callee.create_offer(vec![own.held(HoldStyle::Direction)]).unwrap();
    let numbers: Vec<_> = offer.media[0]
        .rtp_formats()
        .iter()
        .map(|format| format.rtpmap().to_string())
        .collect();
    assert_eq!(numbers, ["101 opus/48000/2", "96 telephone-event/8000"]);
    assert_eq!(offer.media[0].rtp_formats()[1].fmtp.as_deref(), Some("0-16"));
}

#[test]
fn payload_numbers_keep_their_meaning_when_a_removal_is_taken_back() {
    let (mut caller, mut callee) = sides();
    let formats = [RtpFormat::opus(113), RtpFormat::telephone_event(101, 8000)];
    exchange(&mut caller, vec![Media::audio(5000, formats)], &mut callee, take);
    let removal = caller.sections().iter().map(Media::rejection).collect();
    caller.create_offer(removal).unwrap();
    caller.rollback().unwrap();
    // The section is in force as before, and so are its numbers.
    let other = Media::audio(5000, [RtpFormat::opus(101), RtpFormat::telephone_event(99, 8000)]);
    let offer = caller.create_offer(vec![other]).unwrap();
    let numbers: Vec<_> = offer.media[0]
        .rtp_formats()
        .iter()
        .map(|format| format.payload_type)
        .collect();
    assert_eq!(numbers, [113, 101]);
}

#[test]
fn parameters_of_formats_are_agreed_on_by_the_rules_of_each() {
    let (mut caller, mut callee) = sides();
    let formats = |mode: &'static str, events: &'static str| {
        let ilbc = RtpFormat::new(97, "iLBC", 8000, 1).with_fmtp(mode);
        let opus = RtpFormat::new(98, "opus", 48_000, 2).with_fmtp("useinbandfec=1;maxplaybackrate=16000");
        vec![
            ilbc,
            opus,
            RtpFormat::new(101, "telephone-event", 8000, 1).with_fmtp(events),
        ]
    };
    let offer = vec![Media::audio(5000, formats("mode=20", "0-15,66"))];
    exchange(&mut caller, offer, &mut callee, |_| {
        Some(Media::audio(6000, formats("mode=30", "0-16")))
    });
    for side in [&caller, &callee] {
        let pairs = side.agreed_streams().next().unwrap().formats();
        assert_eq!(pairs[0].ilbc_mode(), Some(offhook_sdp::IlbcMode::Ms30));
        let opus = pairs[1].remote.opus_parameters().unwrap();
        assert!(opus.in_band_fec && opus.max_playback_rate == 16_000);
        assert_eq!(pairs[2].telephone_events().unwrap().to_string(), "0-15");
    }
}

#[test]
fn a_section_for_its_bundle_only_is_no_removal_and_is_refused_where_there_is_no_bundle() {
    // RFC 9143 §7.2
    let (mut caller, mut callee) = sides();
    let bundled = audio(0).with_attribute(Property::BundleOnly.into());
    assert!(!bundled.is_rejected());
    exchange(&mut caller, vec![audio(5000), bundled], &mut callee, |_| {
        Some(audio(6000))
    });
    assert_eq!(callee.agreed_streams().filter(AgreedStream::is_active).count(), 1);
    assert!(callee.agreed_streams().nth(1).unwrap().local.is_rejected());
}

/// One exchange over text.
fn exchange(
    from: &mut Negotiation,
    offer: Vec<Media>,
    to: &mut Negotiation,
    choose: impl FnMut(OfferedStream<'_>) -> Option<Media>,
) -> SessionDescription {
    let offer = from.create_offer(offer).unwrap().to_string();
    to.handle_offer(offer.parse().unwrap()).unwrap();
    let answer = to.answer_with(choose).unwrap().clone();
    from.handle_answer(answer.to_string().parse().unwrap()).unwrap();
    answer
}

/// What an unchanged offer of one side would do to the streams of the other.
fn changes(from: &mut Negotiation, to: &mut Negotiation) -> Vec<StreamChange> {
    let sections = from.sections();
    to.handle_offer(from.create_offer(sections).unwrap().clone())
        .unwrap();
    let found = to.offered_streams().map(|stream| stream.change).collect();
    to.rollback().unwrap();
    found
}

/// Takes what is offered, at another port.
#[expect(clippy::unnecessary_wraps, reason = "a decision, as `answer_with` asks for")]
fn take(stream: OfferedStream<'_>) -> Option<Media> {
    Some(Media {
        port: 6000 + stream.index as u16 * 2,
        ..stream.media.clone()
    })
}

fn sides() -> (Negotiation, Negotiation) {
    let side = |id, address: [u8; 4]| Negotiation::new(SessionDescription::new(id, address.into()));
    (side(1, [192, 0, 2, 10]), side(2, [192, 0, 2, 20]))
}

fn audio(port: u16) -> Media {
    Media::audio(port, [RtpFormat::pcmu(), RtpFormat::telephone_event(101, 8000)])
}

fn chat(port: u16, protocol: &'static str) -> Media {
    let mut chat = Media::new(MediaKind::Message, port, protocol);
    chat.formats.push("*");
    let path: Path = "msrp://192.0.2.10:2855/s93i9ek2a;tcp".parse().unwrap();
    let types: AcceptTypes = "message/cpim text/*".parse().unwrap();
    chat.with_attribute(Attribute::from(&path))
        .with_attribute(Attribute::from(&types))
}

fn screen(port: u16) -> Media {
    let mut screen = Media::new(MediaKind::Application, port, "TCP");
    screen.formats.push("rfb");
    screen.with_attribute(Attribute::from(&Setup::Active))
}

fn video(port: u16) -> Media {
    let mut video = Media::new(MediaKind::Video, port, "RTP/AVP");
    video.set_rtp_formats([
        RtpFormat::new(96, "VP8", 90_000, 1),
        RtpFormat::static_payload(31).unwrap(),
    ]);
    video
}
