//! Answers that do not hold what they promise, or refuse: what the application is told, and that nothing is asked for without end.

mod script;

use offhook_rtp_media::dtmf::Digit;
use offhook_session::media::{MsrpEvent, StreamId};
use offhook_session::{
    AudioEvent, AudioStream, ChatStream, DtmfMethod, MediaStream, Originator, SessionConfig, SessionEvent,
    SessionId, SessionState, StreamEvent,
};
use script::{Script, sdp, version};
use std::time::Duration;

const AUDIO: &str = "m=audio 5004 RTP/AVP 0";
const CHAT: &str = "m=message 7000 TCP/TLS/MSRP *\na=path:msrps://10.0.0.2:7000/peer;tcp\na=accept-types:text/plain\na=setup:passive\n\
    a=fingerprint:SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";

fn with_chat() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(AudioStream::offer()), Box::new(ChatStream::new())]
}

/// A call of ours with sound and a chat, which runs.
fn running() -> (Script, SessionId, StreamId) {
    let mut script = Script::new();
    let id = script.call_with(with_chat());
    script.respond("INVITE", 200, Some(&sdp(&format!("{AUDIO}\n{CHAT}"))));
    let chat = script.media_ready();
    assert_eq!(script.state(id), Some(SessionState::Connected));
    (script, id, chat)
}

fn hold(script: &mut Script, id: SessionId, on_hold: bool) {
    script.manager.set_hold(script.now, id, on_hold).expect("it runs");
    script.drain();
}

/// The events of the session that are chosen, as text.
fn told(script: &Script, choose: impl Fn(&SessionEvent) -> bool) -> Vec<String> {
    let events = script.events.iter().map(|(_, event)| event);
    events
        .filter(|event| choose(event))
        .map(|event| format!("{event:?}"))
        .collect()
}

/// What peers say to a re-INVITE that takes a stream away, and must not.
#[test]
fn a_stream_that_the_other_side_does_not_let_go_is_removed_without_asking_again_and_again() {
    let chat_again = version(2, &format!("{AUDIO}\n{CHAT}"));
    let one_section = version(2, AUDIO);
    for (code, answer) in [
        (200, Some(&*chat_again)),
        (200, Some(&*one_section)),
        (200, None),
        (488, None),
        (500, None),
    ] {
        let (mut script, id, chat) = running();
        script.manager.remove_stream(script.now, id, chat).expect("there");
        script.drain();
        let before = script.count("INVITE");
        for _ in 0..20 {
            // Whatever is asked gets the same answer.
            if script.manager.session(id).is_some() {
                script.respond("INVITE", code, answer);
            }
            script.run_for(Duration::from_millis(100));
        }
        let asked = script.count("INVITE") - before;
        assert!(asked <= 1, "{code} {answer:?}: {asked} more");
        assert_eq!(script.state(id), Some(SessionState::Connected));
        let removed = told(&script, |event| {
            matches!(event, SessionEvent::DidRenegotiateStreams { .. })
        });
        assert_eq!(removed.len(), 1, "{code} {answer:?}: {removed:?}");
        // The call can be changed still.
        hold(&mut script, id, true);
        let refused = CHAT.replace("m=message 7000", "m=message 0");
        script.respond("INVITE", 200, Some(&version(3, &format!("{AUDIO}\n{refused}"))));
        assert!(
            matches!(
                script.last_event(),
                SessionEvent::DidChangeHoldState { on_hold: true, .. }
            ),
            "{code} {answer:?}: {:?}",
            script.last_event()
        );
    }
}

