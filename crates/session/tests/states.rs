//! The state machine of sessions: its one table, its picture, and every state with every command and every sign on the
//! wire.

mod script;

use bytes::Bytes;
use offhook_account::Account;
use offhook_rtp_media::dtmf::Digit;
use offhook_sansio::Transport;
use offhook_session::media::StreamId;
use offhook_session::{
    AudioStream, ChatStream, Connect, MediaStream, SessionError, SessionId, SessionState, SessionTrigger,
};
use offhook_sip_core::{NameAddr, Route, SipUri, StatusCode};
use script::{Script, sdp, version};
use std::time::Duration;

const AUDIO: &str = "m=audio 5004 RTP/AVP 0";
const CHAT: &str = "m=message 7000 TCP/MSRP *\na=path:msrp://10.0.0.2:7000/peer;tcp\na=accept-types:text/plain\na=setup:passive";
const CHAT_BY_TLS: &str = "m=message 7000 TCP/TLS/MSRP *\na=path:msrps://10.0.0.2:7000/peer;tcp\na=accept-types:text/plain\n\
    a=setup:active\na=fingerprint:SHA-1 4A:AD:B9:B1:3F:82:18:3B:54:02:12:DF:3E:5D:49:6B:19:E5:7C:AB";

/// The states of sessions that a manager holds.
fn held() -> impl Iterator<Item = SessionState> {
    SessionState::ALL.into_iter().filter(|state| state.is_active())
}

fn audio() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(AudioStream::offer())]
}

fn chat() -> Vec<Box<dyn MediaStream>> {
    vec![Box::new(ChatStream::new())]
}

/// A session in that state; where it is established, the other side may have asked for a transfer that waits.
fn session_in(state: SessionState, is_transfer_wanted: bool) -> (Script, SessionId) {
    let mut script = Script::new();
    let id = match state {
        SessionState::Connecting => script.call(AudioStream::offer()),
        SessionState::Incoming => script.invite(Some(&sdp(AUDIO))),
        SessionState::Accepting => {
            let id = script.invite(Some(&sdp(AUDIO)));
            script.accept(id, AudioStream::offer()).expect("acceptable");
            id
        }
        _ => {
            let id = script.accepted(&sdp(AUDIO), AudioStream::offer());
            if is_transfer_wanted {
                script.request_with("REFER", "Refer-To: <sip:carol@10.0.0.3>\r\n", None);
            }
            script.accept_into(id, state);
            id
        }
    };
    assert_eq!(script.state(id), Some(state));
    (script, id)
}

impl Script {
    /// Brings an established session there.
    fn accept_into(&mut self, id: SessionId, state: SessionState) {
        let now = self.now;
        match state {
            SessionState::Connected => {}
            SessionState::SendingProposal => self.manager.add_streams(now, id, chat()).expect("connected"),
            SessionState::CancellingProposal => {
                self.accept_into(id, SessionState::SendingProposal);
                self.drain();
                self.respond("INVITE", 100, None);
                self.manager.cancel_proposal(now, id).expect("sending");
            }
            SessionState::ReceivedProposal => {
                self.request("INVITE", Some(&version(2, &format!("{AUDIO}\n{CHAT}"))));
            }
            SessionState::AcceptingProposal => {
                self.accept_into(id, SessionState::ReceivedProposal);
                self.manager.accept_proposal(now, id, chat()).expect("proposed");
            }
            SessionState::Terminating => self.manager.end(now, id).expect("established"),
            other => panic!("an established session is never {other}"),
        }
        self.drain();
    }
}

impl Script {
    /// Calls whom the other side wants us to call.
    fn accept_transfer(&mut self, id: SessionId) -> Result<SessionId, SessionError> {
        let connect = Connect {
            account: &Account::local("alice").expect("a name"),
            to: carol(),
            routes: vec![Route::new(Transport::Udp, ([10, 0, 0, 3], 5060).into())],
            streams: audio(),
        };
        self.manager.accept_transfer(self.now, id, connect)
    }

    /// A request in the session's dialog, or in what would be one.
    fn in_dialog(&mut self, state: SessionState, method: &str, sdp: Option<&str>) {
        match state {
            SessionState::Connecting => self.request_in_our_call(method, 1, sdp),
            SessionState::Incoming => {
                let (id, _) = self.manager.sessions().next().expect("there");
                self.manager.send_ring_indication(self.now, id).expect("it rings");
                self.drain();
                self.request(method, sdp);
            }
            _ => self.request(method, sdp),
        }
    }

