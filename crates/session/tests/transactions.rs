//! What is told of the transactions of a call (`SIPSessionDidProcessTransaction`): INVITE, re-INVITE and BYE, both roles.

mod script;

use offhook_session::{AudioStream, ChatStream, SessionState};
use offhook_sip_core::StatusCode;
use script::{Script, sdp, version};
use std::time::Duration;

const AUDIO: &str = "m=audio 5004 RTP/AVP 0";
const HELD: &str = "m=audio 5004 RTP/AVP 0\na=sendonly";
const CHAT: &str = "m=message 7000 TCP/MSRP *\na=path:msrp://10.0.0.2:7000/peer;tcp\na=accept-types:text/plain\na=setup:passive";

/// Longer than any transaction waits (RFC 3261 §17.1.1.2).
const GIVEN_UP: Duration = Duration::from_secs(40);

#[test]
fn our_call_its_changes_and_our_bye_are_told_with_their_final_responses() {
    let mut script = Script::new();
    let id = script.call(AudioStream::offer());
    script.respond("INVITE", 180, None);
    assert_eq!(
        script.transactions, [""; 0],
        "a provisional response completes nothing"
    );
    script.respond("INVITE", 200, Some(&sdp(AUDIO)));
    // The same again is a repetition.
    script.respond("INVITE", 200, Some(&sdp(AUDIO)));
    assert_eq!(script.transactions, ["local INVITE 200 OK"]);
    script.manager.set_hold(script.now, id, true).expect("connected");
    script.drain();
    script.respond("INVITE", 488, None);
    assert_eq!(
        script.transactions.last().unwrap(),
        "local INVITE 488 Not Acceptable Here"
    );
    script.manager.set_hold(script.now, id, true).expect("connected");
    script.drain();
    let held = AUDIO.to_owned() + "\na=recvonly";
    script.respond("INVITE", 200, Some(&version(2, &held)));
    script.manager.end(script.now, id).expect("connected");
    script.drain();
    script.respond("BYE", 200, None);
    assert_eq!(
        script.transactions[2..],
        ["local INVITE 200 OK", "local BYE 200 OK"]
    );
}

#[test]
fn their_call_its_changes_and_their_bye_are_told_with_their_acknowledgements() {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(AUDIO)));
    script.accept(id, AudioStream::offer()).expect("acceptable");
    assert_eq!(script.transactions, [""; 0], "without its ACK it is not complete");
    script.ack(None);
    script.ack(None);
    assert_eq!(script.transactions, ["remote INVITE 200 OK, ACK: true"]);
    script.request("INVITE", Some(&version(2, HELD)));
    script.ack(None);
    script.request("INVITE", Some(&version(3, &format!("{AUDIO}\n{CHAT}"))));
    script
        .manager
        .reject_proposal(script.now, id, StatusCode::DECLINE)
        .expect("proposed");
    script.drain();
    script.ack(None);
    script.request("INVITE", Some(&version(3, &format!("{AUDIO}\n{CHAT}"))));
    script.cancel();
    script.ack(None);
    script.request("INVITE", Some("nothing that could be read"));
    script.ack(None);
    assert_eq!(
        script.transactions[1..],
        [
            "remote INVITE 200 OK, ACK: true",
            "remote INVITE 603 Decline",
            "remote INVITE 487 Request Terminated",
            "remote INVITE 488 Not Acceptable Here",
        ]
    );
    script.request("BYE", None);
    assert_eq!(script.transactions[5..], ["remote BYE 200 OK"]);
}

#[test]
fn a_call_that_comes_to_nothing_is_told_by_the_end_of_its_invite() {
    for (code, told) in [
        (486, "local INVITE 486 Busy Here"),
        (603, "local INVITE 603 Decline"),
    ] {
        let mut script = Script::new();
        script.call(AudioStream::offer());
        script.respond("INVITE", code, None);
        assert_eq!(script.transactions, [told]);
    }
    let mut script = Script::new();
    script.call(AudioStream::offer());
    script.run_for(GIVEN_UP);
    assert_eq!(script.transactions, ["local INVITE 408 timeout"]);

    let mut script = Script::new();
    let id = script.call(AudioStream::offer());
    script.respond("INVITE", 180, None);
    script.manager.end(script.now, id).expect("it rings");
    script.drain();
    script.respond("CANCEL", 200, None);
    script.respond("INVITE", 487, None);
    assert_eq!(script.transactions, ["local INVITE 487 Request Terminated"]);

    let mut script = Script::new();
    let id = script.invite(Some(&sdp(AUDIO)));
    script
        .manager
        .reject(script.now, id, StatusCode::BUSY_HERE)
        .expect("it rings");
    script.drain();
    script.ack(None);
    assert_eq!(script.transactions, ["remote INVITE 486 Busy Here"]);

    let mut script = Script::new();
    script.invite(Some(&sdp(AUDIO)));
    script.cancel();
    script.ack(None);
    assert_eq!(script.transactions, ["remote INVITE 487 Request Terminated"]);
}

#[test]
fn what_is_never_acknowledged_or_answered_is_told_as_such() {
    let mut script = Script::new();
    let id = script.invite(Some(&sdp(AUDIO)));
    script.accept(id, AudioStream::offer()).expect("acceptable");
    script.run_for(GIVEN_UP);
    assert_eq!(script.transactions, ["remote INVITE 200 OK, ACK: false"]);

    let mut script = Script::new();
    let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
    let chat = Box::new(ChatStream::new());
    script
        .manager
        .add_streams(script.now, id, vec![chat])
        .expect("connected");
    script.drain();
    script.run_for(GIVEN_UP);
    assert_eq!(script.transactions[1..], ["local INVITE 408 timeout"]);

    let mut script = Script::new();
    let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
    script.manager.end(script.now, id).expect("connected");
    script.run_for(GIVEN_UP);
    assert_eq!(script.transactions[1..], ["local BYE 408 timeout"]);
    assert_eq!(script.state(id), None::<SessionState>);
}
