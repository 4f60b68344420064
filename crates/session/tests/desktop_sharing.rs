//! A shared desktop against a peer that says what it likes: who sees whom, and what is told when it fails.

mod script;

use bytes::Bytes;
use offhook_session::media::{MsrpEvent, RFB_PIECES_GIVEN, RfbContext, RfbEvent};
use offhook_session::{
    AudioStream, DesktopSharingEvent, DesktopSharingHandler, DesktopSharingStream, MediaStream, RfbRole,
    SessionEvent, SessionId, SessionState, StreamDescription, StreamError, StreamEvent,
};
use script::{Script, sdp, version};
use std::net::SocketAddr;
use std::time::Duration;

const AUDIO: &str = "m=audio 5004 RTP/AVP 0";

/// A peer's section, with these lines at its end.
fn desktop(lines: &str) -> String {
    format!(
        "m=application 7000 TCP/MSRP *\na=path:msrp://10.0.0.2:7000/peer;tcp\n\
         a=accept-types:application/x-rfb{lines}"
    )
}

/// The same over TLS, as our offers want it.
fn secure(lines: &str) -> String {
    let fingerprint = "\na=fingerprint:SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";
    desktop(&format!("{lines}{fingerprint}"))
        .replace("TCP/MSRP", "TCP/TLS/MSRP")
        .replace("msrp:", "msrps:")
}

fn viewer() -> DesktopSharingStream {
    DesktopSharingStream::new(DesktopSharingHandler::InternalViewer)
}

fn server() -> DesktopSharingStream {
    DesktopSharingStream::new(DesktopSharingHandler::InternalServer)
}

fn boxed(stream: DesktopSharingStream) -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(stream)]
}

/// The body of our last INVITE.
fn offered(script: &Script) -> String {
    String::from_utf8_lossy(script.last_request("INVITE").body()).into_owned()
}

/// What the streams told, in order.
fn told(script: &Script) -> Vec<StreamEvent> {
    let events = script.events.iter();
    let of_streams = events.filter_map(|(_, event)| match event {
        SessionEvent::Stream { event, .. } => Some(event.clone()),
        _ => None,
    });
    of_streams.collect()
}

/// A session with a desktop alone that runs, offered by the peer.
fn running(role: &str, stream: DesktopSharingStream) -> (Script, SessionId) {
    let mut script = Script::new();
    let offer = desktop(&format!("\na=setup:passive\na=rfbsetup:{role}"));
    let id = script.invite(Some(&sdp(&offer)));
    script.accept(id, stream).expect("acceptable");
    script.ack(None);
    script.media_ready();
    assert_eq!(script.state(id), Some(SessionState::Connected));
    (script, id)
}

fn with<R>(
    script: &mut Script,
    id: SessionId,
    command: impl FnOnce(
        &mut DesktopSharingStream,
        &mut offhook_session::StreamContext<'_>,
    ) -> Result<R, StreamError>,
) -> Result<R, String> {
    let done = script.manager.with_stream(script.now, id, None, command);
    script.drain();
    done.map_err(|error| error.to_string())
}

#[test]
fn an_offer_says_what_is_carried_and_who_sees() {
    for (stream, role) in [(viewer(), "active"), (server(), "passive")] {
        let mut script = Script::new();
        script.call(stream);
        let body = offered(&script);
        for line in [
            "m=application 40000 TCP/TLS/MSRP *",
            "a=path:msrps://10.0.0.1:40000/here0;tcp",
            "a=accept-types:application/x-rfb",
            "a=setup:actpass",
            &format!("a=rfbsetup:{role}"),
        ] {
            assert!(body.contains(&format!("{line}\r\n")), "{line} in {body}");
        }
    }
}

/// The connection's `setup` and the desktop's `rfbsetup` have nothing to do with each other.
#[test]
fn either_side_may_connect_and_either_may_see() {
    for (setup, ours) in [
        ("\na=setup:actpass", "active"),
        ("\na=setup:passive", "active"),
        ("\na=setup:active", "passive"),
        ("", "passive"),
    ] {
        for (role, stream, answer) in [
            ("\na=rfbsetup:active", server(), "passive"),
            ("\na=rfbsetup:passive", viewer(), "active"),
            // Who says nothing wants to see.
            ("", server(), "passive"),
        ] {
            let mut script = Script::new();
            let id = script.invite(Some(&sdp(&desktop(&format!("{setup}{role}")))));
            script.accept(id, stream).expect("acceptable");
            let (code, body) = script.last_response();
            assert_eq!(code, 200, "{setup}{role}");
            for line in [format!("a=setup:{ours}"), format!("a=rfbsetup:{answer}")] {
                assert!(
                    body.contains(&format!("{line}\r\n")),
                    "{setup}{role}: {line} in {body}"
                );
            }
        }
    }
}

