//! External media tools against a peer that says what it likes: what is offered and answered for them, and what they are told.

mod script;

use offhook_rtp_media::srtp::SrtpPolicy;
use offhook_sdp::{Direction, MediaKind, RtpFormat};
use offhook_session::media::ToolEvent;
use offhook_session::{
    AudioStream, ExternalMediaStream, MediaStream, MediaStreamRegistry, SessionConfig, SessionEvent,
    SessionState, StreamDescription, StreamEvent, StreamKind,
};
use script::{Script, sdp, version};

const AUDIO: &str = "m=audio 5004 RTP/AVP 0";
const VIDEO: &str = "m=video 6000 RTP/AVP 98 96\na=rtpmap:98 H264/90000\na=rtpmap:96 VP8/90000";

/// Says everything that it can be told.
const LINE: &str = "tool {local_ip}:{local_port}+{local_rtcp_port} {remote_ip}:{remote_port}+{remote_rtcp_port} \
    {payload_type}/{encoding}/{clock_rate} {direction}";

fn video(encodings: &[&str]) -> ExternalMediaStream {
    let formats = (100..).zip(encodings);
    let formats = formats.map(|(number, encoding)| RtpFormat::new(number, *encoding, 90_000, 1));
    let line = LINE.parse().expect("a command line");
    ExternalMediaStream::new(MediaKind::Video, formats, line)
}

/// Our last answer, and the words that the tool was started with.
fn answered(offer: &str, stream: ExternalMediaStream) -> (String, Vec<String>, String) {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(offer)));
    script.accept(id, stream).expect("acceptable");
    let (code, body) = script.last_response();
    assert_eq!(code, 200);
    script.ack(None);
    let start = script.tool_event(ToolEvent::Started);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(start.program, "tool");
    (body, start.arguments, start.description)
}

#[test]
fn an_answer_has_the_format_of_both_and_the_tool_is_told_all() {
    let (body, words, description) = answered(VIDEO, video(&["VP9", "VP8"]));
    let section = "m=video 40000 RTP/AVP 96\r\na=rtpmap:96 VP8/90000\r\na=sendrecv\r\n";
    assert!(body.ends_with(section), "{body}");
    assert_eq!(
        words,
        [
            "10.0.0.1:40000+40001",
            "10.0.0.2:6000+6001",
            "96/VP8/90000",
            "sendrecv"
        ]
    );
    assert!(
        description.starts_with("v=0\r\n") && description.ends_with(section),
        "{description}"
    );
    assert!(description.contains("c=IN IP4 10.0.0.1\r\n"), "{description}");
}

#[test]
fn an_offer_names_our_formats_and_the_answer_decides() {
    let mut script = Script::new();
    let id = script.call(video(&["VP9", "VP8"]).with_direction(Direction::SendOnly));
    let body = String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned();
    let section =
        "m=video 40000 RTP/AVP 100 101\r\na=rtpmap:100 VP9/90000\r\na=rtpmap:101 VP8/90000\r\na=sendonly\r\n";
    assert!(body.ends_with(section), "{body}");
    let answer = "m=video 6000 RTP/AVP 101\na=rtpmap:101 VP8/90000\na=rtcp:7001\na=recvonly";
    script.respond("INVITE", 200, Some(&sdp(answer)));
    let start = script.tool_event(ToolEvent::Started);
    assert_eq!(
        start.arguments,
        [
            "10.0.0.1:40000+40001",
            "10.0.0.2:6000+7001",
            "101/VP8/90000",
            "sendonly"
        ]
    );
    assert_eq!(script.state(id), Some(SessionState::Connected));
}

/// RFC 3264 §6.2: the group is the same on both sides, and so is the direction.
#[test]
fn a_multicast_group_is_offered_and_answered_as_it_is() {
    let mut script = Script::new();
    let group = "224.2.3.4:2002".parse().expect("a group");
    script.call(video(&["VP8"]).with_group(group, 1));
    let body = String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned();
    assert!(
        body.contains("m=video 2002 RTP/AVP 100\r\nc=IN IP4 224.2.3.4/1\r\n"),
        "{body}"
    );
    let answer = "m=video 2002 RTP/AVP 100\nc=IN IP4 224.2.3.4/1\na=rtpmap:100 VP8/90000";
    script.respond("INVITE", 200, Some(&sdp(answer)));
    let start = script.tool_event(ToolEvent::Started);
    assert_eq!(
        start.arguments[..2],
        ["224.2.3.4:2002+2003", "224.2.3.4:2002+2003"]
    );

    let offer = format!("{VIDEO}\na=sendonly")
        .replace("6000", "2002")
        .replace("\na=rtpmap:98", "\nc=IN IP4 224.2.3.4/1\na=rtpmap:98");
    let (body, words, _) = answered(&offer, video(&["VP8"]));
    assert!(
        body.contains("m=video 2002 RTP/AVP 96\r\nc=IN IP4 224.2.3.4/1\r\n"),
        "{body}"
    );
    assert!(body.ends_with("a=sendonly\r\n"), "{body}");
    assert_eq!(words[1], "224.2.3.4:2002+2003");
}

