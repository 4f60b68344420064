//! Redirections (RFC 3261 §8.1.3.4) in virtual time.

mod support;

use offhook_sip_core::InvitationState::{Calling, Disconnected};
use offhook_sip_core::invitation::redirect_targets;
use offhook_sip_core::{InvitationEvent, RedirectPolicy, StatusCode};
use std::time::Duration;
use support::{ALICE, BOB, Net, Peer, invite_to};

const SHORT: Duration = Duration::from_millis(200);
const CAROL: &str = "192.0.2.3:5060";
const DAVE: &str = "192.0.2.4:5060";

fn net(policy: RedirectPolicy) -> Net {
    let addresses = [ALICE, BOB, CAROL, DAVE];
    let peers = addresses
        .iter()
        .zip(1..)
        .map(|(address, seed)| Peer::new(address, seed));
    let mut net = Net::new(peers.collect());
    let mut invite = invite_to(&[net.bob().address]);
    invite.redirects = policy;
    let now = net.now;
    net.alice().endpoint.invite(now, invite).expect("sent");
    net.run(SHORT);
    net
}

fn refuse(net: &mut Net, who: usize, status: u16, contacts: &[&str]) {
    let contacts: Vec<_> = contacts
        .iter()
        .map(|contact| ("Contact".to_owned(), (*contact).to_owned()))
        .collect();
    let now = net.now;
    let status = StatusCode::new(status).expect("a status");
    net.peers[who]
        .call()
        .reject(now, status, None, &contacts)
        .expect("incoming");
    net.run(SHORT);
}

fn is_called(net: &Net, who: usize) -> bool {
    net.peers[who].invitation_events().next().is_some()
}

#[test]
fn by_itself_a_redirection_is_told_and_the_call_ends() {
    let mut net = net(RedirectPolicy::default());
    refuse(
        &mut net,
        1,
        302,
        &["<sip:d@192.0.2.4>;q=0.2", "<sip:c@192.0.2.3>;q=0.9"],
    );
    assert_eq!(net.alice().states(), [Calling, Disconnected]);
    let targets = net.alice().invitation_events().find_map(|event| match event {
        InvitationEvent::Ended { cause, .. } => cause.headers().map(redirect_targets),
        _ => None,
    });
    let targets: Vec<String> = targets
        .expect("told")
        .iter()
        .map(|target| target.uri.to_string())
        .collect();
    assert_eq!(targets, ["sip:c@192.0.2.3", "sip:d@192.0.2.4"]);
}

#[test]
fn followed_it_goes_to_the_best_target_first_and_then_to_the_next() {
    let mut net = net(RedirectPolicy::Follow { most: 5 });
    refuse(
        &mut net,
        1,
        302,
        &["<sip:d@192.0.2.4>;q=0.2, <sip:x@names.test>;q=0.5, <sip:c@192.0.2.3>;q=0.9"],
    );
    assert!(is_called(&net, 2) && !is_called(&net, 3));
    refuse(&mut net, 2, 486, &[]);
    assert!(is_called(&net, 3), "a name that nobody looked up is left out");
    refuse(&mut net, 3, 404, &[]);
    assert_eq!(net.alice().states(), [Calling, Disconnected]);
    let followed = net
        .alice()
        .invitation_events()
        .filter(|event| matches!(event, InvitationEvent::Redirected { .. }));
    assert_eq!(followed.count(), 2);
}

#[test]
fn a_circle_of_redirections_ends() {
    let mut net = net(RedirectPolicy::Follow { most: 5 });
    refuse(&mut net, 1, 301, &["<sip:c@192.0.2.3>"]);
    refuse(
        &mut net,
        2,
        302,
        &["<sip:bob@b.test>, <sip:C@192.0.2.3>, <sip:c@192.0.2.3>"],
    );
    // The user part differs in case, so this is another target (RFC 3261 §19.1.4); then there is no more.
    refuse(&mut net, 2, 302, &["<sip:c@192.0.2.3>, <sip:C@192.0.2.3>"]);
    assert_eq!(net.alice().states().last(), Some(&Disconnected));
}

#[test]
fn no_more_targets_are_called_than_allowed() {
    let mut net = net(RedirectPolicy::Follow { most: 1 });
    refuse(&mut net, 1, 302, &["<sip:c@192.0.2.3>, <sip:d@192.0.2.4>"]);
    refuse(&mut net, 2, 486, &[]);
    assert!(!is_called(&net, 3));
    assert_eq!(net.alice().states().last(), Some(&Disconnected));
}
