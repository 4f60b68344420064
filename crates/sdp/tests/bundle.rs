//! Sections that share one transport (RFC 9143).

use offhook_sdp::offer_answer::{BundlePolicy, Mismatch, Negotiation, NegotiationError};
use offhook_sdp::{Attribute, Media, MediaKind, RtpFormat, SessionDescription};

fn side(policy: BundlePolicy) -> Negotiation {
    let mut side = Negotiation::new(SessionDescription::new(1, "192.0.2.1".parse().unwrap()));
    side.set_bundle_policy(policy);
    side
}

fn audio(port: u16) -> Media {
    Media::audio(port, [RtpFormat::pcmu()])
}

fn video(port: u16) -> Media {
    let mut media = Media::new(MediaKind::Video, port, "RTP/AVP");
    media.formats.push("31");
    media
}

/// The offer of RFC 9143 §7.2.2, with these last lines of the video section's.
fn offer_of_the_rfc(video: &str) -> SessionDescription {
    let text = "v=0\no=alice 2890844526 2890844526 IN IP6 2001:db8::3\ns=-\nc=IN IP6 2001:db8::3\nt=0 0\n\
                a=group:BUNDLE foo bar\nm=audio 10000 RTP/AVP 0 8\na=mid:foo\na=rtcp-mux\n";
    format!("{text}{video}").replace('\n', "\r\n").parse().unwrap()
}

const VIDEO: &str = "m=video 10002 RTP/AVP 31 32\na=mid:bar\na=rtcp-mux\n";
const BUNDLE_ONLY: &str = "m=video 0 RTP/AVP 31 32\na=mid:bar\na=bundle-only\n";

/// What matters of a description: the group, and port and name of each section.
fn outline(description: &SessionDescription) -> (Option<&str>, Vec<(u16, Option<&str>)>) {
    let sections = description.media.iter();
    (
        description.attributes.value("group"),
        sections
            .map(|media| (media.port, media.attributes.value("mid")))
            .collect(),
    )
}

#[test]
fn the_offer_of_the_rfc_is_answered_over_one_port() {
    for offer in [VIDEO, BUNDLE_ONLY] {
        let mut callee = side(BundlePolicy::Accept);
        callee.handle_offer(offer_of_the_rfc(offer)).unwrap();
        let answer = callee.create_answer(vec![audio(20_000), video(20_002)]).unwrap();
        let wanted = (
            Some("BUNDLE foo bar"),
            vec![(20_000, Some("foo")), (20_000, Some("bar"))],
        );
        assert_eq!(outline(answer), wanted);
        assert!(answer.media.iter().all(|media| media.attributes.rtcp_mux()));
        assert!(!answer.to_string().contains("bundle-only"));
        assert_eq!(callee.bundles()[0].sections(), [0, 1]);
        let to: Vec<_> = callee
            .agreed_streams()
            .map(|stream| stream.remote_address())
            .collect();
        let tagged = Some("[2001:db8::3]:10000".parse().unwrap());
        assert_eq!(to, [tagged, tagged]);
        let over: Vec<_> = callee
            .agreed_streams()
            .map(|stream| stream.transport_section())
            .collect();
        assert_eq!(over, [0, 0]);
    }
}

#[test]
fn who_never_bundles_answers_as_if_nothing_was_said() {
    let mut callee = side(BundlePolicy::Never);
    callee.handle_offer(offer_of_the_rfc(VIDEO)).unwrap();
    let answer = callee.create_answer(vec![audio(20_000), video(20_002)]).unwrap();
    assert_eq!(outline(answer), (None, vec![(20_000, None), (20_002, None)]));
    assert!(callee.bundles().is_empty());
    let to: Vec<_> = callee
        .agreed_streams()
        .filter_map(|stream| stream.remote_address())
        .collect();
    assert_eq!(
        to.iter().map(std::net::SocketAddr::port).collect::<Vec<_>>(),
        [10_000, 10_002]
    );

    let mut callee = side(BundlePolicy::Never);
    callee.handle_offer(offer_of_the_rfc(BUNDLE_ONLY)).unwrap();
    let answer = callee
        .answer_with(|stream| (stream.index == 0).then(|| audio(20_000)).or(Some(video(20_002))))
        .unwrap();
    assert_eq!(outline(answer).1[1].0, 0, "used in the bundle or not at all");
}

#[test]
fn a_refused_section_leaves_the_bundle_and_the_next_carries_it() {
    let mut callee = side(BundlePolicy::Accept);
    callee.handle_offer(offer_of_the_rfc(VIDEO)).unwrap();
    let answer = callee.create_answer(vec![audio(0), video(20_002)]).unwrap();
    let (group, sections) = outline(answer);
    assert_eq!(group, Some("BUNDLE bar"));
    assert_eq!((sections[0].0, sections[1]), (0, (20_002, Some("bar"))));
    let video = callee.agreed_streams().nth(1).unwrap();
    assert_eq!(video.remote_address().unwrap().port(), 10_002);

    // Nothing is left that could carry a section without an address of its own.
    let mut callee = side(BundlePolicy::Accept);
    callee.handle_offer(offer_of_the_rfc(BUNDLE_ONLY)).unwrap();
    let answer = callee.create_answer(vec![audio(0), self::video(20_002)]).unwrap();
    assert_eq!(answer.attributes.value("group"), None);
    assert_eq!((answer.media[0].port, answer.media[1].port), (0, 0));
}

