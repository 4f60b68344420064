//! Our figures beside those of others, in one run.

use crate::process::{ChoreError, cargo, run};
use clap::Args;
use std::path::Path;

/// What to compare.
#[derive(Args)]
pub(crate) struct Options {
    /// Tables to print; all when none is named. They are listed in `bench/src/main.rs`.
    tables: Vec<String>,
}

/// Builds `bench/`, a workspace of its own, and runs it.
pub(crate) fn run_tables(root: &Path, options: &Options) -> Result<(), ChoreError> {
    let mut command = cargo(
        root,
        &["run", "--release", "--manifest-path", "bench/Cargo.toml", "--"],
    );
    command.args(&options.tables);
    run(&mut command)
}
