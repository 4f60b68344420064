//! What an audio stream answers to what peers offer, and what becomes of it later (RFC 3264).

mod script;

use offhook_audio_mixer::NullDevice;
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{Direction, SilenceDetection};
use offhook_session::media::{Attachment, MediaEvent};
use offhook_session::{AudioStream, Originator, SessionEvent, SessionState};
use script::{Script, sdp, version};
use std::net::SocketAddr;
use std::time::Duration;

const PCMU: &str = "m=audio 5004 RTP/AVP 0";

/// Accepts an offer with all codecs; gives the lines of the answer's media.
#[track_caller]
fn answer_to(offer: &str) -> String {
    script::answer_with(AudioStream::offer(), offer)
}

/// RFC 3611 §5.2: we ask for metrics, and send them where we are asked.
#[test]
fn metrics_of_the_call_are_sent_where_they_are_wished_for() {
    for (wish, wanted) in [
        ("", false),
        ("\na=rtcp-xr:", false),
        ("\na=rtcp-xr:rcvr-rtt=all voip-metrics", true),
    ] {
        let mut script = Script::new();
        script.accepted(&sdp(&format!("{PCMU}{wish}")), AudioStream::offer());
        assert_eq!(script.config().voip_metrics, wanted, "{wish}");
        assert!(script.last_response().1.contains("a=rtcp-xr:voip-metrics\r\n"));
    }
}

/// RFC 3389 §5: comfort noise stands beside a codec of its rate.
#[test]
fn comfort_noise_is_taken_beside_a_codec_of_8000_hertz() {
    let answer = answer_to("m=audio 5004 RTP/AVP 0 13");
    assert!(answer.starts_with("m=audio 40000 RTP/AVP 0 13\n"), "{answer}");
    let answer = answer_to("m=audio 5004 RTP/AVP 9 0 13");
    assert!(answer.starts_with("m=audio 40000 RTP/AVP 9\n"), "{answer}");
}

#[test]
fn comfort_noise_is_offered_with_silence_detection_and_sent_if_it_is_taken() {
    let offer_of =
        |script: &Script| String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned();
    let mut script = Script::new();
    script.call(AudioStream::offer());
    assert!(!offer_of(&script).contains("CN/8000"));
    for (answer, number) in [("m=audio 5004 RTP/AVP 0 13", Some(13)), (PCMU, None)] {
        let mut script = Script::new();
        let stream = AudioStream::offer().with_silence_detection(SilenceDetection::default());
        script.call(stream);
        assert!(offer_of(&script).contains("a=rtpmap:13 CN/8000"));
        script.respond("INVITE", 200, Some(&sdp(answer)));
        let config = script.config();
        assert_eq!(config.comfort_noise_payload_type, number);
        assert_eq!(config.silence_detection, Some(SilenceDetection::default()));
    }
}

#[test]
fn directions_are_answered_from_the_other_side() {
    for (offered, answered) in [
        ("sendrecv", None),
        ("sendonly", Some("recvonly")),
        ("recvonly", Some("sendonly")),
        ("inactive", Some("inactive")),
    ] {
        let answer = answer_to(&format!("{PCMU}\na={offered}"));
        let line = answer
            .lines()
            .find(|line| ["a=sendonly", "a=recvonly", "a=inactive"].contains(line));
        assert_eq!(line.map(|line| &line[2..]), answered, "{offered}:\n{answer}");
    }
}

#[test]
fn sections_that_nobody_takes_are_refused_by_port_0_in_their_place() {
    let answer = answer_to("m=video 6000 RTP/AVP 34\nm=audio 5004 RTP/AVP 0\nm=audio 5008 RTP/AVP 8");
    let sections: Vec<_> = answer.lines().filter(|line| line.starts_with("m=")).collect();
    assert_eq!(
        sections,
        [
            "m=video 0 RTP/AVP 34",
            "m=audio 40000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 8"
        ]
    );
}

#[test]
fn reports_beside_the_media_or_elsewhere() {
    let mut script = Script::new();
    script.accepted(&sdp("m=audio 5004 RTP/AVP 0\na=rtcp-mux"), AudioStream::offer());
    assert!(
        script
            .sent
            .iter()
            .filter_map(|message| message.as_response())
            .any(|response| { String::from_utf8_lossy(response.body()).contains("a=rtcp-mux\r\n") })
    );
    assert!(script.config().rtcp_mux);
    let mut script = Script::new();
    script.accepted(
        &sdp("m=audio 5004 RTP/AVP 0\na=rtcp:6001 IN IP4 10.0.0.3"),
        AudioStream::offer(),
    );
    let config = script.config();
    assert_eq!(config.remote_rtcp, "10.0.0.3:6001".parse::<SocketAddr>().unwrap());
    assert_eq!(config.remote_rtp, "10.0.0.2:5004".parse::<SocketAddr>().unwrap());
    assert!(!config.rtcp_mux);
}

