//! Two ends over a link that loses, damages and repeats.

use super::FingerprintHash::{Sha256, Sha384, Sha512};
use super::*;
use crate::srtp::SrtpKeys;
use bytes::Bytes;
use std::time::{Duration, Instant};

/// Who calls, who is called, and what they say of themselves.
struct Pair {
    now: Instant,
    caller: DtlsAssociation,
    called: DtlsAssociation,
    /// Counts datagrams and says which are lost.
    lose: fn(u32) -> bool,
    sent: u32,
}

fn parameters(role: DtlsRole, ours: &DtlsCertificate, theirs: &DtlsCertificate) -> DtlsParameters {
    DtlsParameters {
        role,
        certificate: ours.clone(),
        fingerprints: vec![theirs.fingerprint(Sha256)],
    }
}

fn certificates() -> (DtlsCertificate, DtlsCertificate) {
    (
        DtlsCertificate::generate().unwrap(),
        DtlsCertificate::generate().unwrap(),
    )
}

impl Pair {
    fn new(caller: &DtlsParameters, called: &DtlsParameters) -> Self {
        let now = Instant::now();
        Self {
            now,
            caller: DtlsAssociation::new(caller, now),
            called: DtlsAssociation::new(called, now),
            lose: |_| false,
            sent: 0,
        }
    }

    fn honest() -> Self {
        let (alice, bob) = certificates();
        Self::new(
            &parameters(DtlsRole::Client, &alice, &bob),
            &parameters(DtlsRole::Server, &bob, &alice),
        )
    }

    fn carry(&mut self) {
        loop {
            let mut moved = false;
            let (caller, called) = (&mut self.caller, &mut self.called);
            moved |= pass(caller, called, self.now, self.lose, &mut self.sent);
            moved |= pass(called, caller, self.now, self.lose, &mut self.sent);
            if !moved {
                return;
            }
        }
    }

    /// Carries datagrams and lets time pass until both are done, or `most` has passed.
    fn run(&mut self, most: Duration) -> (Option<DtlsEvent>, Option<DtlsEvent>) {
        let end = self.now + most;
        self.carry();
        while let Some(due) = [self.caller.poll_timeout(), self.called.poll_timeout()]
            .into_iter()
            .flatten()
            .min()
            .filter(|due| *due <= end)
        {
            self.now = self.now.max(due);
            self.caller.handle_timeout(self.now);
            self.called.handle_timeout(self.now);
            self.carry();
        }
        (self.caller.poll_event(), self.called.poll_event())
    }
}

fn pass(
    from: &mut DtlsAssociation,
    to: &mut DtlsAssociation,
    now: Instant,
    lose: fn(u32) -> bool,
    sent: &mut u32,
) -> bool {
    let mut moved = false;
    while let Some(datagram) = from.poll_transmit() {
        assert!(datagram.len() <= 1400, "{}", datagram.len());
        moved = true;
        *sent += 1;
        if !lose(*sent - 1) {
            to.handle_datagram(now, &datagram);
        }
    }
    moved
}

fn keys(event: Option<DtlsEvent>) -> SrtpKeys {
    match event {
        Some(DtlsEvent::Established(keys)) => keys,
        other => panic!("{other:?}"),
    }
}

