//! Calls over real sockets that networks harm: each is up to its end, and heard. docs/impaired.md has the table.

mod call;

use call::{Case, Outcome, cases, run};
use std::thread;

/// Four seconds, all calls at once.
const TICKS: usize = 200;

/// The least quality in decibels that a call may have: far below what docs/impaired.md shows, for a machine that has no
/// time harms sound as well.
const LEAST: [(&str, f64); 9] = [
    ("clean", 20.0),
    ("1 % lost", 20.0),
    ("5 % lost", 16.0),
    ("10 % lost", 12.0),
    ("20 % lost", 8.0),
    ("40 ms of jitter", 15.0),
    ("5 % late by 45 ms", 15.0),
    ("10 % twice", 20.0),
    ("64 kbit/s for 80", 8.0),
];

#[test]
fn calls_are_up_and_heard_through_each_of_the_networks() {
    let calls: Vec<_> = cases()
        .into_iter()
        .map(|case| {
            thread::spawn(move || {
                let outcome = run(&case, TICKS).unwrap();
                (case, outcome)
            })
        })
        .collect();
    let mut least = LEAST.iter();
    for call in calls {
        let (case, outcome) = call.join().unwrap();
        let (name, snr) = least.next().unwrap();
        assert_eq!(case.name, *name);
        check(&case, &outcome, *snr);
    }
}

fn check(case: &Case, outcome: &Outcome, snr: f64) {
    let Outcome {
        statistics,
        sender,
        following,
        events,
        traffic,
    } = outcome;
    let name = case.name;
    assert_eq!(*events, [], "{name}");
    assert!(following.snr >= snr, "{name}: {following:?} {statistics:?}");
    // The harm was done, and is counted where it belongs. One packet in a hundred may happen to be none of 250.
    let harm = case.impairment;
    if harm.loss_per_mille >= 50 {
        assert!(
            traffic.lost > 0 && statistics.packets_lost > 0,
            "{name}: {statistics:?}"
        );
    }
    assert_eq!(
        harm.duplicate_per_mille > 0,
        statistics.duplicates > 0,
        "{name}: {statistics:?}"
    );
    assert_eq!(
        harm.reorder_per_mille > 0,
        traffic.reordered > 0,
        "{name}: {traffic:?}"
    );
    assert!(sender.packets_sent as usize >= TICKS, "{name}: {sender:?}");
    assert!(
        statistics.packets_received * 3 > sender.packets_sent * 2,
        "{name}: {statistics:?}"
    );
}
