//! Streams that come and go while a session runs, against a peer that says what it likes.

mod script;

use offhook_session::media::StreamId;
use offhook_session::{
    AudioStream, ChatStream, MediaStream, Originator, RenegotiationAction, SessionEvent, SessionId,
    SessionState,
};
use offhook_sip_core::StatusCode;
use script::{FINGERPRINT, Script, sdp, version};
use std::time::Duration;

const AUDIO: &str = "m=audio 5004 RTP/AVP 0";
const CHAT: &str = "m=message 7000 TCP/MSRP *\na=path:msrp://10.0.0.2:7000/peer;tcp\na=accept-types:text/plain\na=setup:passive";

/// What a peer answers to an offer of TLS.
const SECURE: &str = "m=message 7000 TCP/TLS/MSRP *\na=path:msrps://10.0.0.2:7000/peer;tcp\na=accept-types:text/plain\na=setup:active\n\
    a=fingerprint:SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";

fn chat() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(ChatStream::new())]
}

fn accept_chat(script: &mut Script, id: SessionId) {
    let accepted = script.manager.accept_proposal(script.now, id, chat());
    accepted.expect("proposed");
    script.drain();
}

fn add_chat(script: &mut Script, id: SessionId) {
    let added = script.manager.add_streams(script.now, id, chat());
    added.expect("connected");
    script.drain();
}

fn remove(script: &mut Script, id: SessionId, stream: StreamId) {
    let removed = script.manager.remove_stream(script.now, id, stream);
    removed.expect("connected");
    script.drain();
}

/// The peer says yes to what we propose beside the audio, in its description of that number.
fn answer(script: &mut Script, number: u32, section: &str) {
    let description = version(number, &format!("{AUDIO}\n{section}"));
    script.respond("INVITE", 200, Some(&description));
}

/// The same section at port 0.
fn refused(section: &str) -> String {
    section.replace("m=message 7000", "m=message 0")
}

fn last_offer(script: &Script) -> String {
    String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned()
}

fn running() -> (Script, SessionId) {
    let mut script = Script::new();
    let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
    (script, id)
}

/// The events of the session, streams' own left out.
fn story(script: &Script) -> Vec<String> {
    let events = script.events.iter().map(|(_, event)| event);
    events
        .filter(|event| !matches!(event, SessionEvent::Stream { .. }))
        .map(|event| {
            format!("{event:?}")
                .split([' ', '('])
                .next()
                .unwrap_or_default()
                .to_owned()
        })
        .skip_while(|name| name != "DidStart")
        .skip(1)
        .collect()
}

fn proposed() -> (Script, SessionId) {
    let (mut script, id) = running();
    script.request("INVITE", Some(&version(2, &format!("{AUDIO}\n{CHAT}"))));
    assert_eq!(script.state(id), Some(SessionState::ReceivedProposal));
    assert!(matches!(script.last_event(), SessionEvent::GotProposal { streams, .. } if streams.len() == 1));
    (script, id)
}

#[test]
fn a_proposal_waits_for_the_application_and_is_accepted_in_part() {
    let (mut script, id) = proposed();
    accept_chat(&mut script, id);
    let (code, body) = script.last_response();
    assert_eq!(code, 200);
    assert!(
        body.contains("m=audio 40000 RTP/AVP 0\r\n") && body.contains("a=setup:active\r\n"),
        "{body}"
    );
    assert_eq!(script.state(id), Some(SessionState::AcceptingProposal));
    script.ack(None);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert!(
        body.contains(" TCP/MSRP *\r\n") && body.contains("a=path:msrp://"),
        "as offered: {body}"
    );
    assert_eq!(script.msrp_start(), (false, Vec::new()));
    assert_eq!(
        story(&script),
        ["GotProposal", "GotAcceptProposal"],
        "the chat's connection is awaited"
    );
    script.media_ready();
    assert_eq!(
        story(&script).last().map(String::as_str),
        Some("DidRenegotiateStreams")
    );
}

#[test]
fn a_proposal_is_rejected_and_nothing_changes() {
    let (mut script, id) = proposed();
    let code = StatusCode::NOT_ACCEPTABLE_HERE;
    script
        .manager
        .reject_proposal(script.now, id, code)
        .expect("proposed");
    script.drain();
    assert_eq!(script.last_response().0, 488);
    assert_eq!(story(&script), ["GotProposal", "GotRejectProposal"]);
    // The session goes on: a re-INVITE without the chat is followed as ever.
    script.ack(None);
    script.request("INVITE", Some(&version(3, &format!("{AUDIO}\na=sendonly"))));
    assert_eq!(script.last_response().0, 200);
}

#[test]
fn a_proposal_that_is_taken_back_is_told() {
    let (mut script, id) = proposed();
    script.cancel();
    assert_eq!(script.state(id), Some(SessionState::Connected));
    let Some((_, SessionEvent::GotRejectProposal { originator, code, .. })) = script.events.last() else {
        panic!("{:?}", script.events.last())
    };
    assert_eq!((*originator, *code), (Originator::Remote, 487));
}

