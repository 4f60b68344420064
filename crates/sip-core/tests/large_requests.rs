//! Requests that are too large for UDP (RFC 3261 §18.1.1).

mod support;

use offhook_sansio::{Entropy, Path, Transport};
use offhook_sip_core::{Body, Endpoint, EndpointConfig, InvitationState};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer, T1, invite_to};

const SHORT: Duration = Duration::from_millis(100);

type Sent = Rc<RefCell<Vec<(Path, String)>>>;

/// Alice calls Bob with an offer of that size; `tcp` says whether TCP carries anything.
fn call(size: usize, tcp: bool) -> (Net, Sent) {
    let mut net = Net::pair();
    let sent = Sent::default();
    let seen = sent.clone();
    net.fate = Box::new(move |transmit| {
        let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
        seen.borrow_mut().push((transmit.path, text));
        tcp || transmit.path.transport == Transport::Udp
    });
    let bob = BOB.parse().expect("valid");
    let mut invite = invite_to(&[bob]);
    invite.offer = Some(Body::sdp("x".repeat(size)));
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("it can be sent");
    net.run(SHORT);
    (net, sent)
}

/// Transport, Via and branch of the messages of Alice that begin so.
fn of_alice(sent: &Sent, method: &str) -> Vec<(Transport, String, String)> {
    let sent = sent.borrow();
    sent.iter()
        .filter(|(path, text)| path.local == ALICE.parse().expect("valid") && text.starts_with(method))
        .map(|(path, text)| {
            let via = text.lines().find(|line| line.starts_with("Via:")).expect("a Via");
            let via = via.trim_start_matches("Via: SIP/2.0/");
            let (transport, _) = via.split_once(' ').expect("a sent-by");
            let (_, branch) = via.split_once("branch=").expect("a branch");
            let branch = branch.split(';').next().unwrap_or_default();
            (path.transport, transport.to_owned(), branch.to_owned())
        })
        .collect()
}

#[test]
fn a_small_invite_stays_with_udp_and_a_large_one_goes_over_tcp_and_says_so() {
    let (_, sent) = call(100, true);
    let invites = of_alice(&sent, "INVITE");
    assert_eq!((invites[0].0, invites[0].1.as_str()), (Transport::Udp, "UDP"));

    let (mut net, sent) = call(1300, true);
    net.accept(Some("answer"));
    net.run(SHORT);
    assert_eq!(net.alice().call().state(), InvitationState::Confirmed);
    assert_eq!(net.bob().call().state(), InvitationState::Confirmed);
    let invites = of_alice(&sent, "INVITE");
    assert_eq!(invites.len(), 1);
    assert_eq!((invites[0].0, invites[0].1.as_str()), (Transport::Tcp, "TCP"));
}

#[test]
fn its_cancel_goes_the_same_way_with_the_same_via() {
    let (mut net, sent) = call(1300, true);
    net.ring();
    net.run(SHORT);
    net.end(0);
    net.run(SHORT);
    assert_eq!(of_alice(&sent, "CANCEL"), of_alice(&sent, "INVITE"));
    assert_eq!(of_alice(&sent, "CANCEL")[0].0, Transport::Tcp);
    assert_eq!(net.bob().states().last(), Some(&InvitationState::Disconnected));
}

#[test]
fn where_tcp_fails_it_goes_over_udp_after_all_and_is_repeated_there() {
    let (mut net, sent) = call(1300, false);
    let tcp = Path::new(
        Transport::Tcp,
        ALICE.parse().expect("valid"),
        BOB.parse().expect("valid"),
    );
    let now = net.now;
    let start = net.now;
    // Bob hears nothing of the first copy.
    net.fate = {
        let seen = sent.clone();
        Box::new(move |transmit| {
            let text = String::from_utf8_lossy(&transmit.bytes).into_owned();
            seen.borrow_mut().push((transmit.path, text));
            seen.borrow().len() > 2
        })
    };
    net.alice().endpoint.handle_transport_error(now, tcp);
    net.run(T1 + SHORT);
    assert!(net.now - start < T1 * 2);
    let invites = of_alice(&sent, "INVITE");
    let ways: Vec<(Transport, &str)> = invites.iter().map(|(way, via, _)| (*way, via.as_str())).collect();
    let (tcp, udp) = ((Transport::Tcp, "TCP"), (Transport::Udp, "UDP"));
    assert_eq!(ways, [tcp, udp, udp]);
    assert_eq!(invites[0].2, invites[1].2, "one transaction, one branch");
    assert_eq!(net.bob().states(), [InvitationState::Incoming]);
}

#[test]
fn without_tcp_of_our_own_there_is_no_other_way_than_udp() {
    let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(1));
    endpoint.add_local(Transport::Udp, ALICE.parse().expect("valid"));
    let mut alice = Peer::new(ALICE, 1);
    alice.endpoint = endpoint;
    let mut net = Net::new(vec![alice, Peer::new(BOB, 2)]);
    let mut invite = invite_to(&[BOB.parse().expect("valid")]);
    invite.offer = Some(Body::sdp("x".repeat(2000)));
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("it can be sent");
    net.run(SHORT);
    assert_eq!(net.bob().states(), [InvitationState::Incoming]);
}
