//! The offer/answer machine: all states against all events, versions, and what does not fit.

use offhook_sdp::offer_answer::{Mismatch, Negotiation, NegotiationError, NegotiationState, RemoteChange};
use offhook_sdp::{Connection, Direction, Media, MediaKind, RtpFormat, SessionDescription};

#[test]
fn every_event_in_every_state_does_what_the_diagram_says() {
    use NegotiationState::{Idle, OfferReceived, OfferSent, Stable};
    let events = [
        "create_offer",
        "handle_answer",
        "handle_offer",
        "create_answer",
        "rollback",
    ];
    let table = [
        (Idle, [Some(OfferSent), None, Some(OfferReceived), None, None]),
        (OfferSent, [None, Some(Stable), None, None, Some(Idle)]),
        (OfferReceived, [None, None, None, Some(Stable), Some(Idle)]),
        (Stable, [Some(OfferSent), None, Some(OfferReceived), None, None]),
    ];
    for (state, row) in table {
        for (event, expected) in events.into_iter().zip(row) {
            let mut negotiation = in_state(state);
            let result = apply(&mut negotiation, event);
            if let Some(next) = expected {
                assert_eq!(result, Ok(()), "{event} in {state}");
                assert_eq!(negotiation.state(), next, "{event} in {state}");
            } else {
                assert_eq!(result, Err(NegotiationError::WrongState { state, event }));
                assert_eq!(negotiation.state(), state, "{event} in {state}");
            }
        }
    }
}

#[test]
fn the_version_grows_by_one_with_each_change_and_only_then() {
    let mut caller = side(10);
    let first = caller.create_offer(vec![audio(50_000)]).unwrap().clone();
    assert_eq!(first.origin.session_version, 10);
    caller.handle_answer(peer(vec![audio(6000)])).unwrap();

    let same = caller.create_offer(vec![audio(50_000)]).unwrap().clone();
    assert_eq!(same, first);
    caller.handle_answer(peer(vec![audio(6000)])).unwrap();

    let hold = audio(50_000).with_direction(Direction::SendOnly);
    assert_eq!(
        caller.create_offer(vec![hold]).unwrap().origin.session_version,
        11
    );
    caller.rollback().unwrap();
    assert_eq!(caller.local(), Some(&first), "what was in force stays");

    // RFC 3264 §8 counts from the description written last, refused or not.
    let again = caller.create_offer(vec![audio(50_000)]).unwrap();
    assert_eq!(again.origin.session_version, 12);
    caller.handle_answer(peer(vec![audio(6000)])).unwrap();

    caller.template_mut().connection = Some(Connection::new([192, 0, 2, 77].into()));
    assert_eq!(
        caller
            .create_offer(vec![audio(50_000)])
            .unwrap()
            .origin
            .session_version,
        13
    );
}

#[test]
fn an_answer_is_numbered_like_an_offer() {
    let mut callee = side(1);
    callee.handle_offer(peer(vec![audio(6000)])).unwrap();
    assert_eq!(
        callee
            .create_answer(vec![audio(5000)])
            .unwrap()
            .origin
            .session_version,
        1
    );
    callee.handle_offer(peer(vec![audio(6002)])).unwrap();
    assert_eq!(
        callee
            .create_answer(vec![audio(5000)])
            .unwrap()
            .origin
            .session_version,
        1
    );
    let offer = callee.create_offer(vec![audio(5000), audio(5002)]).unwrap();
    assert_eq!(offer.origin.session_version, 2);
}

#[test]
fn a_refresh_is_told_from_a_change_by_content_not_by_version() {
    let mut callee = side(1);
    let mut offer = peer(vec![audio(6000)]);
    let mut exchange = |offer: &SessionDescription| {
        let change = callee.handle_offer(offer.clone()).unwrap();
        callee.create_answer(vec![audio(5000)]).unwrap();
        change
    };
    assert_eq!(exchange(&offer), RemoteChange::New);
    assert_eq!(exchange(&offer), RemoteChange::Unchanged);
    offer.origin.session_version += 1;
    assert_eq!(exchange(&offer), RemoteChange::Unchanged);
    offer.media[0].port = 7000;
    assert_eq!(exchange(&offer), RemoteChange::Changed);
    offer.origin.session_id += 1;
    assert_eq!(exchange(&offer), RemoteChange::New);
}