#[test]
fn a_proposal_that_crosses_a_goodbye_ends_with_it() {
    let (mut script, id) = proposed();
    script.request("BYE", None);
    assert_eq!(script.state(id), None);
    assert!(matches!(script.last_event(), SessionEvent::DidEnd { .. }));
    let (mut script, id) = proposed();
    script.manager.end(script.now, id).expect("any state");
    script.drain();
    assert_eq!(script.count("BYE"), 1);
}

#[test]
fn kinds_that_nobody_knows_are_refused_without_asking() {
    let (mut script, id) = running();
    script.request(
        "INVITE",
        Some(&version(2, &format!("{AUDIO}\nm=video 6000 RTP/AVP 34"))),
    );
    assert_eq!(script.state(id), Some(SessionState::Connected));
    let (code, body) = script.last_response();
    assert_eq!(code, 200);
    assert!(body.contains("m=video 0 RTP/AVP 34\r\n"), "{body}");
}

fn proposing() -> (Script, SessionId) {
    let (mut script, id) = running();
    add_chat(&mut script, id);
    assert_eq!(script.state(id), Some(SessionState::SendingProposal));
    assert_eq!(script.count("INVITE"), 1);
    (script, id)
}

#[test]
fn our_proposal_is_accepted() {
    let (mut script, id) = proposing();
    answer(&mut script, 2, SECURE);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(story(&script), ["GotProposal", "GotAcceptProposal"]);
    script.media_ready();
    let SessionEvent::DidRenegotiateStreams { action, streams } = script.last_event() else {
        panic!("{:?}", script.last_event())
    };
    assert_eq!((*action, streams.len()), (RenegotiationAction::Add, 1));
    // A second one while this runs comes behind it.
    add_chat(&mut script, id);
    let body = last_offer(&script);
    assert_eq!(body.matches("m=message").count(), 2, "{body}");
}

#[test]
fn messages_are_proposed_by_tls_with_the_fingerprint_of_our_certificate() {
    let (mut script, _) = proposing();
    let body = last_offer(&script);
    for line in [
        "m=message 40002 TCP/TLS/MSRP *\r\n".to_owned(),
        "a=path:msrps://10.0.0.1:40002/here1;tcp\r\n".to_owned(),
        format!("a=fingerprint:{FINGERPRINT}\r\n"),
    ] {
        assert!(body.contains(&line), "{line} in {body}");
    }
    answer(&mut script, 2, SECURE);
    let announced = "SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB".to_owned();
    assert_eq!(script.msrp_start(), (true, vec![announced]));
}

#[test]
fn a_peer_that_announces_no_certificate_or_leaves_tls_out_gets_no_messages() {
    let nameless = SECURE
        .split("\na=fingerprint")
        .next()
        .unwrap_or_default()
        .to_owned();
    let weaker = CHAT.replace("setup:passive", "setup:active");
    for (section, told) in [
        (
            nameless,
            &["GotProposal", "GotAcceptProposal", "HadProposalFailure"][..],
        ),
        (weaker, &["GotProposal", "HadProposalFailure"]),
    ] {
        let (mut script, id) = proposing();
        answer(&mut script, 2, &section);
        assert_eq!(story(&script), told, "{section}");
        assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
    }
}

#[test]
fn tls_that_is_proposed_is_answered_by_tls() {
    let (mut script, id) = running();
    script.request("INVITE", Some(&version(2, &format!("{AUDIO}\n{SECURE}"))));
    accept_chat(&mut script, id);
    let (code, body) = script.last_response();
    assert_eq!(code, 200);
    let fingerprint = format!("a=fingerprint:{FINGERPRINT}\r\n");
    assert!(
        body.contains(" TCP/TLS/MSRP *\r\n") && body.contains(&fingerprint),
        "{body}"
    );
    script.ack(None);
    assert!(script.msrp_start().0);
}

#[test]
fn our_proposal_is_refused_by_port_0_or_by_a_status() {
    let (mut script, id) = proposing();
    answer(&mut script, 2, &refused(SECURE));
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(story(&script), ["GotProposal", "HadProposalFailure"]);
    for code in [488, 603] {
        let (mut script, id) = proposing();
        script.respond("INVITE", code, None);
        assert_eq!(script.state(id), Some(SessionState::Connected), "{code}");
        assert!(
            matches!(script.last_event(), SessionEvent::GotRejectProposal { code: told, .. } if *told == code),
            "{code}: {:?}",
            script.last_event()
        );
        assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
    }
}

