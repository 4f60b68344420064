//! Calls through networks that lose, delay, reorder, double and choke, over real sockets: the table of docs/impaired.md.
//!
//! ```text
//! cargo run -p offhook-rtp-media --example impaired_call [seconds]
//! ```
#![expect(clippy::print_stdout, reason = "a table is printed")]

#[path = "../tests/impaired/call.rs"]
mod call;

use call::{Outcome, cases, run};
use std::error::Error;
use std::thread;

fn main() -> Result<(), Box<dyn Error>> {
    let seconds: usize = std::env::args().nth(1).as_deref().unwrap_or("20").parse()?;
    let calls: Vec<_> = cases()
        .into_iter()
        .map(|case| (case.name, thread::spawn(move || run(&case, seconds * 50))))
        .collect();
    println!(
        "| network | lost, per cent | late | made up, per cent | delay, ms | quality, dB | missing | foreign | MOS |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    for (name, call) in calls {
        let outcome = call.join().map_err(|_| "a call panicked")??;
        println!("| {name} | {} |", row(&outcome));
        if !outcome.events.is_empty() || outcome.sender.remote.is_none() {
            println!("{name}: {:?}, {:?}", outcome.events, outcome.traffic);
        }
    }
    Ok(())
}

fn row(outcome: &Outcome) -> String {
    let Outcome {
        statistics,
        following,
        ..
    } = outcome;
    let expected = (statistics.packets_received + statistics.packets_lost).max(1) as f64;
    let length = expected / 50.0;
    let mos = statistics.quality.map_or_else(String::new, |quality| {
        format!("{:.1}", f64::from(quality.mos_lq) / 10.0)
    });
    format!(
        "{:.1} | {} | {:.1} | {:.0} | {:.1} | {:.1} % | {:.1} % | {mos}",
        statistics.packets_lost as f64 / expected * 100.0,
        statistics.late,
        statistics.concealed.as_secs_f64() / length * 100.0,
        following.delay * 1000.0,
        following.snr,
        following.missing * 100.0,
        following.foreign * 100.0,
    )
}
