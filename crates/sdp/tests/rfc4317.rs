//! The audio examples of RFC 4317, played between two [`Negotiation`]s. Video is refused, as an audio phone does.

use offhook_sdp::offer_answer::{Negotiation, Preference, answer_formats, match_answer};
use offhook_sdp::{Direction, Media, MediaKind, RtpFormat, SessionDescription};

const ALICE: &str = "v=0\r\no=alice 2890844526 2890844526 IN IP4 host.atlanta.example.com\r\ns= \r\n\
                     c=IN IP4 host.atlanta.example.com\r\nt=0 0\r\n";
const BOB: &str = "v=0\r\no=bob 2808844564 2808844564 IN IP4 host.biloxi.example.com\r\ns= \r\n\
                   c=IN IP4 host.biloxi.example.com\r\nt=0 0\r\n";

#[test]
fn section_2_2_two_of_three_codecs_are_accepted_and_then_narrowed_to_one() {
    let (mut alice, mut bob) = (side(ALICE), side(BOB));
    let video = "m=video 51372 RTP/AVP 31 32\r\na=rtpmap:31 H261/90000\r\na=rtpmap:32 MPV/90000\r\n";
    let offer = format!(
        "m=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
         a=rtpmap:97 iLBC/8000\r\n{video}"
    );
    let answer = exchange(&mut alice, &offer, &mut bob, |offer| {
        answer_audio(offer, &[49_172], &[RtpFormat::pcmu(), RtpFormat::pcma()])
    });
    assert_eq!(
        answer,
        format!(
            "{BOB}m=audio 49172 RTP/AVP 0 8\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n\
             m=video 0 RTP/AVP 31 32\r\n"
        )
    );
    let offer = "m=audio 51372 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 31\r\n";
    let answer = exchange(&mut alice, offer, &mut bob, |offer| {
        answer_audio(offer, &[49_172], &[RtpFormat::pcmu(), RtpFormat::pcma()])
    });
    assert_eq!(alice.local().unwrap().origin.session_version, 2_890_844_527);
    assert!(answer.contains("o=bob 2808844564 2808844565 "), "{answer}");
    assert!(
        answer.ends_with("m=audio 49172 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\nm=video 0 RTP/AVP 31\r\n"),
        "{answer}"
    );
}

#[test]
fn section_2_3_the_answer_gives_the_codec_another_number() {
    let offered = parse_media("m=audio 49170 RTP/AVP 0 8 97\r\na=rtpmap:97 iLBC/8000\r\n");
    let answered = parse_media("m=audio 49172 RTP/AVP 99\r\na=rtpmap:99 iLBC/8000\r\n");
    let pairs = match_answer(&offered[0].rtp_formats(), &answered[0].rtp_formats());
    assert_eq!(
        (pairs[0].local.payload_type, pairs[0].remote.payload_type),
        (97, 99)
    );
}

#[test]
fn section_2_4_a_stream_of_telephone_events_is_answered_in_the_other_direction() {
    let (mut alice, mut bob) = (side(ALICE), side(BOB));
    let offer = "m=audio 49170 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 iLBC/8000\r\n\
                 m=audio 49172 RTP/AVP 98\r\na=rtpmap:98 telephone-event/8000\r\na=sendonly\r\n";
    let answer = exchange(&mut alice, offer, &mut bob, |offer| {
        let ilbc = RtpFormat::new(0, "iLBC", 8000, 1);
        let mut events = RtpFormat::telephone_event(0, 8000);
        events.fmtp = None;
        answer_audio(offer, &[49_172, 49_174], &[ilbc, events])
    });
    assert_eq!(
        answer,
        format!(
            "{BOB}m=audio 49172 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n\
             m=audio 49174 RTP/AVP 98\r\na=rtpmap:98 telephone-event/8000\r\na=recvonly\r\n"
        )
    );
}

#[test]
fn section_2_5_an_unchanged_answer_keeps_its_version() {
    let (mut alice, mut bob) = (side(ALICE), side(BOB));
    let ilbc = [RtpFormat::new(97, "iLBC", 8000, 1)];
    let offer = "m=audio 49170 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n";
    exchange(&mut alice, offer, &mut bob, |offer| {
        answer_audio(offer, &[49_174], &ilbc)
    });
    let address = "newhost.biloxi.example.com";
    bob.template_mut().connection.as_mut().unwrap().address = address.into();
    let offer = "m=audio 49178 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\n";
    let answer = exchange(&mut bob, offer, &mut alice, |offer| {
        answer_audio(offer, &[49_170], &ilbc)
    });
    assert_eq!(bob.local().unwrap().origin.session_version, 2_808_844_565);
    assert!(answer.contains("o=alice 2890844526 2890844526 "), "{answer}");
    let remote = alice.remote().unwrap();
    assert_eq!(remote.media[0].connection_in(remote).unwrap().address, address);
}