    /// A response to what we asked last: to an INVITE or a BYE, or to nothing that we know.
    fn response_to_ours(&mut self, state: SessionState, code: u16, sdp: Option<&str>) {
        match state {
            SessionState::Connecting | SessionState::SendingProposal | SessionState::CancellingProposal => {
                self.respond("INVITE", code, sdp);
            }
            SessionState::Terminating => self.respond("BYE", code, None),
            _ => self.receive(Bytes::from(format!(
                "SIP/2.0 {code} Whatever\r\nVia: SIP/2.0/UDP 10.0.0.1:5060;branch=z9hG4bKnone\r\n\
                 From: <sip:alice@10.0.0.1>;tag=a\r\nTo: <sip:bob@10.0.0.2>;tag=peer\r\nCall-ID: script\r\n\
                 CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n"
            ))),
        }
    }
}

type Command = fn(&mut Script, SessionId) -> Result<(), SessionError>;

const COMMANDS: [(SessionTrigger, Command); 16] = [
    (SessionTrigger::Ring, |script, id| {
        script.manager.send_ring_indication(script.now, id)
    }),
    (SessionTrigger::Accept, |script, id| {
        script.manager.accept(script.now, id, audio())
    }),
    (SessionTrigger::Reject, |script, id| {
        script.manager.reject(script.now, id, StatusCode::DECLINE)
    }),
    (SessionTrigger::Redirect, |script, id| {
        script.manager.redirect(script.now, id, &[carol()])
    }),
    (SessionTrigger::Hold, |script, id| {
        script.manager.set_hold(script.now, id, true)
    }),
    (SessionTrigger::Unhold, |script, id| {
        script.manager.set_hold(script.now, id, false)
    }),
    (SessionTrigger::SendDigits, |script, id| {
        let digit = Digit::try_from('5').expect("a digit");
        script.manager.send_dtmf(script.now, id, digit)
    }),
    (SessionTrigger::AddStreams, |script, id| {
        script.manager.add_streams(script.now, id, chat())
    }),
    (SessionTrigger::RemoveStream, |script, id| {
        script.manager.remove_stream(script.now, id, StreamId(0))
    }),
    (SessionTrigger::CancelProposal, |script, id| {
        script.manager.cancel_proposal(script.now, id)
    }),
    (SessionTrigger::AcceptProposal, |script, id| {
        script.manager.accept_proposal(script.now, id, chat())
    }),
    (SessionTrigger::RejectProposal, |script, id| {
        script
            .manager
            .reject_proposal(script.now, id, StatusCode::DECLINE)
    }),
    (SessionTrigger::Transfer, |script, id| {
        script.manager.transfer(script.now, id, carol().uri)
    }),
    (SessionTrigger::AcceptTransfer, |script, id| {
        script.accept_transfer(id).map(drop)
    }),
    (SessionTrigger::RejectTransfer, |script, id| {
        script
            .manager
            .reject_transfer(script.now, id, StatusCode::DECLINE)
    }),
    (SessionTrigger::End, |script, id| {
        script.manager.end(script.now, id)
    }),
];

fn carol() -> NameAddr {
    NameAddr::new("sip:carol@10.0.0.3".parse::<SipUri>().expect("a URI").into())
}

fn is_about_their_transfer(command: SessionTrigger) -> bool {
    matches!(
        command,
        SessionTrigger::AcceptTransfer | SessionTrigger::RejectTransfer
    )
}

#[test]
fn each_command_in_each_state_does_what_the_table_says_or_names_itself_and_the_state() {
    for (trigger, command) in COMMANDS {
        for state in held() {
            let (mut script, id) = session_in(state, is_about_their_transfer(trigger));
            let outcome = command(&mut script, id);
            if let Some(next) = state.after(trigger) {
                outcome.unwrap_or_else(|error| panic!("{trigger:?} while {state}: {error}"));
                // A call that is refused is over at once: nothing that answers is awaited.
                let is_over = (state, next) == (SessionState::Incoming, SessionState::Terminating);
                let expected = (!is_over).then_some(next);
                assert_eq!(script.state(id), expected, "{trigger:?} while {state}");
                continue;
            }
            let error = outcome.expect_err("it does not fit").to_string();
            assert_eq!(error, format!("cannot {trigger} a session that is {state}"));
            assert_eq!(script.state(id), Some(state), "a refused command changes nothing");
        }
    }
}

