//! Any commands in any order over a link that loses anything: nothing panics, nothing stays behind.

mod support;

use offhook_sip_core::{Body, StatusCode};
use proptest::prelude::*;
use std::time::Duration;
use support::Net;

#[derive(Clone, Copy, Debug)]
enum Op {
    Call,
    Ring,
    Accept,
    Reject,
    Reinvite,
    Cancel,
    Respond(u16),
    End,
    Break,
    Wait(u16),
}

fn op() -> impl Strategy<Value = (usize, Op)> {
    let op = prop_oneof![
        2 => Just(Op::Call),
        2 => Just(Op::Ring),
        3 => Just(Op::Accept),
        1 => Just(Op::Reject),
        3 => Just(Op::Reinvite),
        1 => Just(Op::Cancel),
        2 => prop_oneof![Just(200), Just(488), Just(180)].prop_map(Op::Respond),
        2 => Just(Op::End),
        1 => Just(Op::Break),
        6 => (0_u16..5000).prop_map(Op::Wait),
    ];
    (0_usize..2, op)
}

fn apply(net: &mut Net, who: usize, op: Op) {
    let now = net.now;
    if let Op::Call = op {
        let to = net.peers[1 - who].address;
        net.peers[who]
            .endpoint
            .invite(now, support::invite_to(&[to]))
            .expect("there is a route");
        net.drain();
        return;
    }
    if let Op::Wait(milliseconds) = op {
        net.run(Duration::from_millis(u64::from(milliseconds)));
        return;
    }
    if net.peers[who].invitation_events().next().is_none() {
        return;
    }
    let id = net.peers[who].call_id();
    let to = net.peers[1 - who].address;
    let peer = &mut net.peers[who];
    if let Op::Break = op {
        let path = offhook_sansio::Path::new(offhook_sansio::Transport::Udp, peer.address, to);
        peer.endpoint.handle_transport_error(now, path);
    } else if let Some(mut call) = peer.endpoint.invitation(id) {
        // Whether the state allows it is not the question here.
        let _ = match op {
            Op::Ring => call.ring(now),
            Op::Accept => call.accept(now, Some(&Body::sdp("answer"))),
            Op::Reject => call.reject(now, StatusCode::BUSY_HERE, None, &[]),
            Op::Reinvite => call.reinvite(now, Some(Body::sdp("offer"))),
            Op::Cancel => call.cancel_reinvite(now),
            Op::Respond(status) => call.respond_to_reinvite(
                now,
                StatusCode::new(status).expect("valid"),
                Some(&Body::sdp("x")),
            ),
            Op::End | Op::Call | Op::Break | Op::Wait(_) => call.end(now),
        };
    }
    net.drain();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happened_nothing_is_left_after_all_calls_are_ended(
        ops in proptest::collection::vec(op(), 1..40),
        loss in 0_u32..80,
        seed: u64,
    ) {
        let mut net = Net::pair();
        let mut entropy = offhook_sansio::Entropy::from_number(seed);
        net.fate = Box::new(move |_| entropy.below(100) >= loss);
        for (who, op) in ops {
            apply(&mut net, who, op);
        }
        let now = net.now;
        for peer in &mut net.peers {
            peer.endpoint.end_all(now);
        }
        // A callee that never heard of the end must end its own half, once it has given up on what it waits for.
        for _ in 0..4 {
            net.run(Duration::from_secs(100));
            let now = net.now;
            for peer in &mut net.peers {
                peer.endpoint.end_all(now);
            }
        }
        for peer in &net.peers {
            prop_assert_eq!(peer.endpoint.invitation_count(), 0);
            prop_assert_eq!(peer.endpoint.transactions().client_count(), 0);
            prop_assert_eq!(peer.endpoint.transactions().server_count(), 0);
            prop_assert_eq!(peer.endpoint.poll_timeout(), None);
        }
    }
}