/// RFC 3261 §14.1: whoever began the call waits 2.1 to 4 s, the other side up to 2 s.
#[test]
fn proposals_of_both_sides_at_once_come_one_after_the_other() {
    let (mut script, id) = proposing();
    script.respond("INVITE", 491, None);
    assert_eq!(script.state(id), Some(SessionState::SendingProposal));
    script.run_for(Duration::from_secs(4));
    assert!(
        script.count("INVITE") >= 2,
        "tried again, and repeated while nobody answers"
    );
    answer(&mut script, 2, SECURE);
    assert_eq!(story(&script), ["GotProposal", "GotAcceptProposal"]);
}

#[test]
fn our_proposal_is_taken_back() {
    let (mut script, id) = proposing();
    script.respond("INVITE", 100, None);
    script.manager.cancel_proposal(script.now, id).expect("sending");
    script.drain();
    assert_eq!(script.state(id), Some(SessionState::CancellingProposal));
    assert_eq!(script.count("CANCEL"), 1);
    script.respond("INVITE", 487, None);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert!(matches!(
        script.last_event(),
        SessionEvent::GotRejectProposal {
            originator: Originator::Local,
            code: 487,
            ..
        }
    ));
}

#[test]
fn a_stream_that_is_removed_ends_at_once_and_the_peer_is_told() {
    let (mut script, id) = running();
    script.request("INVITE", Some(&version(2, &format!("{AUDIO}\n{CHAT}"))));
    accept_chat(&mut script, id);
    script.ack(None);
    let stream = script.media_ready();
    remove(&mut script, id, stream);
    let body = last_offer(&script);
    assert!(body.contains("m=message 0 TCP/MSRP *\r\n"), "{body}");
    answer(&mut script, 3, &refused(CHAT));
    assert!(matches!(
        script.last_event(),
        SessionEvent::DidRenegotiateStreams { action: RenegotiationAction::Remove, streams } if streams.len() == 1
    ));
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
}

#[test]
fn a_stream_that_fails_leaves_the_others_alone() {
    let (mut script, id) = proposed();
    accept_chat(&mut script, id);
    script.ack(None);
    script.media_closed();
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(
        script.count("INVITE"),
        1,
        "the peer is told that the section is over"
    );
    let session = script.manager.session(id).expect("there");
    assert_eq!(session.streams().len(), 1);
}

/// RFC 3264 §8.1: a description would grow with each stream that comes and goes, and peers refuse what is too long.
#[test]
fn sections_of_streams_that_are_over_are_used_again() {
    let (mut script, id) = proposing();
    let mut number = 2;
    for round in 0..100 {
        let body = last_offer(&script);
        assert_eq!(body.matches("\r\nm=").count(), 2, "{round}: {body}");
        answer(&mut script, number, SECURE);
        let stream = script.media_ready();
        remove(&mut script, id, stream);
        answer(&mut script, number + 1, &refused(SECURE));
        add_chat(&mut script, id);
        number += 2;
    }
    // One that is refused keeps its section until both sides have given it up.
    script.respond("INVITE", 488, None);
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
    add_chat(&mut script, id);
    answer(&mut script, number, SECURE);
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 2);
}

/// A peer that sends one re-INVITE after the other, some of them before the last one is done: each is answered, none is taken twice,
/// and the session is as it was.
#[test]
fn a_storm_of_reinvites_is_answered_and_leaves_no_trace() {
    const STORM: u32 = 2_000;
    let (mut script, id) = running();
    let held = format!("{AUDIO}\na=sendonly");
    let opened = script.media().len();
    for number in 0..STORM {
        let media = if number % 2 == 0 { &held } else { AUDIO };
        script.request("INVITE", Some(&version(number + 2, media)));
        // Every third is not acknowledged before the next.
        if number % 3 != 0 {
            script.ack(None);
        }
    }
    script.ack(None);
    script.run_for(Duration::from_secs(1));
    let answers = script.sent.iter().filter_map(|message| message.as_response());
    let final_ones = answers.filter(|response| !response.status().is_provisional());
    let mut codes = final_ones
        .map(|response| response.status().as_u16())
        .collect::<Vec<_>>();
    assert!(codes.len() as u32 > STORM, "each is answered: {}", codes.len());
    codes.sort_unstable();
    codes.dedup();
    assert!(
        codes.iter().all(|code| [200, 491, 500].contains(code)),
        "{codes:?}"
    );
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
    assert_eq!(script.manager.sessions().count(), 1);
    assert!(
        !script.media()[opened..].iter().any(|command| command == "Stop"),
        "it is heard all along"
    );
    // What was a storm of proposals is asked about one at a time.
    let proposal = |number| version(number, &format!("{AUDIO}\n{CHAT}"));
    for number in 0..STORM {
        script.request("INVITE", Some(&proposal(STORM + number)));
    }
    let asked = script.events.iter();
    let asked = asked.filter(|(_, event)| matches!(event, SessionEvent::GotProposal { .. }));
    assert_eq!(asked.count(), 1);
    script.request("BYE", None);
    assert_eq!(script.state(id), None);
    script.run_for(Duration::from_mins(1));
    assert!(script.manager.is_idle(), "nothing is left of it");
}
