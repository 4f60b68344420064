//! The dialog state machine of RFC 5407 §2 and the flows of its appendices A to E, each named by its section, in virtual
//! time; the races of §3 are in `races`, forks that win and lose also in `forks`.
//!
//! Preparative is `Calling` or `Incoming`, Moratorium is `Connecting`, Established is `Confirmed`, Mortal is `Disconnecting`,
//! or `Disconnected` while transactions live, and in the Morgue the endpoint knows nothing any more.

mod support;

use offhook_sip_core::InvitationState::{
    Calling, Confirmed, Connecting, Disconnected, Disconnecting, Early, Incoming,
};
use offhook_sip_core::{Body, InvitationState, StatusCode};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::branches::{branch_responds, forked};
use support::wire::{answer, cut, field, of_alice};
use support::{ALICE, BOB, Net, T1};

const SHORT: Duration = Duration::from_millis(100);

fn assert_morgue(net: &mut Net, who: usize) {
    net.run(Duration::from_secs(70));
    let peer = &net.peers[who];
    assert_eq!(peer.states().last(), Some(&Disconnected));
    assert_eq!(peer.endpoint.invitation_count(), 0);
    assert_eq!(peer.endpoint.poll_timeout(), None);
}

/// Figure 1: what the caller's state becomes by responses, each of the branch behind it.
#[test]
fn section_2_figure_1_the_caller() {
    let check = |responses: &[(&str, &str)], expected: &[InvitationState]| {
        let (mut net, invite) = forked();
        for (status, tag) in responses {
            branch_responds(&mut net, &invite, status, tag);
        }
        assert_eq!(net.alice().states(), expected, "{responses:?}");
        if expected.last() == Some(&Disconnected) {
            assert_eq!(net.count("ACK"), 1, "by the transaction: {responses:?}");
            assert_morgue(&mut net, 0);
        }
    };
    let (ringing, ok, busy) = ("180 Ringing", "200 OK", "486 Busy Here");
    check(&[("100 Trying", "a")], &[Calling]);
    check(&[(busy, "a")], &[Calling, Disconnected]);
    check(&[(ringing, "a"), (busy, "a")], &[Calling, Early, Disconnected]);
    check(&[(ringing, "a"), (busy, "b")], &[Calling, Early, Disconnected]);
    check(&[(ok, "a")], &[Calling, Connecting, Confirmed]);
    check(
        &[(ringing, "a"), (ok, "a")],
        &[Calling, Early, Connecting, Confirmed],
    );
    check(
        &[(ringing, "a"), (ok, "b")],
        &[Calling, Early, Connecting, Confirmed],
    );
    check(&[(ringing, "a"), (ringing, "b")], &[Calling, Early, Early]);
    // Established is left by no response.
    check(
        &[(ok, "a"), (ok, "a"), (busy, "a")],
        &[Calling, Connecting, Confirmed],
    );
}

/// Figure 1, Confirmed to Terminated: BYE sent or received, and 2xx in the Mortal state gets its ACK.
#[test]
fn section_2_figure_1_the_caller_ends() {
    let (mut net, invite) = forked();
    branch_responds(&mut net, &invite, "200 OK", "a");
    let now = net.now;
    let sent = cut(&mut net);
    net.alice().call().end(now).expect("it stands");
    net.drain();
    let bye = sent.borrow()[0].clone();
    assert_eq!(net.alice().states().last(), Some(&Disconnecting));
    branch_responds(&mut net, &invite, "200 OK", "a");
    assert!(sent.borrow()[1].starts_with("ACK "), "{:?}", sent.borrow());
    net.inject(0, BOB, &answer(&bye, 200, ""));
    assert_eq!(net.alice().states().last(), Some(&Disconnected));
    branch_responds(&mut net, &invite, "200 OK", "a");
    assert!(sent.borrow()[2].starts_with("ACK "), "{:?}", sent.borrow());
    assert_morgue(&mut net, 0);
}