#[test]
fn section_2_6_the_first_of_two_streams_is_declined() {
    let (mut alice, mut bob) = (side(ALICE), side(BOB));
    let offer = "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n\
                 m=audio 51372 RTP/AVP 97 101\r\na=rtpmap:97 iLBC/8000\r\na=rtpmap:101 telephone-event/8000\r\n";
    let answer = exchange(&mut alice, offer, &mut bob, |offer| {
        let supported = [
            RtpFormat::new(0, "iLBC", 8000, 1),
            RtpFormat::telephone_event(0, 8000),
        ];
        answer_audio(offer, &[0, 49_170], &supported)
    });
    assert!(answer.contains("m=audio 0 RTP/AVP 0\r\nm=audio 49170 RTP/AVP 97 101\r\n"));
}

#[test]
fn section_3_1_hold_and_unhold_are_new_versions_of_both_sides() {
    let (mut alice, mut bob) = (side(ALICE), side(BOB));
    let codecs = [RtpFormat::pcmu(), RtpFormat::new(97, "iLBC", 8000, 1)];
    let active = "m=audio 49170 RTP/AVP 0 97\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:97 iLBC/8000\r\n";
    let held = "m=audio 49170 RTP/AVP 97\r\na=rtpmap:97 iLBC/8000\r\na=sendonly\r\n";
    let mut versions = Vec::new();
    for (offer, direction) in [
        (active, Direction::SendRecv),
        (held, Direction::RecvOnly),
        (active, Direction::SendRecv),
    ] {
        exchange(&mut alice, offer, &mut bob, |offer| {
            answer_audio(offer, &[49_172], &codecs)
        });
        let (local, remote) = (bob.local().unwrap(), alice.local().unwrap());
        assert_eq!(local.media[0].direction(local), direction);
        versions.push((remote.origin.session_version, local.origin.session_version));
    }
    assert_eq!(
        versions,
        [
            (2_890_844_526, 2_808_844_564),
            (2_890_844_527, 2_808_844_565),
            (2_890_844_528, 2_808_844_566)
        ]
    );
}

#[test]
fn section_4_1_a_second_stream_is_added_behind_the_first() {
    let (mut alice, mut bob) = (side(ALICE), side(BOB));
    let first = "m=audio 49170 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n";
    let codecs = [RtpFormat::pcmu(), RtpFormat::telephone_event(0, 8000)];
    exchange(&mut alice, first, &mut bob, |offer| {
        answer_audio(offer, &[49_172], &codecs)
    });
    let both =
        format!("{first}m=audio 49172 RTP/AVP 98\r\na=rtpmap:98 telephone-event/8000\r\na=sendonly\r\n");
    exchange(&mut alice, &both, &mut bob, |offer| {
        answer_audio(offer, &[49_172, 49_174], &codecs)
    });
    assert_eq!(bob.local().unwrap().media.len(), 2);
    assert_eq!(bob.local().unwrap().origin.session_version, 2_808_844_565);
}

/// Bob answers each audio section with what he supports at the given port (0 declines), and refuses the rest.
fn answer_audio(offer: &SessionDescription, ports: &[u16], supported: &[RtpFormat]) -> Vec<Media> {
    let mut ports = ports.iter().copied();
    let answer = |offered: &Media| {
        if offered.kind != MediaKind::Audio || offered.is_rejected() {
            return offered.rejection();
        }
        let shared = answer_formats(&offered.rtp_formats(), supported, Preference::Offerer);
        let port = ports.next().unwrap();
        if shared.is_empty() || port == 0 {
            return offered.rejection();
        }
        let answer = Media::audio(port, shared.into_iter().map(|pair| pair.local));
        match offered.direction(offer).answered_with(Direction::SendRecv) {
            Direction::SendRecv => answer,
            other => answer.with_direction(other),
        }
    };
    offer.media.iter().map(answer).collect()
}

/// One exchange over text; returns the answer's text.
fn exchange(
    from: &mut Negotiation,
    offer: &str,
    to: &mut Negotiation,
    answer: impl FnOnce(&SessionDescription) -> Vec<Media>,
) -> String {
    let offer = from.create_offer(parse_media(offer)).unwrap().to_string();
    to.handle_offer(offer.parse().unwrap()).unwrap();
    let media = answer(to.offer().unwrap());
    let answer = to.create_answer(media).unwrap().to_string();
    from.handle_answer(answer.parse().unwrap()).unwrap();
    answer
}

fn side(head: &str) -> Negotiation {
    Negotiation::new(head.parse().unwrap())
}

fn parse_media(text: &str) -> Vec<Media> {
    format!("{ALICE}{text}")
        .parse::<SessionDescription>()
        .unwrap()
        .media
}