#[test]
fn a_hold_that_is_refused_is_told() {
    for (code, answer, reason) in [
        (488, None, "Not Acceptable Here"),
        (500, None, "Server Internal Error"),
        (200, None, "its answer cannot be followed"),
        (200, Some("no description"), "its answer cannot be followed"),
    ] {
        let mut script = Script::new();
        let id = script.call(AudioStream::offer());
        script.respond("INVITE", 200, Some(&sdp(AUDIO)));
        hold(&mut script, id, true);
        script.respond("INVITE", code, answer);
        let told = told(&script, |event| {
            matches!(
                event,
                SessionEvent::DidNotChangeHoldState { .. } | SessionEvent::DidChangeHoldState { .. }
            )
        });
        let expected = format!("DidNotChangeHoldState {{ on_hold: true, code: {code}, reason: {reason:?} }}");
        assert_eq!(told, [expected], "{code} {answer:?}");
        assert!(!script.manager.session(id).expect("it runs").is_on_hold());
    }
}

#[test]
fn an_answer_that_fits_one_stream_starts_that_one() {
    for other in [
        CHAT.replace("TCP/TLS/MSRP", "TCP/MSRP"),
        "m=video 7000 RTP/AVP 31".to_owned(),
    ] {
        let mut script = Script::new();
        let id = script.call_with(with_chat());
        script.respond("INVITE", 200, Some(&sdp(&format!("{AUDIO}\n{other}"))));
        assert_eq!(script.state(id), Some(SessionState::Connected), "{other}");
        assert_eq!(script.manager.session(id).expect("it runs").streams().len(), 1);
        let failed = told(&script, |event| {
            let SessionEvent::Stream { event, .. } = event else {
                return false;
            };
            matches!(event, StreamEvent::DidFail { .. })
        });
        assert_eq!(failed.len(), 1, "{failed:?}");
        assert!(
            failed[0].contains("something else than was offered"),
            "{failed:?}"
        );
    }
    // Where nothing is left, that is why the call fails.
    let mut script = Script::new();
    script.call(ChatStream::new());
    let other = CHAT.replace("TCP/TLS/MSRP", "TCP/MSRP");
    script.respond("INVITE", 200, Some(&sdp(&other)));
    script.respond("BYE", 200, None);
    let SessionEvent::DidFail { reason, .. } = script.last_event() else {
        panic!("{:?}", script.last_event())
    };
    assert!(reason.contains("something else than was offered"), "{reason}");
}

#[test]
fn a_proposal_of_ours_is_told_and_so_is_what_became_of_each_stream() {
    let refused = CHAT.replace("m=message 7000", "m=message 0");
    let second = CHAT.replace("7000", "7002");
    for (sections, accepted, failed) in [
        (format!("{CHAT}\n{second}"), 2, false),
        (format!("{CHAT}\n{refused}"), 1, false),
        (format!("{refused}\n{refused}"), 0, true),
        (
            "m=audio 5008 RTP/AVP 0\nm=audio 5010 RTP/AVP 0".to_owned(),
            0,
            true,
        ),
    ] {
        let mut script = Script::new();
        let id = script.call(AudioStream::offer());
        script.respond("INVITE", 200, Some(&sdp(AUDIO)));
        let chats: Vec<Box<dyn MediaStream>> = vec![Box::new(ChatStream::new()), Box::new(ChatStream::new())];
        script
            .manager
            .add_streams(script.now, id, chats)
            .expect("it runs");
        script.drain();
        assert!(
            matches!(
                script.last_event(),
                SessionEvent::GotProposal { originator: Originator::Local, streams } if streams.len() == 2
            ),
            "{:?}",
            script.last_event()
        );
        script.respond("INVITE", 200, Some(&version(2, &format!("{AUDIO}\n{sections}"))));
        let events = script.events.iter().map(|(_, event)| event);
        let of_accepted = events.clone().find_map(|event| match event {
            SessionEvent::GotAcceptProposal { streams, .. } => Some(streams.len()),
            _ => None,
        });
        let of_failure = events.clone().find_map(|event| match event {
            SessionEvent::HadProposalFailure { streams, .. } => Some(streams.len()),
            _ => None,
        });
        assert_eq!(of_accepted.unwrap_or(0), accepted, "{sections}");
        assert_eq!(of_failure, failed.then_some(2), "{sections}");
    }
}

