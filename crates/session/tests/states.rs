//! Every state of a session with every command: done, or refused with the names of both.

mod script;

use offhook_rtp_media::dtmf::Digit;
use offhook_session::{AudioStream, MediaStream, SessionError, SessionId, SessionState};
use offhook_sip_core::StatusCode;
use script::{Script, sdp};

const OFFER: &str = "m=audio 5004 RTP/AVP 0";

/// A command, its verb in the error, and whether it is legal in each of [`STATES`].
type Row = (
    fn(&mut Script, SessionId) -> Result<(), SessionError>,
    &'static str,
    [bool; 5],
);

const STATES: [SessionState; 5] = [
    SessionState::Connecting,
    SessionState::Incoming,
    SessionState::Accepting,
    SessionState::Connected,
    SessionState::Terminating,
];

const TABLE: [Row; 7] = [
    (
        |script, id| script.manager.send_ring_indication(script.now, id),
        "ring",
        [false, true, false, false, false],
    ),
    (
        |script, id| {
            let stream: Box<dyn MediaStream> = Box::new(AudioStream::offer());
            script.manager.accept(script.now, id, vec![stream])
        },
        "accept",
        [false, true, false, false, false],
    ),
    (
        |script, id| script.manager.reject(script.now, id, StatusCode::DECLINE),
        "reject",
        [false, true, false, false, false],
    ),
    (
        |script, id| script.manager.set_hold(script.now, id, true),
        "hold",
        [true, true, true, true, false],
    ),
    (
        |script, id| script.manager.set_hold(script.now, id, false),
        "unhold",
        [true, true, true, true, false],
    ),
    (
        |script, id| {
            script
                .manager
                .send_dtmf(script.now, id, Digit::try_from('5').expect("a digit"))
        },
        "send digits in",
        [false, false, false, true, false],
    ),
    // Ending what ends is no mistake: whoever is late means the same.
    (
        |script, id| script.manager.end(script.now, id),
        "end",
        [true, true, true, true, true],
    ),
];

fn session_in(state: SessionState) -> (Script, SessionId) {
    let mut script = Script::new();
    let id = match state {
        SessionState::Connecting => script.call(AudioStream::offer()),
        SessionState::Incoming => script.invite(Some(&sdp(OFFER))),
        SessionState::Accepting => {
            let id = script.invite(Some(&sdp(OFFER)));
            script.accept(id, AudioStream::offer()).expect("acceptable");
            id
        }
        SessionState::Connected => script.accepted(&sdp(OFFER), AudioStream::offer()),
        SessionState::Terminating => {
            let id = script.accepted(&sdp(OFFER), AudioStream::offer());
            script.manager.end(script.now, id).expect("established");
            script.drain();
            id
        }
        other => panic!("a session that a manager holds is never {other}"),
    };
    assert_eq!(script.state(id), Some(state));
    (script, id)
}

#[test]
fn each_command_is_carried_out_or_names_itself_and_the_state() {
    for (command, verb, legal) in TABLE {
        for (state, legal) in STATES.into_iter().zip(legal) {
            let (mut script, id) = session_in(state);
            let outcome = command(&mut script, id);
            if legal {
                outcome.unwrap_or_else(|error| panic!("{verb} while {state}: {error}"));
                continue;
            }
            let error = outcome.expect_err(verb).to_string();
            assert_eq!(error, format!("cannot {verb} a session that is {state}"));
            assert_eq!(script.state(id), Some(state), "a refused command changes nothing");
        }
    }
}

#[test]
fn every_command_for_a_session_that_is_over_says_so() {
    for (command, verb, _) in TABLE {
        let (mut script, id) = session_in(SessionState::Connected);
        script.request("BYE", None);
        assert_eq!(script.state(id), None);
        let error = command(&mut script, id).expect_err(verb);
        assert!(matches!(error, SessionError::Unknown), "{verb}: {error}");
    }
}

#[test]
fn a_session_without_streams_is_refused_and_can_still_be_answered() {
    let (mut script, id) = session_in(SessionState::Incoming);
    let refused = script.manager.accept(script.now, id, Vec::new());
    assert!(matches!(refused, Err(SessionError::NoStreams)));
    script.accept(id, AudioStream::offer()).expect("still there");
}
