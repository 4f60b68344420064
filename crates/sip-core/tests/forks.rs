//! One INVITE that proxies take to several phones, each with its own early dialog (RFC 3261 §13.2.2.4).

mod support;

use offhook_sip_core::InvitationState::{Calling, Confirmed, Connecting, Disconnected, Early};
use std::time::Duration;
use support::BOB;
use support::branches::{branch_responds, forked};

#[test]
fn of_several_forks_the_first_200_wins_and_the_others_are_ended() {
    let (mut net, invite) = forked();
    branch_responds(&mut net, &invite, "180 Ringing", "one");
    branch_responds(&mut net, &invite, "183 Session Progress", "two");
    branch_responds(&mut net, &invite, "200 OK", "two");
    branch_responds(&mut net, &invite, "200 OK", "three");
    assert_eq!(
        net.alice().states(),
        [Calling, Early, Early, Connecting, Confirmed]
    );
    assert_eq!(net.alice().descriptions(), ["Answer two"]);
    let lines: Vec<&str> = net.log.iter().map(|(_, _, line)| line.as_str()).collect();
    assert_eq!(
        lines,
        [
            "ACK sip:two@192.0.2.2 SIP/2.0",
            "ACK sip:three@192.0.2.2 SIP/2.0",
            "BYE sip:three@192.0.2.2 SIP/2.0"
        ]
    );
    branch_responds(&mut net, &invite, "200 OK", "three");
    branch_responds(&mut net, &invite, "200 OK", "two");
    assert_eq!(
        (net.count("ACK"), net.count("BYE")),
        (4, 1),
        "repeats are only acknowledged"
    );
    let remote = net
        .alice()
        .call()
        .dialog()
        .map(|dialog| dialog.remote_target().to_string());
    assert_eq!(remote.as_deref(), Some("sip:two@192.0.2.2"));
}

#[test]
fn a_bye_inside_an_early_dialog_ends_the_call_and_cancels_the_rest() {
    let (mut net, invite) = forked();
    branch_responds(&mut net, &invite, "180 Ringing", "one");
    let dialog = net.alice().call().call_id().expect("it lives").to_owned();
    let from = invite
        .lines()
        .find(|line| line.starts_with("From:"))
        .expect("it has one");
    let bye = format!(
        "BYE sip:alice@192.0.2.1 SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.2:5060;branch=z9hG4bKbye\n\
         From: <sip:bob@b.test>;tag=one\nTo:{}\nCall-ID: {dialog}\nCSeq: 1 BYE\n\n",
        from.trim_end().trim_start_matches("From:")
    );
    net.inject(0, BOB, &bye);
    assert_eq!(net.alice().states(), [Calling, Early, Disconnected]);
    assert_eq!(net.count("CANCEL"), 1);
    net.run(Duration::from_secs(40));
    assert_eq!(
        net.alice().endpoint.invitation_count(),
        0,
        "even though the INVITE is never answered"
    );
}

#[test]
fn a_200_confirms_the_early_dialog_of_its_branch_with_what_it_says_itself() {
    let (mut net, invite) = forked();
    for _ in 0..40 {
        branch_responds(&mut net, &invite, "180 Ringing", "one");
    }
    branch_responds(&mut net, &invite, "180 Ringing", "two");
    // The tag of the second branch, with a Contact that it did not have while it rang.
    let moved = invite.replace("To: <sip:bob@b.test>", "To: <sip:bob@b.test>;tag=two");
    branch_responds(&mut net, &moved, "200 OK", "moved");
    let call = net.alice().call();
    let dialog = call.dialog().expect("confirmed");
    assert_eq!(dialog.remote_target().to_string(), "sip:moved@192.0.2.2");
    assert_eq!(dialog.id().remote_tag, "two");
}

#[test]
fn the_number_of_early_dialogs_is_bounded() {
    let (mut net, invite) = forked();
    for branch in 0..100 {
        branch_responds(&mut net, &invite, "180 Ringing", &format!("t{branch}"));
    }
    branch_responds(&mut net, &invite, "200 OK", "t99");
    assert_eq!(
        net.alice().call().state(),
        Confirmed,
        "a branch beyond the limit can win all the same"
    );
}
