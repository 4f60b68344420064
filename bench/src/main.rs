//! Ours and theirs, measured side by side in one run: `cargo xtask compare [TABLE ...]`.
//!
//! The ratio is what counts: both columns of a line come from the same process, alternating, so that a noisy machine
//! disturbs both alike.

mod codec;
mod jitter;
mod load;
mod sdp;
mod sip;
mod table;

use std::process::ExitCode;

/// A name on the command line, and what it runs.
type Table = (&'static str, fn());

const TABLES: &[Table] = &[
    ("sip-parse", sip::print_parse),
    ("sip-load", load::print),
    ("sdp-parse", sdp::print_parse),
    ("codec", codec::print),
    ("jitter", jitter::print),
];

/// Nothing but ours, for `valgrind --tool=callgrind`.
const PROFILES: &[Table] = &[
    ("profile-sip-parse", sip::run_ours_for_a_profiler),
    ("profile-sdp-parse-phone", || sdp::run_ours_for_a_profiler(sdp::PHONE)),
    ("profile-sdp-parse-browser", || sdp::run_ours_for_a_profiler(sdp::BROWSER)),
];

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    if let [only] = &wanted[..]
        && let Some((_, run)) = PROFILES.iter().find(|(name, _)| name == only)
    {
        run();
        return ExitCode::SUCCESS;
    }
    if let [echo, address] = &wanted[..]
        && echo == "echo"
    {
        let Err(error) = load::echo(address) else { return ExitCode::SUCCESS };
        eprintln!("{error}");
        return ExitCode::FAILURE;
    }
    if let Some(unknown) = wanted.iter().find(|name| TABLES.iter().all(|(known, _)| known != name)) {
        let known: Vec<_> = TABLES.iter().map(|(name, _)| *name).collect();
        eprintln!("no table `{unknown}`; there is: {}", known.join(", "));
        return ExitCode::FAILURE;
    }
    for (name, print) in TABLES {
        if wanted.is_empty() || wanted.iter().any(|wanted| wanted == name) {
            print();
        }
    }
    ExitCode::SUCCESS
}