/// Figure 2: what the callee's state becomes.
#[test]
fn section_2_figure_2_the_callee() {
    let check = |rings: bool, status: u16, expected: &[InvitationState]| {
        let mut net = Net::pair();
        net.call();
        if rings {
            net.ring();
            net.run(SHORT);
        }
        let now = net.now;
        if status == 200 {
            net.fate = Box::new(|transmit| !transmit.bytes.starts_with(b"ACK"));
            net.accept(Some("answer"));
            net.run(SHORT);
            assert_eq!(net.bob().states().last(), Some(&Connecting), "Moratorium");
            net.run(T1);
            assert!(net.count("200 OK") > 1, "it is repeated until its ACK comes");
            net.fate = Box::new(|_| true);
            net.run(T1 * 4);
        } else {
            let status = StatusCode::new(status).expect("a status");
            net.bob().call().reject(now, status, None, &[]).expect("incoming");
            net.run(SHORT);
        }
        assert_eq!(net.bob().states(), expected, "{rings} {status}");
        if expected.last() == Some(&Disconnected) {
            assert_morgue(&mut net, 1);
        }
    };
    check(false, 486, &[Incoming, Disconnected]);
    check(true, 486, &[Incoming, Early, Disconnected]);
    check(false, 200, &[Incoming, Connecting, Confirmed]);
    check(true, 200, &[Incoming, Early, Connecting, Confirmed]);
}

/// Figure 2, Early to Terminated: the BYE gets its 200, and the INVITE 487 (RFC 3261 §15.1.2).
#[test]
fn section_2_figure_2_and_appendix_a_a_bye_ends_the_early_dialog_of_the_callee() {
    let mut net = Net::pair();
    net.call();
    net.ring();
    net.run(SHORT);
    let bye = of_alice(&mut net, "BYE", 2);
    net.log.clear();
    net.inject(1, ALICE, &bye);
    assert_eq!((net.count("200 OK"), net.count("487")), (1, 1));
    assert_eq!(net.bob().states(), [Incoming, Early, Disconnected]);
    assert_morgue(&mut net, 1);
}

/// Appendix A, the caller's side: whatever he gave up, a dialog that another branch begins is ended in its turn.
#[test]
fn appendix_a_a_caller_who_has_given_up_ends_what_another_branch_begins() {
    let (mut net, invite) = forked();
    branch_responds(&mut net, &invite, "180 Ringing", "a");
    let now = net.now;
    let sent = cut(&mut net);
    net.alice().call().end(now).expect("early");
    net.drain();
    assert!(sent.borrow()[0].starts_with("CANCEL "), "RFC 5407 §2: not BYE");
    branch_responds(&mut net, &invite, "200 OK", "b");
    let last: Vec<String> = sent.borrow()[1..].to_vec();
    assert!(
        last[0].starts_with("ACK sip:b@") && last[1].starts_with("BYE sip:b@"),
        "{last:?}"
    );
    net.inject(0, BOB, &answer(&last[1], 200, ""));
    assert_eq!(net.alice().states().last(), Some(&Disconnected));
    assert!(!net.alice().states().contains(&Confirmed));
    assert_morgue(&mut net, 0);
}

/// The re-INVITE is lost, the BYE is not, and the re-INVITE comes again.
#[test]
fn appendix_b_a_bye_overlaps_a_reinvite() {
    let mut net = Net::established();
    let mut is_first = true;
    net.fate = Box::new(move |transmit| {
        let is_lost = is_first && transmit.bytes.starts_with(b"INVITE");
        is_first &= !is_lost;
        !is_lost
    });
    let now = net.now;
    let mut call = net.alice().call();
    call.reinvite(now, Some(Body::sdp("x"))).expect("confirmed");
    call.end(now).expect("it stands");
    net.run(SHORT);
    assert_eq!(
        (net.count("INVITE"), net.count("BYE"), net.count("200 OK")),
        (1, 1, 1)
    );
    net.run(T1);
    assert_eq!(
        (net.count("INVITE"), net.count("481"), net.count("ACK")),
        (2, 1, 1)
    );
    assert_morgue(&mut net, 0);
    assert_morgue(&mut net, 1);
}