#[test]
fn two_of_us_share_a_port_until_the_section_that_carries_it_ends() {
    let (mut caller, mut callee) = (side(BundlePolicy::Offer), side(BundlePolicy::Accept));
    let message = Media::new(MediaKind::Message, 2855, "TCP/MSRP");
    let mut media = vec![audio(4000), video(4002), message];
    media[2].formats.push("*");
    let offer = caller.create_offer(media.clone()).unwrap().clone();
    let wanted = (
        Some("BUNDLE 0 1"),
        vec![(4000, Some("0")), (4002, Some("1")), (2855, None)],
    );
    assert_eq!(
        outline(&offer),
        wanted,
        "each has its own address until the answer comes"
    );
    callee.handle_offer(offer.to_string().parse().unwrap()).unwrap();
    let mut theirs = vec![audio(5000), video(5002), media[2].clone()];
    let answer = callee.create_answer(theirs.clone()).unwrap().to_string();
    caller.handle_answer(answer.parse().unwrap()).unwrap();
    assert_eq!(caller.bundles(), callee.bundles());
    assert_eq!(caller.bundles()[0].sections(), [0, 1]);

    // A later offer has the shared port in each section, and the audio that is added joins.
    media = caller.sections();
    media.push(audio(4006));
    let offer = caller.create_offer(media).unwrap().clone();
    let ports: Vec<_> = offer.media.iter().map(|media| media.port).collect();
    assert_eq!(ports, [4000, 4000, 2855, 4000]);
    assert_eq!(offer.attributes.value("group"), Some("BUNDLE 0 1 3"));
    callee.handle_offer(offer.to_string().parse().unwrap()).unwrap();

    // The section that carries a bundle in force cannot be refused by itself.
    theirs.push(audio(5006));
    theirs[0].port = 0;
    assert_eq!(
        callee.create_answer(theirs.clone()),
        Err(NegotiationError::OwnAnswer(Mismatch::TagRefused { index: 0 }))
    );
    theirs[0].port = 5000;
    let answer = callee.create_answer(theirs).unwrap().to_string();
    caller.handle_answer(answer.parse().unwrap()).unwrap();

    // It can be ended by an offer: the next carries the rest.
    let mut media = caller.sections();
    media[0].port = 0;
    let offer = caller.create_offer(media).unwrap().clone();
    assert_eq!(offer.attributes.value("group"), Some("BUNDLE 1 3"));
    callee.handle_offer(offer.to_string().parse().unwrap()).unwrap();
    let theirs = callee
        .answer_with(|stream| {
            Some(match stream.index {
                1 => video(5002),
                2 => stream.media.clone(),
                _ => audio(5006),
            })
        })
        .unwrap()
        .to_string();
    caller.handle_answer(theirs.parse().unwrap()).unwrap();
    assert_eq!(caller.bundles()[0].sections(), [1, 3]);
    assert_eq!(caller.bundles(), callee.bundles());
}

#[test]
fn an_answer_that_bundles_what_was_not_offered_is_refused() {
    let mut caller = side(BundlePolicy::Offer);
    let message =
        Media::new(MediaKind::Message, 2855, "TCP/MSRP").with_attribute(Attribute::with_value("mid", "m"));
    let mut media = vec![audio(4000), video(4002), message];
    media[2].formats.push("*");
    let offer = caller.create_offer(media).unwrap().clone();
    let mut answer = offer.clone();
    answer
        .attributes
        .set(Attribute::with_value("group", "BUNDLE 0 m"));
    assert_eq!(
        caller.handle_answer(answer.clone()),
        Err(NegotiationError::PeerAnswer(Mismatch::NotBundled { index: 2 }))
    );
    answer.attributes.remove("group");
    caller.handle_answer(answer).unwrap();
    assert!(caller.bundles().is_empty(), "each has its own transport, then");
}

/// RFC 9143 §7.4.1: peers of RFC 8843 leave the port of all but the tagged section at zero.
#[test]
fn an_answer_of_the_older_standard_is_understood() {
    let mut caller = side(BundlePolicy::Offer);
    let offer = caller
        .create_offer(vec![audio(4000), video(4002)])
        .unwrap()
        .clone();
    let mut answer = offer;
    answer.media[1].port = 0;
    answer.media[1].attributes.push(Attribute::new("bundle-only"));
    caller.handle_answer(answer).unwrap();
    assert_eq!(caller.bundles()[0].sections(), [0, 1]);
    let video = caller.agreed_streams().nth(1).unwrap();
    assert!(video.is_active());
    assert_eq!(video.remote_address().unwrap().port(), 4000);
}

#[test]
fn names_that_nobody_has_and_sections_in_two_bundles_are_passed_over() {
    let mut callee = side(BundlePolicy::Accept);
    let mut offer = offer_of_the_rfc(VIDEO);
    offer
        .attributes
        .set(Attribute::with_value("group", "BUNDLE nobody foo foo bar"));
    offer
        .attributes
        .push(Attribute::with_value("group", "BUNDLE bar foo"));
    offer
        .attributes
        .push(Attribute::with_value("group", "LS foo bar"));
    callee.handle_offer(offer).unwrap();
    let answer = callee.create_answer(vec![audio(20_000), video(20_002)]).unwrap();
    let groups: Vec<_> = answer.attributes.values("group").collect();
    assert_eq!(groups, ["BUNDLE foo bar"]);
}