#[test]
fn offers_without_anything_for_us_are_refused_by_488_and_leave_nothing() {
    for offer in [
        sdp("m=audio 5004 RTP/SAVP 0"),
        sdp("m=video 6000 RTP/AVP 34"),
        sdp("m=audio 5004 RTP/AVP 18"),
        sdp("m=audio 0 RTP/AVP 0"),
        sdp("a=no-media:at-all"),
    ] {
        let mut script = Script::new();
        let id = script.invite(Some(&offer));
        script.accept(id, AudioStream::offer()).expect_err(&offer);
        assert_eq!(script.last_response().0, 488, "{offer}");
        assert!(
            matches!(script.last_event(), SessionEvent::DidFail { code: 488, .. }),
            "{offer}"
        );
        script.ack(None);
        script.run_for(Duration::from_secs(64));
        assert!(script.manager.is_idle());
        let (opened, stopped) = (1, script.media().iter().filter(|name| *name == "Stop").count());
        assert_eq!(opened, stopped, "{offer}: ports are given back");
    }
}

#[test]
fn an_unreadable_offer_is_refused_before_anybody_is_told() {
    let mut script = Script::new();
    script.request("INVITE", Some("v=0\r\nthis is no description"));
    assert_eq!(script.last_response().0, 488);
    assert!(script.events.is_empty());
}

#[test]
fn an_invite_without_offer_gets_ours_and_brings_the_answer_in_its_ack() {
    let mut script = Script::new();
    let id = script.invite(None);
    script
        .accept(
            id,
            AudioStream::offer().with_codecs(&[AudioCodec::Pcma, AudioCodec::Pcmu]),
        )
        .unwrap();
    let (code, offer) = script.last_response();
    assert_eq!(code, 200);
    assert!(offer.contains("m=audio 40000 RTP/AVP 8 0 101\r\n"), "{offer}");
    assert_eq!(script.media(), [""; 0], "nothing runs before both have agreed");
    script.ack(Some(&sdp(PCMU)));
    assert!(matches!(script.last_event(), SessionEvent::DidStart { .. }));
    assert_eq!(script.config().codec, AudioCodec::Pcmu);
}

#[test]
fn an_ack_without_the_answer_that_it_owes_ends_the_call() {
    for answer in [None, Some("no description"), Some("v=0\r\n")] {
        let mut script = Script::new();
        let id = script.invite(None);
        script.accept(id, AudioStream::offer()).unwrap();
        script.ack(answer);
        assert_eq!(script.count("BYE"), 1, "{answer:?}");
        script.respond("BYE", 200, None);
        assert!(
            matches!(script.last_event(), SessionEvent::DidFail { .. }),
            "{:?}",
            script.last_event()
        );
        assert_eq!(script.manager.sessions().count(), 0);
    }
}

#[test]
fn a_200_without_a_usable_answer_ends_the_call() {
    let refused = sdp("m=audio 0 RTP/AVP 0");
    for answer in [None, Some("no description"), Some(&*refused)] {
        let mut script = Script::new();
        script.call(AudioStream::offer());
        script.respond("INVITE", 200, answer);
        assert_eq!((script.count("ACK"), script.count("BYE")), (1, 1), "{answer:?}");
        script.respond("BYE", 200, None);
        assert!(matches!(
            script.last_event(),
            SessionEvent::DidFail {
                originator: Originator::Local,
                ..
            }
        ));
        assert_eq!(script.media().last().map(String::as_str), Some("Stop"));
        assert_eq!(script.manager.sessions().count(), 0);
    }
}

#[test]
fn an_answer_in_a_183_counts_when_the_200_has_none() {
    let mut script = Script::new();
    let id = script.call(AudioStream::offer());
    script.respond("INVITE", 183, Some(&sdp(PCMU)));
    assert!(matches!(
        script.last_event(),
        SessionEvent::GotProvisionalResponse { .. }
    ));
    script.respond("INVITE", 200, None);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(script.config().codec, AudioCodec::Pcmu);
}