#[test]
fn an_answer_that_leaves_the_group_is_no_media() {
    let mut script = Script::new();
    let group = "224.2.3.4:2002".parse().expect("a group");
    script.call(video(&["VP8"]).with_group(group, 1));
    let answer = "m=video 2002 RTP/AVP 100\nc=IN IP4 224.9.9.9/1\na=rtpmap:100 VP8/90000";
    script.respond("INVITE", 200, Some(&sdp(answer)));
    assert!(script.media().iter().all(|command| command != "StartTool"));
    assert_eq!(script.count("BYE"), 1);
}

#[test]
fn offers_without_a_format_of_the_tool_are_refused() {
    for offer in [
        VIDEO.replace("VP8", "VP9").replace("H264", "H265"),
        VIDEO.replace("video", "audio"),
        VIDEO.replace("RTP/AVP", "RTP/SAVP"),
        VIDEO.replace("6000", "0"),
        "m=video 6000 RTP/AVP 96".to_owned(),
    ] {
        let mut script = Script::new();
        let id = script.invite(Some(&sdp(&offer)));
        script.accept(id, video(&["VP8"])).expect_err(&offer);
        assert_eq!(script.last_response().0, 488, "{offer}");
        assert_eq!(script.media(), ["Stop"], "{offer}: the ports are given back");
    }
}

#[test]
fn a_tool_that_ends_fails_its_stream_and_leaves_the_call() {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(&format!("{AUDIO}\n{VIDEO}"))));
    let streams: Vec<Box<dyn MediaStream>> = vec![Box::new(AudioStream::offer()), Box::new(video(&["VP8"]))];
    script
        .manager
        .accept(script.now, id, streams)
        .expect("acceptable");
    script.drain();
    script.ack(None);
    assert_eq!(
        script.state(id),
        Some(SessionState::Accepting),
        "until the tool runs"
    );
    script.tool_event(ToolEvent::Started);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    let reason = "tool ended with exit code 1: no camera".to_owned();
    script.tool_event(ToolEvent::Ended { reason });
    let failed = script.events.iter().find_map(|(_, event)| match event {
        SessionEvent::Stream {
            event: StreamEvent::DidFail { reason },
            ..
        } => Some(reason.as_str()),
        _ => None,
    });
    assert_eq!(failed, Some("tool ended with exit code 1: no camera"));
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
    assert_eq!(script.count("INVITE"), 1, "the peer is told");
}

#[test]
fn a_tool_that_runs_cannot_be_told_of_another_address() {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(VIDEO)));
    script.accept(id, video(&["VP8"])).expect("acceptable");
    script.ack(None);
    script.tool_event(ToolEvent::Started);
    for (number, offer, code) in [
        (2, VIDEO.replace("6000", "6002"), 488),
        (3, VIDEO.to_owned(), 200),
    ] {
        script.request("INVITE", Some(&version(number, &offer)));
        assert_eq!(script.last_response().0, code, "{offer}");
        script.ack(None);
    }
    assert_eq!(script.state(id), Some(SessionState::Connected));
}

/// What the other side encrypts with.
const THEIR_KEY: &str = "PS1uQCVeeCFCanVmcjkpPywjNWhcYD0mXXtxaVBR";

const KEYS: &str = "tool {srtp_suite} {srtp_local_key} {srtp_remote_key}";

fn encrypted(policy: SrtpPolicy) -> ExternalMediaStream {
    let format = RtpFormat::new(96, "VP8", 90_000, 1);
    ExternalMediaStream::new(MediaKind::Video, [format], KEYS.parse().expect("a command line"))
        .with_srtp(policy)
}