fn failure(event: Option<DtlsEvent>) -> DtlsFailure {
    match event {
        Some(DtlsEvent::Failed(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[test]
fn both_ends_have_the_same_keys_and_different_ones_each_time() {
    let run = || {
        let mut pair = Pair::honest();
        let (caller, called) = pair.run(Duration::ZERO);
        let (caller, called) = (keys(caller), keys(called));
        assert_eq!((&caller.local, &caller.remote), (&called.remote, &called.local));
        assert_ne!(caller.local, caller.remote);
        assert!(pair.caller.is_established() && pair.called.is_established());
        assert_eq!(pair.caller.poll_timeout(), None);
        assert_eq!(pair.called.poll_timeout(), None);
        caller
    };
    assert_ne!(run().local, run().local);
}

/// Which of all datagrams are lost.
const LOSERS: [fn(u32) -> bool; 9] = [
    |n| n == 0,
    |n| n == 1,
    |n| n == 2,
    |n| n == 3,
    |n| n == 4,
    |n| n == 5,
    |n| n < 4,
    |n| n % 3 == 0,
    |n| n % 4 == 1,
];

#[test]
fn every_single_lost_datagram_is_made_up_for() {
    let mut complete = Pair::honest();
    complete.run(Duration::ZERO);
    assert!((4..=8).contains(&complete.sent), "{}", complete.sent);
    for (number, lose) in LOSERS.into_iter().enumerate() {
        let mut pair = Pair::honest();
        pair.lose = lose;
        let ends = pair.run(HANDSHAKE_TIMEOUT);
        let (Some(DtlsEvent::Established(caller)), Some(DtlsEvent::Established(called))) = ends else {
            panic!("{number}: {ends:?}");
        };
        assert_eq!(caller.local, called.remote, "{number}");
    }
}

#[test]
fn a_certificate_that_was_not_named_gives_no_keys() {
    let (alice, bob) = certificates();
    let mallory = DtlsCertificate::generate().unwrap();
    let client = |ours, theirs| parameters(DtlsRole::Client, ours, theirs);
    let server = |ours, theirs| parameters(DtlsRole::Server, ours, theirs);
    // Mallory is the server, then the client.
    let mut pair = Pair::new(&client(&alice, &bob), &server(&mallory, &alice));
    assert_eq!(
        failure(pair.run(HANDSHAKE_TIMEOUT).0),
        DtlsFailure::WrongFingerprint
    );
    let mut pair = Pair::new(&client(&mallory, &bob), &server(&bob, &alice));
    assert_eq!(
        failure(pair.run(HANDSHAKE_TIMEOUT).1),
        DtlsFailure::WrongFingerprint
    );
    // No fingerprint at all is not a licence.
    let mut nobody = client(&alice, &bob);
    nobody.fingerprints.clear();
    let mut pair = Pair::new(&nobody, &server(&bob, &alice));
    assert_eq!(
        failure(pair.run(HANDSHAKE_TIMEOUT).0),
        DtlsFailure::WrongFingerprint
    );
}

#[test]
fn of_several_fingerprints_the_strongest_function_counts() {
    let (alice, bob) = certificates();
    let stranger = DtlsCertificate::generate().unwrap();
    let named = |fingerprints: Vec<CertificateFingerprint>| {
        let mut caller = parameters(DtlsRole::Client, &alice, &bob);
        caller.fingerprints = fingerprints;
        let mut pair = Pair::new(&caller, &parameters(DtlsRole::Server, &bob, &alice));
        matches!(pair.run(HANDSHAKE_TIMEOUT).0, Some(DtlsEvent::Established(_)))
    };
    assert!(named(vec![bob.fingerprint(Sha384)]));
    assert!(named(vec![bob.fingerprint(Sha512), stranger.fingerprint(Sha256)]));
    assert!(!named(vec![
        bob.fingerprint(Sha256),
        stranger.fingerprint(Sha512)
    ]));
    assert!(named(vec![stranger.fingerprint(Sha256), bob.fingerprint(Sha256)]));
}

#[test]
fn a_peer_that_does_not_answer_is_given_up() {
    let mut pair = Pair::honest();
    pair.lose = |_| true;
    let begun = pair.now;
    let (caller, called) = pair.run(2 * HANDSHAKE_TIMEOUT);
    assert_eq!(failure(caller), DtlsFailure::TimedOut);
    assert_eq!(failure(called), DtlsFailure::TimedOut);
    assert_eq!(pair.now - begun, HANDSHAKE_TIMEOUT);
    assert_eq!(pair.sent, 1 + 7, "a flight and its repetitions");
}

#[test]
fn noise_of_strangers_does_no_harm() {
    let mut pair = Pair::honest();
    let now = pair.now;
    for len in [0, 1, 12, 13, 14, 100, 1500] {
        assert!(!pair.called.handle_datagram(now, &vec![22; len]));
    }
    let (caller, called) = pair.run(Duration::ZERO);
    assert_eq!(keys(caller).local, keys(called).remote);
    // Neither does one that ends, in the clear, what is encrypted.
    for kind in [21, 23] {
        let forged = [kind, 254, 253, 0, 0, 0, 0, 0, 0, 0, 99, 0, 2, 2, 40];
        assert!(!pair.caller.handle_datagram(now, &forged));
    }
    assert!(pair.caller.is_established());
    assert_eq!(pair.caller.poll_event(), None);
}

#[test]
fn what_one_handshake_looks_at_is_bounded() {
    let mut pair = Pair::honest();
    let hello = pair.caller.poll_transmit().unwrap();
    let mut taken = 0;
    for _ in 0..1000 {
        taken += u32::from(pair.called.handle_datagram(pair.now, &hello));
        let answers = std::iter::from_fn(|| pair.called.poll_transmit()).map(|bytes: Bytes| bytes.len());
        assert!(answers.sum::<usize>() <= hello.len(), "it does not amplify");
    }
    assert_eq!(taken, MAX_DATAGRAMS);
}

#[test]
fn a_peer_that_gives_up_is_believed_while_nothing_is_agreed() {
    let mut pair = Pair::honest();
    let alert = [21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40];
    assert!(pair.caller.handle_datagram(pair.now, &alert));
    assert_eq!(failure(pair.caller.poll_event()), DtlsFailure::Alert(40));
    assert!(!pair.caller.handle_datagram(pair.now, &alert));
    assert_eq!(pair.caller.poll_timeout(), None);
}