#[test]
fn what_comes_before_the_answer_is_heard_and_nothing_is_sent() {
    let mut script = Script::new();
    let stream = AudioStream::offer()
        .with_voice_device()
        .with_port(Attachment::Talks, NullDevice::new(8_000))
        .with_port(Attachment::Listens, NullDevice::new(8_000));
    let id = script.call(stream);
    script.respond("INVITE", 183, Some(&sdp(PCMU)));
    assert_eq!(script.media(), ["StartAudio", "Voice", "Attach"]);
    assert_eq!(script.config().direction, Direction::RecvOnly);
    assert_eq!(script.state(id), Some(SessionState::Connecting));
    // Another branch, elsewhere.
    script.respond("INVITE", 183, Some(&sdp("m=audio 7000 RTP/AVP 8")));
    assert_eq!(script.config().codec, AudioCodec::Pcma);
    assert_eq!(script.config().remote_rtp.port(), 7000);
    assert_eq!(script.media().iter().filter(|name| *name == "Attach").count(), 1);
    // A silence is no fault of the stream yet.
    let events = script.events.len();
    script.media_told(|stream| MediaEvent::RtpTimeout { stream });
    assert_eq!(script.events.len(), events);

    script.respond("INVITE", 200, Some(&sdp(PCMU)));
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(script.config().direction, Direction::SendRecv);
    assert_eq!(script.config().codec, AudioCodec::Pcmu);
    assert_eq!(script.media().iter().filter(|name| *name == "Attach").count(), 2);
    script.media_told(|stream| MediaEvent::RtpTimeout { stream });
    assert!(matches!(script.last_event(), SessionEvent::Stream { .. }));
}

#[test]
fn a_call_that_was_heard_early_and_is_refused_leaves_nothing() {
    for early in [&*sdp(PCMU), &*sdp("m=audio 0 RTP/AVP 0"), "no description"] {
        let mut script = Script::new();
        script.call(AudioStream::offer());
        script.respond("INVITE", 183, Some(early));
        script.respond("INVITE", 486, None);
        assert!(
            matches!(script.last_event(), SessionEvent::DidFail { code: 486, .. }),
            "{early}"
        );
        assert_eq!(script.media().last().map(String::as_str), Some("Stop"));
        assert_eq!(script.manager.sessions().count(), 0);
    }
}

#[test]
fn the_peer_holds_by_direction_or_by_the_unspecified_address() {
    let unspecified = version(2, PCMU).replace("c=IN IP4 10.0.0.2", "c=IN IP4 0.0.0.0");
    for hold in [
        version(2, &format!("{PCMU}\na=sendonly")),
        version(2, &format!("{PCMU}\na=inactive")),
        unspecified,
    ] {
        let mut script = Script::new();
        let id = script.accepted(&sdp(PCMU), AudioStream::offer());
        script.request("INVITE", Some(&hold));
        assert_eq!(script.last_response().0, 200, "{hold}");
        script.ack(None);
        let told = SessionEvent::DidChangeHoldState {
            originator: Originator::Remote,
            on_hold: true,
            partial: false,
        };
        assert_eq!(
            format!("{:?}", script.last_event()),
            format!("{told:?}"),
            "{hold}"
        );
        assert!(!script.config().direction.sends(), "{hold}");
        script.request("INVITE", Some(&version(3, PCMU)));
        script.ack(None);
        assert_eq!(script.config().direction, Direction::SendRecv);
        assert!(!script.manager.session(id).unwrap().is_on_hold());
    }
}

#[test]
fn a_reinvite_may_move_the_peer_change_the_codec_or_ask_for_our_offer() {
    let mut script = Script::new();
    script.accepted(&sdp(PCMU), AudioStream::offer());
    script.request(
        "INVITE",
        Some(&version(2, "m=audio 7000 RTP/AVP 0").replace("c=IN IP4 10.0.0.2", "c=IN IP4 10.0.0.9")),
    );
    script.ack(None);
    assert_eq!(
        script.config().remote_rtp,
        "10.0.0.9:7000".parse::<SocketAddr>().unwrap()
    );
    script.request("INVITE", Some(&version(3, "m=audio 7000 RTP/AVP 9")));
    script.ack(None);
    assert_eq!(script.config().codec, AudioCodec::G722);
    script.request("INVITE", None);
    let (code, offer) = script.last_response();
    assert_eq!(code, 200);
    assert!(offer.contains("m=audio 40000 RTP/AVP "), "{offer}");
    script.ack(Some(&version(4, "m=audio 7002 RTP/AVP 8")));
    assert_eq!(script.config().codec, AudioCodec::Pcma);
    assert_eq!(
        script.config().remote_rtp,
        "10.0.0.2:7002".parse::<SocketAddr>().unwrap()
    );
}