#[test]
fn a_proposal_tells_what_we_shall_be() {
    for (role, ours) in [("active", RfbRole::Server), ("passive", RfbRole::Viewer)] {
        let mut script = Script::new();
        script.invite(Some(&sdp(&desktop(&format!("\na=rfbsetup:{role}")))));
        let SessionEvent::NewIncoming { streams, .. } = script.last_event() else {
            panic!("{:?}", script.last_event())
        };
        match streams.iter().next() {
            Some(StreamDescription::DesktopSharing(desktop)) => assert_eq!(desktop.role, ours),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn two_viewers_have_nothing_to_see() {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(&desktop("\na=rfbsetup:active"))));
    script.accept(id, viewer()).expect_err("both want to see");
    // And one that is answered by another viewer.
    let mut script = Script::new();
    script.call(viewer());
    let answer = secure("\na=setup:active\na=rfbsetup:active");
    script.respond("INVITE", 200, Some(&sdp(&answer)));
    let reason = failure(&script);
    assert_eq!(reason, "both sides are to be the viewer");
}

/// Why the session that we wanted came to nothing.
#[track_caller]
fn failure(script: &Script) -> String {
    let reasons = told(script).into_iter().filter_map(|event| match event {
        StreamEvent::DidFail { reason } => Some(reason),
        _ => None,
    });
    reasons.last().expect("a stream failed")
}

#[test]
fn sections_that_are_no_desktop_are_not_told_as_one_and_not_taken() {
    for section in [
        desktop("\na=rfbsetup:whatever"),
        desktop("").replace("x-rfb", "x-other"),
        desktop("").replace("a=accept-types:application/x-rfb", "a=x"),
        desktop("").replace("TCP/MSRP", "TCP/BFCP"),
        desktop("").replace("a=path", "a=wrong-path"),
    ] {
        for stream in [viewer(), server()] {
            let mut script = Script::new();
            let id = script.invite(Some(&sdp(&section)));
            let SessionEvent::NewIncoming { streams, .. } = script.last_event() else {
                panic!("{:?}", script.last_event())
            };
            assert!(streams.is_empty(), "{section}: {streams:?}");
            script.accept(id, stream).expect_err(&section);
        }
    }
}

#[test]
fn an_answer_that_takes_no_rfb_is_no_desktop() {
    let mut script = Script::new();
    script.call(server());
    let answer = secure("\na=setup:active\na=rfbsetup:active").replace("x-rfb", "x-vnc");
    script.respond("INVITE", 200, Some(&sdp(&answer)));
    assert_eq!(
        failure(&script),
        "the other side takes application/x-vnc, not application/x-rfb"
    );
}

#[test]
fn where_a_viewer_is_waited_for_is_told_before_anybody_answers() {
    let mut script = Script::new();
    let id = script.call(DesktopSharingStream::new(DesktopSharingHandler::external_viewer()));
    let described = with(&mut script, id, |stream, _| Ok(stream.describe()));
    let Ok(StreamDescription::DesktopSharing(desktop)) = described else {
        panic!("{described:?}")
    };
    let expected: SocketAddr = "127.0.0.1:45900".parse().expect("an address");
    assert_eq!(desktop.viewer_address, Some(expected));
}

#[test]
fn a_port_that_is_taken_is_told_at_once_and_leaves_nothing_open() {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(&desktop("\na=rfbsetup:passive"))));
    let handler = DesktopSharingHandler::ExternalViewer {
        address: "127.0.0.1:5901".parse().expect("an address"),
        connect_timeout: Duration::from_secs(1),
    };
    let error = script.accept(id, DesktopSharingStream::new(handler));
    assert_eq!(
        error.expect_err("taken"),
        "cannot wait for a VNC viewer at 127.0.0.1:5901: somebody is there"
    );
    assert_eq!(script.media(), ["Stop"], "the port for messages is given back");
}

#[test]
fn data_goes_both_ways_and_a_fast_application_has_to_wait() {
    let (mut script, id) = running("active", server());
    script.media_event(MsrpEvent::Rfb(RfbEvent::Data(Bytes::from_static(
        b"RFB 003.008\n",
    ))));
    assert!(matches!(
        told(&script).last(),
        Some(StreamEvent::DesktopSharing(DesktopSharingEvent::GotData { data })) if &data[..] == b"RFB 003.008\n"
    ));
    with(&mut script, id, |desktop, cx| {
        desktop.event_taken(cx);
        Ok(())
    })
    .expect("it runs");
    for _ in 0..RFB_PIECES_GIVEN {
        with(&mut script, id, |stream, cx| stream.send(cx, "frame")).expect("room");
    }
    let refused = with(&mut script, id, |stream, cx| stream.send(cx, "frame"));
    assert_eq!(
        refused.expect_err("full"),
        "64 pieces wait already for the other side to take them"
    );
    let count = |script: &Script, name: &str| {
        let commands = script.msrp_commands();
        commands.iter().filter(|command| command.contains(name)).count()
    };
    assert_eq!(count(&script, "Send"), RFB_PIECES_GIVEN);
    assert_eq!(count(&script, "Taken"), 1);
    for gone in 1..=RFB_PIECES_GIVEN {
        script.media_event(MsrpEvent::Rfb(RfbEvent::Sent));
        let may_go_on = matches!(
            told(&script).last(),
            Some(StreamEvent::DesktopSharing(DesktopSharingEvent::CanSend))
        );
        assert_eq!(may_go_on, gone == RFB_PIECES_GIVEN, "after {gone}");
    }
    with(&mut script, id, |stream, cx| stream.send(cx, "frame")).expect("room again");
}