/// The peer sends an INFO with this body.
fn info(script: &mut Script, content_type: &str, body: &str) {
    script.request_with_body("INFO", &format!("Content-Type: {content_type}\r\n"), body);
}

#[test]
fn digits_come_and_go_by_info_as_well() {
    let mut sessions = SessionConfig::default();
    sessions.streams.dtmf = DtmfMethod::Info;
    let mut script = Script::with(sessions);
    let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
    info(
        &mut script,
        "application/dtmf-relay",
        "Signal=5\r\nDuration=160\r\n",
    );
    info(&mut script, "application/dtmf", "#");
    info(&mut script, "application/other", "7");
    let heard: Vec<String> = script
        .events
        .iter()
        .filter_map(|(_, event)| match event {
            SessionEvent::Stream {
                event: StreamEvent::Audio(AudioEvent::GotDtmf { digit }),
                ..
            } => Some(digit.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(heard, ["5", "#"]);

    let digit = Digit::try_from('9').expect("a digit");
    script.manager.send_dtmf(script.now, id, digit).expect("it runs");
    script.drain();
    let body = String::from_utf8_lossy(script.last_request("INFO").body()).into_owned();
    assert_eq!(body, "Signal=9\r\nDuration=160\r\n");
    assert!(!script.media().iter().any(|name| name.starts_with("SendDtmf")));
}

#[test]
fn a_chat_that_breaks_is_removed_once() {
    let (mut script, id, _) = running();
    let before = script.count("INVITE");
    let reason = "the wire was cut".to_owned();
    script.media_event(MsrpEvent::Closed { reason });
    for _ in 0..20 {
        script.respond("INVITE", 200, Some(&version(2, &format!("{AUDIO}\n{CHAT}"))));
        script.run_for(Duration::from_millis(100));
    }
    assert_eq!(script.count("INVITE") - before, 1);
    assert_eq!(script.state(id), Some(SessionState::Connected));
}

/// Nothing that is there can be held: the wish waits.
#[test]
fn a_hold_without_sound_asks_for_nothing_until_there_is_some() {
    let mut script = Script::new();
    let id = script.call_with(vec![Box::new(ChatStream::new())]);
    script.respond("INVITE", 200, Some(&sdp(CHAT)));
    script.media_ready();
    hold(&mut script, id, true);
    script.run_for(Duration::from_secs(1));
    assert_eq!(script.count("INVITE"), 1);

    // Sound that is added is on hold from its first moment on.
    let audio: Vec<Box<dyn MediaStream>> = vec![Box::new(AudioStream::offer())];
    script
        .manager
        .add_streams(script.now, id, audio)
        .expect("it runs");
    script.drain();
    let offer = String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned();
    assert!(
        offer.contains("a=sendonly") && !offer.contains("a=sendrecv"),
        "{offer}"
    );
    script.respond(
        "INVITE",
        200,
        Some(&version(2, &format!("{CHAT}\n{AUDIO}\na=recvonly"))),
    );
    let held = told(&script, |event| {
        matches!(event, SessionEvent::DidChangeHoldState { on_hold: true, .. })
    });
    assert_eq!(held.len(), 1, "{held:?}");
    let before = script.count("INVITE");
    script.run_for(Duration::from_secs(1));
    assert_eq!(script.count("INVITE"), before);
}

#[test]
fn a_hold_whose_sound_is_removed_asks_for_no_more() {
    let (mut script, id, _) = running();
    hold(&mut script, id, true);
    script.respond(
        "INVITE",
        200,
        Some(&version(2, &format!("{AUDIO}\na=recvonly\n{CHAT}"))),
    );
    let audio = script
        .manager
        .with_stream(script.now, id, None, |audio: &mut AudioStream, _| {
            Ok(audio.id().expect("it is open"))
        })
        .expect("there is one");
    script
        .manager
        .remove_stream(script.now, id, audio)
        .expect("there");
    script.drain();
    let gone = AUDIO.replace("m=audio 5004", "m=audio 0");
    let answer = version(3, &format!("{gone}\n{CHAT}"));
    script.respond("INVITE", 200, Some(&answer));
    let before = script.count("INVITE");
    script.run_for(Duration::from_secs(1));
    assert_eq!(script.count("INVITE"), before);
    assert_eq!(script.state(id), Some(SessionState::Connected));
}

/// Who holds is not heard by what the other side adds.
#[test]
fn sound_that_the_other_side_adds_to_a_held_session_is_answered_held() {
    let (mut script, id, _) = running();
    hold(&mut script, id, true);
    script.respond(
        "INVITE",
        200,
        Some(&version(2, &format!("{AUDIO}\na=recvonly\n{CHAT}"))),
    );
    let second = "m=audio 5010 RTP/AVP 0";
    script.request_in_our_call(
        "INVITE",
        7,
        Some(&version(3, &format!("{AUDIO}\na=recvonly\n{CHAT}\n{second}"))),
    );
    let streams: Vec<Box<dyn MediaStream>> = vec![Box::new(AudioStream::offer())];
    script
        .manager
        .accept_proposal(script.now, id, streams)
        .expect("proposed");
    script.drain();
    let (code, answer) = script.last_response();
    assert_eq!(code, 200);
    assert_eq!(answer.matches("a=sendonly").count(), 2, "{answer}");
}

/// A hold is under way, and the ACK of theirs is missing.
#[test]
fn streams_that_are_added_meanwhile_wait_for_their_turn() {
    let audio = || -> Vec<Box<dyn MediaStream>> { vec![Box::new(AudioStream::offer())] };
    let (mut script, id, _) = running();
    hold(&mut script, id, true);
    let before = script.count("INVITE");
    script
        .manager
        .add_streams(script.now, id, audio())
        .expect("it waits");
    script.drain();
    assert_eq!(script.count("INVITE"), before);
    script.respond(
        "INVITE",
        200,
        Some(&version(2, &format!("{AUDIO}\na=recvonly\n{CHAT}"))),
    );
    assert_eq!(script.count("INVITE"), before + 1);
    let refused = "m=audio 0 RTP/AVP 0";
    script.respond(
        "INVITE",
        200,
        Some(&version(3, &format!("{AUDIO}\na=recvonly\n{CHAT}\n{refused}"))),
    );

    script.request_in_our_call(
        "INVITE",
        9,
        Some(&version(4, &format!("{AUDIO}\na=recvonly\n{CHAT}\n{refused}"))),
    );
    assert_eq!(script.last_response().0, 200);
    script
        .manager
        .add_streams(script.now, id, audio())
        .expect("it waits");
    script.drain();
    assert_eq!(script.count("INVITE"), before + 1);
    script.request_in_our_call("ACK", 9, None);
    assert_eq!(script.count("INVITE"), before + 2);
}

/// Who wishes to hold while a proposal is under way does so with the answer to it.
#[test]
fn a_hold_that_comes_with_an_answer_is_told() {
    let (mut script, id, _) = running();
    let streams: Vec<Box<dyn MediaStream>> = vec![Box::new(AudioStream::offer())];
    script
        .manager
        .add_streams(script.now, id, streams)
        .expect("it runs");
    script.drain();
    let held = "m=audio 5010 RTP/AVP 0\na=sendonly";
    let answer = version(2, &format!("{AUDIO}\na=sendonly\n{CHAT}\n{held}"));
    script.respond("INVITE", 200, Some(&answer));
    let told = told(&script, |event| {
        matches!(
            event,
            SessionEvent::DidChangeHoldState {
                originator: Originator::Remote,
                on_hold: true,
                ..
            }
        )
    });
    assert_eq!(told.len(), 1, "{told:?}");
}