#[test]
fn every_command_for_a_session_that_is_over_says_so() {
    for (trigger, command) in COMMANDS {
        let (mut script, id) = session_in(SessionState::Connected, false);
        script.request("BYE", None);
        assert_eq!(script.state(id), None);
        let error = command(&mut script, id).expect_err("it is over");
        assert!(matches!(error, SessionError::Unknown), "{trigger:?}: {error}");
    }
}

#[test]
fn a_session_without_streams_is_refused_and_can_still_be_answered() {
    let (mut script, id) = session_in(SessionState::Incoming, false);
    let refused = script.manager.accept(script.now, id, Vec::new());
    assert!(matches!(refused, Err(SessionError::NoStreams)));
    script.accept(id, AudioStream::offer()).expect("still there");
}

/// What a sign on the wire leads to.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Leads {
    /// Nowhere: it is answered, or ignored.
    Nowhere,
    /// There.
    To(SessionState),
    /// To the end.
    Out,
}

use Leads::{Nowhere as NO, Out, To};

type Sign = (&'static str, fn(&mut Script, SessionState), [Leads; 9]);

const UP: Leads = To(SessionState::Connected);

const ASKED: Leads = To(SessionState::ReceivedProposal);

/// In the order of [`held`]. An INVITE stands for an ACK that is late or lost as well (RFC 5407 §3.1.4).
const SIGNS: [Sign; 10] = [
    (
        "BYE",
        |script, state| script.in_dialog(state, "BYE", None),
        [NO, Out, Out, Out, Out, Out, Out, Out, Out],
    ),
    (
        "CANCEL",
        |script, _| script.cancel(),
        [NO, Out, NO, NO, NO, UP, NO, NO, NO],
    ),
    (
        "INVITE with another stream",
        |script, state| script.in_dialog(state, "INVITE", Some(&version(9, &format!("{AUDIO}\n{CHAT}")))),
        [NO, NO, ASKED, ASKED, NO, NO, UP, NO, NO],
    ),
    (
        "INVITE that holds",
        |script, state| {
            let held = version(9, &format!("{AUDIO}\na=sendonly"));
            script.in_dialog(state, "INVITE", Some(&held));
        },
        [NO, NO, UP, NO, NO, NO, UP, NO, NO],
    ),
    (
        "ACK",
        |script, state| match state {
            SessionState::Connecting => script.in_dialog(state, "ACK", None),
            _ => script.ack(None),
        },
        [NO, NO, UP, NO, NO, NO, UP, NO, NO],
    ),
    (
        "REFER",
        |script, _| script.request_with("REFER", "Refer-To: <sip:carol@10.0.0.3>\r\n", None),
        [NO; 9],
    ),
    (
        "180",
        |script, state| script.response_to_ours(state, 180, None),
        [NO; 9],
    ),
    (
        "200",
        |script, state| {
            let media = match state {
                SessionState::Connecting => AUDIO.to_owned(),
                _ => format!("{AUDIO}\n{CHAT_BY_TLS}"),
            };
            script.response_to_ours(state, 200, Some(&version(3, &media)));
        },
        [UP, NO, NO, NO, UP, NO, NO, UP, Out],
    ),
    (
        "603",
        |script, state| script.response_to_ours(state, 603, None),
        [Out, NO, NO, NO, UP, NO, NO, UP, Out],
    ),
    (
        "silence",
        |script, _| script.run_for(Duration::from_secs(40)),
        [Out, NO, Out, NO, Out, NO, Out, UP, Out],
    ),
];

#[test]
fn each_sign_on_the_wire_in_each_state_leads_where_the_table_says() {
    for (name, sign, leads) in SIGNS {
        for (state, leads) in held().zip(leads) {
            let (mut script, id) = session_in(state, false);
            sign(&mut script, state);
            let expected = match leads {
                NO => Some(state),
                To(next) => Some(next),
                Out => None,
            };
            assert_eq!(script.state(id), expected, "{name} while {state}");
        }
    }
}

#[test]
fn what_leads_somewhere_is_in_the_table() {
    // Every state can be reached, and every one but the last can be left.
    for state in SessionState::ALL {
        let leaves = SessionTrigger::ALL
            .iter()
            .filter_map(|trigger| state.after(*trigger));
        assert_eq!(leaves.count() == 0, state == SessionState::Terminated, "{state}");
        let reached = SessionState::ALL.iter().any(|from| {
            *from != state
                && SessionTrigger::ALL
                    .iter()
                    .any(|trigger| from.after(*trigger) == Some(state))
        });
        assert_eq!(reached, state != SessionState::Null, "{state}");
    }
}