#[test]
fn a_reinvite_that_cannot_be_followed_changes_nothing() {
    for offer in [
        version(2, "m=audio 5004 RTP/AVP 18"),
        version(2, "m=audio 5004 RTP/SAVP 0"),
        "nothing".to_owned(),
    ] {
        let mut script = Script::new();
        let id = script.accepted(&sdp(PCMU), AudioStream::offer());
        let before = script.media();
        script.request("INVITE", Some(&offer));
        assert_eq!(script.last_response().0, 488, "{offer}");
        script.ack(None);
        assert_eq!(script.media(), before, "{offer}");
        assert_eq!(script.state(id), Some(SessionState::Connected));
        // And what comes later is served.
        script.request("INVITE", Some(&version(3, "m=audio 5006 RTP/AVP 0")));
        assert_eq!(script.last_response().0, 200, "{offer}");
    }
}

#[test]
fn a_hold_that_is_answered_badly_is_taken_back_and_can_be_tried_again() {
    for (code, answer) in [(200, None), (200, Some("nothing")), (488, None), (500, None)] {
        let mut script = Script::new();
        let id = script.call(AudioStream::offer());
        script.respond("INVITE", 200, Some(&sdp(PCMU)));
        script.manager.set_hold(script.now, id, true).unwrap();
        script.drain();
        assert_eq!(script.count("INVITE"), 2);
        script.respond("INVITE", code, answer);
        assert!(
            !script.manager.session(id).unwrap().is_on_hold(),
            "{code} {answer:?}"
        );
        script.manager.set_hold(script.now, id, true).unwrap();
        script.drain();
        assert_eq!(script.count("INVITE"), 3, "{code} {answer:?}");
        script.respond("INVITE", 200, Some(&version(2, &format!("{PCMU}\na=recvonly"))));
        assert!(
            script.manager.session(id).unwrap().is_on_hold(),
            "{code} {answer:?}"
        );
    }
}

#[test]
fn a_peer_that_takes_its_only_stream_away_leaves_a_session_without_media() {
    let mut script = Script::new();
    let id = script.accepted(&sdp(PCMU), AudioStream::offer());
    script.request("INVITE", Some(&version(2, "m=audio 0 RTP/AVP 0")));
    let (code, answer) = script.last_response();
    assert_eq!(code, 200);
    assert!(answer.contains("m=audio 0 RTP/AVP 0"), "{answer}");
    script.ack(None);
    assert_eq!(script.media().last().map(String::as_str), Some("Stop"));
    assert_eq!(script.state(id), Some(SessionState::Connected));
}

#[test]
fn a_bye_that_crosses_ours_ends_the_session_once() {
    let mut script = Script::new();
    let id = script.accepted(&sdp(PCMU), AudioStream::offer());
    script.manager.end(script.now, id).unwrap();
    script.drain();
    script.request("BYE", None);
    script.respond("BYE", 481, None);
    let ends = script
        .events
        .iter()
        .filter(|(_, event)| matches!(event, SessionEvent::DidEnd { .. }))
        .count();
    assert_eq!(ends, 1);
    assert_eq!(script.manager.sessions().count(), 0);
}

#[test]
fn the_peer_may_hang_up_while_our_hold_is_under_way() {
    let mut script = Script::new();
    let id = script.accepted(&sdp(PCMU), AudioStream::offer());
    script.manager.set_hold(script.now, id, true).unwrap();
    script.drain();
    script.request("BYE", None);
    assert!(matches!(
        script.last_event(),
        SessionEvent::DidEnd {
            originator: Originator::Remote,
            ..
        }
    ));
    script.respond("INVITE", 487, None);
    script.run_for(Duration::from_secs(64));
    assert!(script.manager.is_idle());
}

#[test]
fn an_update_holds_like_a_reinvite_and_one_that_cannot_be_followed_gets_488() {
    let mut script = Script::new();
    let id = script.accepted(&sdp(PCMU), AudioStream::offer());
    script.request("UPDATE", Some(&version(2, &format!("{PCMU}\na=sendonly"))));
    let (code, answer) = script.last_response();
    assert_eq!(code, 200);
    assert!(answer.contains("a=recvonly"), "{answer}");
    assert!(matches!(
        script.last_event(),
        SessionEvent::DidChangeHoldState {
            originator: Originator::Remote,
            on_hold: true,
            partial: false
        }
    ));
    script.request("UPDATE", Some(&version(3, "m=audio 5004 RTP/AVP 77")));
    assert_eq!(script.last_response().0, 488);
    script.request("UPDATE", Some(&version(4, PCMU)));
    assert_eq!(script.last_response().0, 200);
    assert_eq!(script.state(id), Some(SessionState::Connected));
}