#[test]
fn only_an_internal_handler_that_runs_takes_data() {
    let handler = DesktopSharingHandler::external_server("localhost:5900");
    let (mut script, id) = running("active", DesktopSharingStream::new(handler));
    let sent = with(&mut script, id, |stream, cx| stream.send(cx, "frame"));
    assert_eq!(sent.expect_err("external"), "the desktop stream is not running");
    let mut script = Script::new();
    let id = script.call(server());
    let sent = with(&mut script, id, |stream, cx| stream.send(cx, "frame"));
    assert_eq!(
        sent.expect_err("nobody answered"),
        "the desktop stream is not running"
    );
}

/// The document's order: `DesktopSharingHandlerDidFail`, then the stream's own failure.
#[test]
fn a_vnc_program_that_is_gone_ends_the_stream_with_its_reason() {
    let (mut script, id) = running("active", server());
    let (context, reason) = (
        RfbContext::Reading,
        "the VNC server closed its connection".to_owned(),
    );
    script.media_event(MsrpEvent::Rfb(RfbEvent::Failed { context, reason }));
    let names: Vec<_> = told(&script)
        .iter()
        .map(|event| {
            let text = format!("{event:?}");
            let name = text.split([' ', '(']).next().unwrap_or_default().to_owned();
            if text.contains("HandlerDidFail") {
                "HandlerDidFail".to_owned()
            } else {
                name
            }
        })
        .collect();
    assert_eq!(
        names,
        [
            "DidInitialize",
            "DidStart",
            "HandlerDidFail",
            "DidFail",
            "WillEnd",
            "DidEnd"
        ]
    );
    assert_eq!(failure(&script), "the VNC server closed its connection");
    assert_eq!(script.count("BYE"), 1, "there was nothing else in the session");
    assert_eq!(script.state(id), Some(SessionState::Terminating));
}

#[test]
fn a_call_lives_on_without_its_desktop() {
    let mut script = Script::new();
    let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
    let wanted = desktop("\na=setup:passive\na=rfbsetup:active");
    script.request("INVITE", Some(&version(2, &format!("{AUDIO}\n{wanted}"))));
    script
        .manager
        .accept_proposal(script.now, id, boxed(server()))
        .expect("proposed");
    script.drain();
    script.ack(None);
    script.media_ready();
    script.media_closed();
    assert_eq!(failure(&script), "the connection is over: the wire was cut");
    assert_eq!(script.state(id), Some(SessionState::Connected));
    let session = script.manager.session(id).expect("there");
    assert_eq!(session.streams().len(), 1);
}

/// A stream that fails while the others are still about to run is no reason to end them.
#[test]
fn a_desktop_that_fails_at_once_leaves_the_call_that_begins() {
    let mut script = Script::new();
    let wanted = desktop("\na=setup:passive\na=rfbsetup:active");
    let id = script.invite(Some(&sdp(&format!("{AUDIO}\n{wanted}"))));
    let streams: Vec<Box<dyn MediaStream>> = vec![Box::new(AudioStream::offer()), Box::new(server())];
    script
        .manager
        .accept(script.now, id, streams)
        .expect("acceptable");
    script.drain();
    script.ack(None);
    assert_eq!(script.state(id), Some(SessionState::Accepting));
    script.media_closed();
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
    assert_eq!(
        script.count("INVITE"),
        1,
        "the peer is told that the section is over"
    );
}

/// The peer may be done with its side while ours still connects, and take a section away again.
#[test]
fn a_section_that_is_taken_away_while_the_session_begins_leaves_the_rest() {
    let both = |desktop: &str| {
        version(
            if desktop.contains("7000") { 1 } else { 2 },
            &format!("{AUDIO}\n{desktop}"),
        )
    };
    let mut script = Script::new();
    let streams: Vec<Box<dyn MediaStream>> = vec![Box::new(AudioStream::offer()), Box::new(viewer())];
    let id = script.call_with(streams);
    let answer = both(&secure("\na=setup:active\na=rfbsetup:passive"));
    script.respond("INVITE", 200, Some(&answer));
    assert_eq!(
        script.state(id),
        Some(SessionState::Connecting),
        "the desktop connects"
    );
    script.request_in_our_call("INVITE", 1, Some(&both("m=application 0 TCP/TLS/MSRP *")));
    assert_eq!(script.last_response().0, 200);
    script.request_in_our_call("ACK", 1, None);
    assert_eq!(script.state(id), Some(SessionState::Connected));
    assert_eq!(script.manager.session(id).expect("there").streams().len(), 1);
}