/// Figure 3: CANCEL before the final response means 487, and afterwards nothing.
#[test]
fn appendix_c_cancel_at_the_callee() {
    for rings in [false, true] {
        let (mut net, invite) = called();
        if rings {
            net.ring();
            net.run(SHORT);
        }
        let sent = cut(&mut net);
        let state = net.bob().call().state();
        assert_eq!(state, if rings { Early } else { Incoming });
        cancel(&mut net, &invite);
        let lines: Vec<String> = sent.borrow().iter().map(|text| first_line(text)).collect();
        assert!(lines.iter().any(|line| line == "SIP/2.0 200 OK"), "{lines:?}");
        assert!(
            lines.iter().any(|line| line == "SIP/2.0 487 Request Terminated"),
            "{lines:?}"
        );
        assert_eq!(net.bob().states().last(), Some(&Disconnected));
    }
    let (mut net, invite) = called();
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_eq!(net.bob().states().last(), Some(&Confirmed));
    let sent = cut(&mut net);
    cancel(&mut net, &invite);
    assert_eq!(sent.borrow().len(), 1, "the CANCEL is answered, and that is all");
    assert_eq!(net.bob().call().state(), Confirmed);
}

/// Alice's INVITE, which has reached Bob.
fn called() -> (Net, String) {
    let mut net = Net::pair();
    let sent = Rc::new(RefCell::new(String::new()));
    let seen = sent.clone();
    net.fate = Box::new(move |transmit| {
        if transmit.bytes.starts_with(b"INVITE") {
            *seen.borrow_mut() = String::from_utf8_lossy(&transmit.bytes).into_owned();
        }
        true
    });
    net.call();
    let invite = sent.borrow().clone();
    (net, invite)
}

/// Gives Bob the CANCEL for Alice's INVITE.
fn cancel(net: &mut Net, invite: &str) {
    let cancel = format!(
        "CANCEL sip:bob@b.test SIP/2.0\n{}\n{}\n{}\n{}\nMax-Forwards: 70\nCSeq: 1 CANCEL\nContent-Length: 0\n\n",
        field(invite, "Via:"),
        field(invite, "From:"),
        field(invite, "To:"),
        field(invite, "Call-ID:"),
    );
    net.inject(1, ALICE, &cancel);
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// In the Mortal state a BYE that is challenged goes again with the password.
#[test]
fn appendix_d_a_bye_is_sent_again_with_a_password() {
    let (mut net, invite) = forked();
    branch_responds(&mut net, &invite, "200 OK", "a");
    let now = net.now;
    let sent = cut(&mut net);
    let mut call = net.alice().call();
    call.set_credentials(offhook_digest::Credentials::new("alice", "secret"));
    call.end(now).expect("it stands");
    net.drain();
    let bye = sent.borrow()[0].clone();
    let challenge = "WWW-Authenticate: Digest realm=\"b.test\", nonce=\"n\", qop=\"auth\"\n";
    net.inject(0, BOB, &answer(&bye, 401, challenge));
    let again = sent.borrow()[1].clone();
    assert!(again.starts_with("BYE "), "{again}");
    assert!(field(&again, "Authorization:").contains("username=\"alice\""));
    net.inject(0, BOB, &answer(&again, 200, ""));
    assert_morgue(&mut net, 0);
}

/// Figures 4 to 7: branches that ring, and that answer after the first 200.
#[test]
fn appendix_e_branches_with_new_to_tags() {
    let check = |responses: &[(&str, &str)], lines: &[&str]| {
        let (mut net, invite) = forked();
        for (status, tag) in responses {
            branch_responds(&mut net, &invite, status, tag);
        }
        let sent: Vec<&str> = net.log.iter().map(|(_, _, line)| line.as_str()).collect();
        let heads: Vec<String> = sent
            .iter()
            .map(|line| line.split('@').next().unwrap_or_default().to_owned())
            .collect();
        assert_eq!(heads, lines, "{responses:?}");
        assert_eq!(
            net.alice()
                .call()
                .dialog()
                .map(|dialog| dialog.id().remote_tag.clone()),
            Some("a".into())
        );
        net.run(Duration::from_secs(70));
        assert_eq!(net.alice().call().state(), Confirmed);
        assert_eq!(
            net.alice().endpoint.transactions().client_count(),
            0,
            "after 64*T1"
        );
    };
    let (ringing, ok) = ("180 Ringing", "200 OK");
    check(&[(ringing, "a"), (ringing, "b"), (ok, "a")], &["ACK sip:a"]);
    let both = ["ACK sip:a", "ACK sip:b", "BYE sip:b"];
    check(&[(ringing, "a"), (ringing, "b"), (ok, "a"), (ok, "b")], &both);
    check(&[(ringing, "a"), (ok, "a"), (ok, "b")], &both);
}
