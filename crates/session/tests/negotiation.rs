//! What an audio stream answers to what peers offer, and what becomes of it later (RFC 3264).

mod script;

use offhook_audio_mixer::NullDevice;
use offhook_rtp_media::codec::AudioCodec;
use offhook_rtp_media::{Direction, SilenceDetection};
use offhook_sdp::OpusParameters;
use offhook_session::media::{Attachment, MediaEvent};
use offhook_session::{AudioStream, Originator, SessionEvent, SessionState};
use script::{Script, sdp, version};
use std::net::SocketAddr;
use std::time::Duration;

const PCMU: &str = "m=audio 5004 RTP/AVP 0";

/// Accepts an offer with all codecs; gives the lines of the answer's media.
#[track_caller]
fn answer_to(offer: &str) -> String {
    answer_with(AudioStream::offer(), offer)
}

#[track_caller]
fn answer_with(stream: AudioStream, offer: &str) -> String {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(offer)));
    script.accept(id, stream).expect(offer);
    let (code, body) = script.last_response();
    assert_eq!(code, 200, "{offer}");
    let media = body.find("m=").expect("a media section");
    body[media..].replace("\r\n", "\n")
}

#[test]
fn an_answer_has_one_codec_by_the_number_that_the_offer_gave_it() {
    for (offer, section) in [
        (PCMU, "m=audio 40000 RTP/AVP 0\n"),
        ("m=audio 5004 RTP/AVP 8 0", "m=audio 40000 RTP/AVP 8\n"),
        ("m=audio 5004 RTP/AVP 18 9 0", "m=audio 40000 RTP/AVP 9\n"),
        (
            "m=audio 5004 RTP/AVP 117 0\na=rtpmap:117 opus/48000/2",
            "m=audio 40000 RTP/AVP 117\n",
        ),
        // RFC 7587 §7: opus is always declared with two channels; a peer that forgets them means the same.
        (
            "m=audio 5004 RTP/AVP 117 0\na=rtpmap:117 opus/48000",
            "m=audio 40000 RTP/AVP 117\n",
        ),
        (
            "m=audio 5004 RTP/AVP 96 99\na=rtpmap:96 PCMA/8000\na=rtpmap:99 telephone-event/8000",
            "m=audio 40000 RTP/AVP 96 99\n",
        ),
    ] {
        let answer = answer_to(offer);
        assert!(answer.starts_with(section), "{offer}:\n{answer}");
    }
}

/// RFC 3264 §6.1: each format of the answer may come at any time.
#[test]
fn an_answer_may_have_all_codecs_with_what_goes_along() {
    let maps =
        "a=rtpmap:117 opus/48000/2\na=rtpmap:110 telephone-event/8000\na=rtpmap:111 telephone-event/48000";
    for (formats, answered) in [
        ("8 117 0 110 111", "8 117 0 110 111"),
        ("0 18 13 110 9", "0 9 13 110"),
        ("117 111", "117 111"),
        ("9 110 111", "9 110"),
    ] {
        let offer = format!("m=audio 5004 RTP/AVP {formats}\n{maps}");
        let answer = answer_with(AudioStream::offer().with_all_codecs_answered(), &offer);
        let section = format!("m=audio 40000 RTP/AVP {answered}\n");
        assert!(answer.starts_with(&section), "{offer}:\n{answer}");
    }
}

#[test]
fn all_formats_of_the_answer_may_come_and_the_first_is_sent() {
    let ours = [AudioCodec::Opus, AudioCodec::Pcma, AudioCodec::Pcmu];
    let mut script = Script::new();
    script.call(AudioStream::offer().with_codecs(&ours));
    // The answer numbers Opus and the events of its clock otherwise.
    let answer = "m=audio 5004 RTP/AVP 8 120 0 101 121\na=rtpmap:120 opus/48000/2\n\
                  a=rtpmap:101 telephone-event/8000\na=rtpmap:121 telephone-event/48000";
    script.respond("INVITE", 200, Some(&sdp(answer)));
    let config = script.config();
    assert_eq!((config.codec, config.payload_type), (AudioCodec::Pcma, 8));
    assert_eq!(config.dtmf_payload_type, Some(101));
    let others: Vec<_> = config
        .other_codecs
        .iter()
        .map(|other| (other.payload_type, other.codec))
        .collect();
    assert_eq!(others, [(96, AudioCodec::Opus), (0, AudioCodec::Pcmu)]);
    let events: Vec<_> = config
        .other_events
        .iter()
        .map(|other| (other.payload_type, other.clock_rate))
        .collect();
    assert_eq!(events, [(102, 48_000)]);
}

