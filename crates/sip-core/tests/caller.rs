//! State by event: what a caller makes of each response (RFC 3261 §13.2.2). His commands are in `states.rs`.

mod support;

use offhook_sip_core::InvitationEvent;
use offhook_sip_core::InvitationState::{
    self, Calling, Confirmed, Connecting, Disconnected, Disconnecting, Early,
};
use std::cell::RefCell;
use std::rc::Rc;
use support::wire::{answer, cut};
use support::{BOB, Net};

/// Alice's call, before anything was answered or in the state that these answers lead to.
fn caller_after(before: &[u16]) -> (Net, Rc<RefCell<Vec<String>>>, String) {
    let mut net = Net::pair();
    let sent = cut(&mut net);
    net.call();
    let invite = sent.borrow()[0].clone();
    for status in before {
        net.inject(0, BOB, &final_or_not(&invite, *status));
    }
    sent.borrow_mut().clear();
    (net, sent, invite)
}

/// A 2xx has the answer.
fn final_or_not(invite: &str, status: u16) -> String {
    let text = answer(invite, status, "");
    if status / 100 == 2 {
        text.replace(
            "Content-Length: 0\n\n",
            "Content-Type: application/sdp\nContent-Length: 6\n\nanswer",
        )
    } else {
        text
    }
}

/// RFC 3261 §13.2.2: each class of response in each state of a caller; where it leads, and what is said at once.
#[test]
fn a_caller_takes_each_response_as_its_state_wants_it() {
    type Cell = (InvitationState, &'static str);
    let table: [(&[u16], InvitationState, [Cell; 7]); 4] = [
        // The response: 100, 180, 200, 302, 486, 503, 603.
        (
            &[],
            Calling,
            [
                (Calling, ""),
                (Early, ""),
                (Confirmed, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
            ],
        ),
        (
            &[180],
            Early,
            [
                (Early, ""),
                (Early, ""),
                (Confirmed, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
            ],
        ),
        // A 200 that is repeated is acknowledged again; others come too late (RFC 6026 §7.2).
        (
            &[200],
            Confirmed,
            [
                (Confirmed, ""),
                (Confirmed, ""),
                (Confirmed, "ACK"),
                (Confirmed, ""),
                (Confirmed, ""),
                (Confirmed, ""),
                (Confirmed, ""),
            ],
        ),
        // A rejection that is repeated is acknowledged by its transaction; a 200 behind it never comes from one peer.
        (
            &[486],
            Disconnected,
            [
                (Disconnected, ""),
                (Disconnected, ""),
                (Disconnected, ""),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
                (Disconnected, "ACK"),
            ],
        ),
    ];
    for (before, state, expected) in table {
        for (status, (after, says)) in [100, 180, 200, 302, 486, 503, 603].into_iter().zip(expected) {
            let (mut net, sent, invite) = caller_after(before);
            assert_eq!(state_of(&mut net), state);
            net.inject(0, BOB, &final_or_not(&invite, status));
            let said: Vec<String> = sent
                .borrow()
                .iter()
                .map(|text| text.split(' ').next().unwrap_or_default().to_owned())
                .collect();
            assert_eq!(state_of(&mut net), after, "{status} in {state}");
            assert_eq!(said.join(" "), says, "{status} in {state}");
        }
    }
}

/// RFC 3261 §9.1, §15: who gives up waits for what his CANCEL or BYE brings; a 200 that crosses it is acknowledged and ended.
#[test]
fn a_caller_who_gives_up_takes_each_response() {
    for (before, status, after, says) in [
        (&[][..], 180, Disconnecting, "CANCEL"),
        (&[180], 487, Disconnected, "ACK"),
        (&[180], 486, Disconnected, "ACK"),
        (&[180], 200, Disconnecting, "ACK BYE"),
        (&[180], 180, Disconnecting, ""),
    ] {
        let (mut net, sent, invite) = caller_after(before);
        net.end(0);
        net.drain();
        let cancels = sent.borrow().iter().any(|text| text.starts_with("CANCEL "));
        assert_eq!(
            cancels,
            !before.is_empty(),
            "RFC 3261 §9.1: not before a provisional response"
        );
        sent.borrow_mut().clear();
        net.inject(0, BOB, &final_or_not(&invite, status));
        let said: Vec<String> = sent
            .borrow()
            .iter()
            .map(|text| text.split(' ').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(said.join(" "), says, "{status} after {before:?}");
        assert_eq!(state_of(&mut net), after, "{status} after {before:?}");
    }
}

/// The newest state that the caller was told.
fn state_of(net: &mut Net) -> InvitationState {
    let events = net.peers[0].invitation_events();
    let states = events.filter_map(|event| match event {
        InvitationEvent::StateChanged { state, .. } => Some(*state),
        _ => None,
    });
    let newest = states.last().expect("a call");
    // That the callee's answer has come is told apart from that it stands, in one step.
    if newest == Connecting { Confirmed } else { newest }
}
