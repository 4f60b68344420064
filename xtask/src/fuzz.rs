//! A fuzz campaign: each target for a while, with the corpus kept.

use crate::process::{ChoreError, cargo, is_installed, run};
use clap::Args;
use std::path::Path;

/// How long, and which.
#[derive(Args)]
pub(crate) struct Options {
    /// Targets to run; all when none is named.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

/// Runs cargo-fuzz on stable Rust: coverage feedback, without a sanitizer.
pub(crate) fn run_campaign(root: &Path, options: &Options) -> Result<(), ChoreError> {
    if !is_installed("cargo-fuzz") {
        return Err(ChoreError::Found(
            "cargo-fuzz is missing: run `cargo install cargo-fuzz`".to_owned(),
        ));
    }
    let targets = if options.targets.is_empty() {
        all_targets(root)?
    } else {
        options.targets.clone()
    };
    let limit = format!("-max_total_time={}", options.seconds);
    for target in targets {
        println!("== fuzz {target}");
        let corpus = format!("fuzz/corpus/{target}");
        let found = format!("fuzz/found/{target}");
        let found_path = root.join(&found);
        std::fs::create_dir_all(&found_path).map_err(|cause| ChoreError::file(&found_path, cause))?;
        // New inputs go to a folder of their own: the committed corpus stays small and chosen.
        run(&mut cargo(
            root,
            &[
                "fuzz",
                "run",
                "--sanitizer",
                "none",
                &target,
                &found,
                &corpus,
                "--",
                &limit,
                "-timeout=10",
            ],
        ))?;
    }
    Ok(())
}

fn all_targets(root: &Path) -> Result<Vec<String>, ChoreError> {
    let folder = root.join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|cause| ChoreError::file(&folder, cause))?;
    let mut names: Vec<_> = entries
        .flatten()
        .filter_map(|entry| Some(entry.path().file_stem()?.to_string_lossy().into_owned()))
        .collect();
    names.sort();
    Ok(names)
}
