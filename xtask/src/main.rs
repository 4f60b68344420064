//! Repository chores: `cargo xtask demo | test | tidy | fuzz | interop | compare`.

// A chore talks to a terminal: printing is what it is for.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod compare;
mod demo;
mod fuzz;
mod gate;
mod interop;
mod process;
mod tidy;

use clap::{Parser, Subcommand};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Repository chores of Offhook.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// The gate: format, lints, tidy, docs, every test, fuzz corpora replayed.
    Test,
    /// The rules of ARCHITECTURE.md that the compiler does not check.
    Tidy,
    /// A call to a test number on this machine, measured: the place to begin.
    Demo(demo::Options),
    /// Search for crashes with cargo-fuzz, every target in turn.
    Fuzz(fuzz::Options),
    /// Calls with programs that we did not write: baresip, sipp, and tshark reading along.
    Interop(interop::Options),
    /// Ours and other programs' figures from one run: builds `bench/`, which fetches many packages the first time.
    Compare(compare::Options),
}

fn main() -> ExitCode {
    let root = workspace_root();
    let outcome = match Cli::parse().chore {
        Chore::Test => gate::run_all(&root),
        Chore::Tidy => tidy::run(&root),
        Chore::Demo(options) => demo::run_demo(&root, &options),
        Chore::Fuzz(options) => fuzz::run_campaign(&root, &options),
        Chore::Interop(options) => interop::run_all(&root, &options),
        Chore::Compare(options) => compare::run_tables(&root, &options),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn workspace_root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent()
        .expect("xtask lies in the workspace root")
        .to_owned()
}
