//! Any commands in any order over a link that loses anything: nothing panics, nothing stays behind.

mod support;

use offhook_sip_core::{
    Body, CommandError, EndpointConfig, InvitationEvent, InvitationMut, Method, Refer, ReferralId,
    Reliability, SessionTimerConfig, StatusCode,
};
use proptest::prelude::*;
use std::time::{Duration, Instant};
use support::{ALICE, BOB, Net, Peer};

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
    Progress,
    Update,
    RespondToUpdate(u16),
    OfferInPrack,
    Info,
    Refer,
    AnswerRefer(u16),
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
        2 => Just(Op::Progress),
        2 => Just(Op::Update),
        2 => prop_oneof![Just(200), Just(488)].prop_map(Op::RespondToUpdate),
        1 => Just(Op::OfferInPrack),
        1 => Just(Op::Info),
        2 => Just(Op::Refer),
        2 => prop_oneof![Just(100), Just(180), Just(200), Just(603)].prop_map(Op::AnswerRefer),
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
    let referral = peer.invitation_events().fold(None, |newest, event| match event {
        InvitationEvent::Refer { id, .. } => Some(*id),
        _ => newest,
    });
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
            Op::Progress => {
                call.respond_provisionally(now, StatusCode::SESSION_PROGRESS, Some(&Body::sdp("early")))
            }
            Op::Update => call.update(now, Some(Body::sdp("update")), &[]),
            Op::RespondToUpdate(status) => {
                call.respond_to_update(now, StatusCode::new(status).expect("valid"), None)
            }
            Op::OfferInPrack => call.offer_in_prack(Body::sdp("prack")),
            Op::Info => call.info(now, None, None).map(|_| ()),
            Op::Refer => {
                let target = "sip:c@c.test".parse().expect("a URI");
                call.refer(now, &Refer::new(target)).map(|_| ())
            }
            Op::AnswerRefer(status) => answer_refer(&mut call, now, referral, status),
            Op::End | Op::Call | Op::Break | Op::Wait(_) => call.end(now),
        };
    }
    net.drain();
}

/// The newest referral: 100 accepts it, 603 refuses it, all tell of it.
fn answer_refer(
    call: &mut InvitationMut<'_>,
    now: Instant,
    referral: Option<ReferralId>,
    status: u16,
) -> Result<(), CommandError> {
    let id = referral.ok_or(CommandError::NoSuchReferral)?;
    let status = StatusCode::new(status).expect("valid");
    match status.as_u16() {
        100 => call.accept_refer(now, id),
        603 => call
            .reject_refer(now, id, status)
            .or_else(|_| call.notify(now, id, status, None)),
        _ => call.notify(now, id, status, None),
    }
}

/// Alice and Bob, who know all that there is and prefer reliable responses.
fn pair() -> Net {
    let mut config = EndpointConfig {
        reliability: Reliability::Preferred,
        session_timer: Some(SessionTimerConfig {
            expires: 90,
            min_se: 90,
        }),
        ..EndpointConfig::default()
    };
    config.allow.push(Method::Refer);
    Net::new(vec![
        Peer::with_config(ALICE, 1, config.clone()),
        Peer::with_config(BOB, 2, config),
    ])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn whatever_happened_nothing_is_left_after_all_calls_are_ended(
        ops in proptest::collection::vec(op(), 1..40),
        loss in 0_u32..80,
        seed: u64,
    ) {
        let mut net = pair();
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