/// RFC 8866 §6.4: the peer's wish, as far as the codec can follow it.
#[test]
fn packets_are_as_long_as_the_other_side_wishes() {
    for (format, times, ms) in [
        ("0", "", 20),
        ("0", "a=ptime:40", 40),
        ("0", "a=ptime:30\na=maxptime:20", 20),
        ("0", "a=maxptime:150", 20),
        ("0", "a=ptime:200", 120),
        ("0", "a=ptime:nonsense", 20),
        ("3", "a=ptime:30", 20),
        ("117", "a=rtpmap:117 opus/48000/2\na=ptime:3\na=maxptime:120", 10),
    ] {
        let mut script = Script::new();
        let offer = format!("m=audio 5004 RTP/AVP {format}\n{times}");
        script.accepted(&sdp(offer.trim_end()), AudioStream::offer());
        assert_eq!(script.config().ptime_ms, ms, "{offer}");
    }
}

/// RFC 7587 §6.1: what each side wishes is what the other sends.
#[test]
fn wishes_for_opus_go_both_ways() {
    let wishes = OpusParameters {
        max_playback_rate: 16_000,
        max_average_bitrate: Some(20_000),
        dtx: true,
        ..OpusParameters::default()
    };
    let theirs = "maxplaybackrate=8000;cbr=1;stereo=1";
    let mut script = Script::new();
    let offer = format!("m=audio 5004 RTP/AVP 117\na=rtpmap:117 opus/48000/2\na=fmtp:117 {theirs}");
    script.accepted(&sdp(&offer), AudioStream::offer().with_opus(wishes));
    assert_eq!(script.config().remote_fmtp, theirs);
    let answer = script.last_response().1;
    let ours = "a=fmtp:117 maxplaybackrate=16000; maxaveragebitrate=20000; usedtx=1\r\n";
    assert!(answer.contains(ours), "{answer}");
    let plain = answer_with(AudioStream::offer().with_opus(OpusParameters::default()), &offer);
    assert!(!plain.contains("a=fmtp"), "{plain}");
    assert!(answer_to(&offer).contains("a=fmtp:117 useinbandfec=1\n"));
}

/// RFC 3551 §4.5.11 and §6: linear audio by its fixed numbers and by others.
#[test]
fn linear_audio_is_agreed_on_with_its_rate_and_channels() {
    for (offer, name, number) in [
        ("m=audio 5004 RTP/AVP 10", "L16/44100/2", 10),
        ("m=audio 5004 RTP/AVP 11", "L16/44100", 11),
        (
            "m=audio 5004 RTP/AVP 97 98\na=rtpmap:97 L16/16000/2\na=rtpmap:98 L16/16000",
            "L16/16000",
            98,
        ),
    ] {
        let codec: AudioCodec = name.parse().unwrap();
        let mut script = Script::new();
        script.accepted(&sdp(offer), AudioStream::offer().with_codecs(&[codec]));
        let config = script.config();
        assert_eq!((config.codec, config.payload_type), (codec, number), "{offer}");
        let answer = script.last_response().1;
        assert!(
            answer.contains(&format!("m=audio 40000 RTP/AVP {number}\r\n")),
            "{answer}"
        );
    }
}

#[test]
fn telephone_events_are_answered_at_the_clock_of_the_codec_only() {
    let events = "a=rtpmap:110 telephone-event/8000\na=rtpmap:111 telephone-event/48000";
    let opus = format!("m=audio 5004 RTP/AVP 117 110 111\na=rtpmap:117 opus/48000/2\n{events}");
    assert!(answer_to(&opus).starts_with("m=audio 40000 RTP/AVP 117 111\n"));
    let pcmu = format!("m=audio 5004 RTP/AVP 0 110 111\n{events}");
    assert!(answer_to(&pcmu).starts_with("m=audio 40000 RTP/AVP 0 110\n"));
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