/// A section of the peer over SRTP, by the first suite that we offer.
fn secured() -> String {
    let section = VIDEO.replace("RTP/AVP", "RTP/SAVP");
    format!("{section}\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{THEIR_KEY}")
}

/// The key of our only crypto line.
fn our_key(body: &str) -> String {
    let mut lines = body
        .lines()
        .filter_map(|line| line.strip_prefix("a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:"));
    lines.next().expect("a line").to_owned()
}

#[test]
fn a_tool_is_given_the_keys_of_both_sides() {
    let (body, words, description) = answered(&secured(), encrypted(SrtpPolicy::Optional));
    assert!(body.contains("m=video 40000 RTP/SAVP 96\r\n"), "{body}");
    let ours = our_key(&body);
    assert_eq!(words, ["AES_CM_128_HMAC_SHA1_80", &ours, THEIR_KEY]);
    // It receives what they encrypted.
    assert_eq!(our_key(&description), THEIR_KEY);

    let mut script = Script::new();
    let id = script.call(encrypted(SrtpPolicy::Required));
    let offer = String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned();
    assert!(offer.contains("m=video 40000 RTP/SAVP 96\r\n"), "{offer}");
    assert_eq!(offer.matches("a=crypto:").count(), 2, "{offer}");
    script.respond("INVITE", 200, Some(&sdp(&secured().replace(" 98", ""))));
    let start = script.tool_event(ToolEvent::Started);
    assert_eq!(start.arguments[1..], [our_key(&offer), THEIR_KEY.to_owned()]);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    // The tool cannot be told of another key.
    let other = secured().replace("PS1u", "PS1v");
    for (number, offer, code) in [(2, other, 488), (3, secured(), 200)] {
        script.request_in_our_call("INVITE", number, Some(&version(number, &offer)));
        assert_eq!(script.last_response().0, code, "{offer}");
        script.request_in_our_call("ACK", number, None);
    }
}

#[test]
fn a_tool_is_not_started_where_the_two_sides_do_not_agree_on_encryption() {
    use SrtpPolicy::{Off, Optional, Required};
    for (offer, policy, is_taken) in [
        (secured(), Off, false),
        (VIDEO.to_owned(), Required, false),
        (VIDEO.replace("RTP/AVP", "RTP/SAVP"), Optional, false),
        (VIDEO.to_owned(), Optional, true),
        (secured(), Required, true),
    ] {
        let mut script = Script::new();
        let id = script.invite(Some(&sdp(&offer)));
        let accepted = script.accept(id, encrypted(policy));
        assert_eq!(accepted.is_ok(), is_taken, "{policy:?} {offer}");
        assert_eq!(
            script.last_response().0,
            if is_taken { 200 } else { 488 },
            "{policy:?} {offer}"
        );
    }
    let mut script = Script::new();
    script.call(encrypted(Required));
    script.respond(
        "INVITE",
        200,
        Some(&sdp("m=video 6000 RTP/AVP 96\na=rtpmap:96 VP8/90000")),
    );
    assert!(script.media().iter().all(|command| command != "StartTool"));
    assert_eq!(script.count("BYE"), 1);
}

#[test]
fn media_of_a_registered_tool_that_are_proposed_later_are_told_and_accepted() {
    let mut registry = MediaStreamRegistry::default();
    // The kind knows what the application knows: here its formats.
    let encodings = vec!["VP9", "VP8"];
    registry.add(StreamKind::of("camera", 3, move || video(&encodings)));
    let config = SessionConfig {
        registry,
        ..SessionConfig::default()
    };
    let mut script = Script::with(config);
    let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
    let both = format!("{AUDIO}\n{VIDEO}");
    script.request("INVITE", Some(&version(2, &both)));
    let SessionEvent::GotProposal { streams, .. } = script.last_event() else {
        panic!("{:?}", script.last_event())
    };
    let proposed: Vec<_> = streams.iter().collect();
    let [StreamDescription::Other(other)] = proposed[..] else {
        panic!("{streams}")
    };
    assert_eq!((&*other.kind, &*other.protocol), ("video", "RTP/AVP"));
    let streams: Vec<Box<dyn MediaStream>> = vec![Box::new(video(&["VP8"]))];
    script
        .manager
        .accept_proposal(script.now, id, streams)
        .expect("proposed");
    script.drain();
    script.ack(None);
    script.tool_event(ToolEvent::Started);
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 2);
    assert!(matches!(
        script.last_event(),
        SessionEvent::DidRenegotiateStreams { .. }
    ));
}