#[test]
fn answers_that_do_not_fit_are_refused_and_leave_the_state() {
    let video = Media::new(MediaKind::Video, 9, "RTP/AVP");
    let removed = audio(0);
    for (offer, answer, mismatch) in [
        (
            vec![audio(1)],
            vec![],
            Mismatch::MediaCount {
                expected: 1,
                actual: 0,
            },
        ),
        (
            vec![audio(1)],
            vec![video],
            Mismatch::Kind {
                index: 0,
                expected: MediaKind::Audio,
                actual: MediaKind::Video,
            },
        ),
        (
            vec![audio(1)],
            vec![audio(2).with_protocol("RTP/SAVP")],
            Mismatch::Protocol {
                index: 0,
                expected: "RTP/AVP".into(),
                actual: "RTP/SAVP".into(),
            },
        ),
        (
            vec![audio(1), removed],
            vec![audio(2), audio(4)],
            Mismatch::AcceptedRemoved { index: 1 },
        ),
        (
            vec![audio(1)],
            vec![Media::audio(2, [])],
            Mismatch::NoFormat { index: 0 },
        ),
    ] {
        let mut caller = side(1);
        caller.create_offer(offer.clone()).unwrap();
        assert_eq!(
            caller.handle_answer(peer(answer.clone())),
            Err(NegotiationError::PeerAnswer(mismatch.clone()))
        );
        assert_eq!(caller.state(), NegotiationState::OfferSent);

        let mut callee = side(1);
        callee.handle_offer(peer(offer)).unwrap();
        assert_eq!(
            callee.create_answer(answer).map(drop),
            Err(NegotiationError::OwnAnswer(mismatch))
        );
        assert_eq!(callee.state(), NegotiationState::OfferReceived);
    }
}

#[test]
fn sections_are_never_taken_out_of_an_offer() {
    let gone = Mismatch::MediaRemoved { before: 1, actual: 0 };
    let mut both = in_state(NegotiationState::Stable);
    assert_eq!(
        both.create_offer(vec![]).map(drop),
        Err(NegotiationError::OwnOffer(gone.clone()))
    );
    assert_eq!(
        both.handle_offer(peer(vec![])),
        Err(NegotiationError::PeerOffer(gone))
    );
    assert_eq!(both.state(), NegotiationState::Stable);
}

#[test]
fn a_rejection_keeps_kind_protocol_and_formats() {
    let offered = audio(6000).with_direction(Direction::SendOnly);
    assert_eq!(offered.rejection().to_string(), "m=audio 0 RTP/AVP 0\r\n");
    let mut callee = side(1);
    callee.handle_offer(peer(vec![offered.clone()])).unwrap();
    callee.create_answer(vec![offered.rejection()]).unwrap();
}

fn apply(negotiation: &mut Negotiation, event: &str) -> Result<(), NegotiationError> {
    match event {
        "create_offer" => negotiation.create_offer(vec![audio(5000)]).map(drop),
        "handle_answer" => negotiation.handle_answer(peer(vec![audio(6000)])),
        "handle_offer" => negotiation.handle_offer(peer(vec![audio(6000)])).map(drop),
        "create_answer" => negotiation.create_answer(vec![audio(5000)]).map(drop),
        "rollback" => negotiation.rollback(),
        unknown => panic!("no event {unknown}"),
    }
}

fn in_state(state: NegotiationState) -> Negotiation {
    let mut negotiation = side(1);
    let events: &[&str] = match state {
        NegotiationState::Idle => &[],
        NegotiationState::OfferSent => &["create_offer"],
        NegotiationState::OfferReceived => &["handle_offer"],
        NegotiationState::Stable => &["create_offer", "handle_answer"],
    };
    for event in events {
        apply(&mut negotiation, event).unwrap();
    }
    assert_eq!(negotiation.state(), state);
    negotiation
}

fn side(session_id: u64) -> Negotiation {
    Negotiation::new(SessionDescription::new(session_id, [192, 0, 2, 10].into()))
}

fn peer(media: Vec<Media>) -> SessionDescription {
    SessionDescription::new(900, [192, 0, 2, 20].into()).with_media(media)
}

fn audio(port: u16) -> Media {
    Media::audio(port, [RtpFormat::pcmu()])
}
