//! The demo: a call on this machine with what it was worth, by the example `demo` of the facade.

use crate::process::{ChoreError, cargo, run};
use clap::Args;
use std::path::Path;
use std::process::{Command, Stdio};

/// What the example is asked for. It reads its own options, so that there is one place that knows them.
#[derive(Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Options {
    /// Options of the demo: see `cargo xtask demo --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    passed_on: Vec<String>,
}

const EXAMPLE: [&str; 4] = ["--package", "offhook", "--example", "demo"];

const WITH_SOUND_CARDS: [&str; 2] = ["--features", "offhook/device"];

/// Builds the example, with sound cards where that is possible, and runs it where the command was given.
pub(crate) fn run_demo(root: &Path, options: &Options) -> Result<(), ChoreError> {
    let features = choose_features(root);
    if features.is_empty() {
        run(&mut cargo(root, &[&["build"], &EXAMPLE[..]].concat()))?;
    }
    let mut command = cargo(
        root,
        &[&["run", "--quiet"], &EXAMPLE[..], features, &["--"]].concat(),
    );
    let here = std::env::current_dir().map_err(|cause| ChoreError::file(Path::new("."), cause))?;
    // Options like `--out` are relative to where the user is; the manifest is found upwards from there.
    command.current_dir(here).args(&options.passed_on);
    run(&mut command).map_err(|error| match error {
        ChoreError::Failed { .. } => ChoreError::Found("the demo failed; the reason is above".to_owned()),
        other => other,
    })
}

/// Sound cards are not needed, but built in where they can be: then the demo shows that they build.
fn choose_features(root: &Path) -> &'static [&'static str] {
    if !sound_cards_can_be_built() {
        println!(
            "Without sound cards, which the demo does not need: `apt-get install libasound2-dev pkg-config` adds them."
        );
        return &[];
    }
    let build = [&["build"], &EXAMPLE[..], &WITH_SOUND_CARDS].concat();
    if run(&mut cargo(root, &build)).is_ok() {
        return &WITH_SOUND_CARDS;
    }
    println!("Sound cards could not be built, which the demo does not need: going on without.");
    &[]
}

/// Only on Linux something has to be installed: ALSA's headers.
fn sound_cards_can_be_built() -> bool {
    if !cfg!(target_os = "linux") {
        return true;
    }
    let mut question = Command::new("pkg-config");
    question.args(["--exists", "alsa"]);
    question.stdout(Stdio::null()).stderr(Stdio::null());
    question.status().is_ok_and(|status| status.success())
}
