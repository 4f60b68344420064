//! The gate: everything that must hold at each commit, in the order in which it fails fastest.

use crate::process::{ChoreError, cargo, run};
use crate::tidy;
use std::path::Path;
use std::time::Instant;

/// The crates that promise to build without their driver.
const CORES: &[&str] = &[
    "offhook-sip-core",
    "offhook-lookup",
    "offhook-msrp",
    "offhook-rtp-media",
    "offhook-session",
];

/// The crates that stand on others: built together, one may live by a feature that another one switched on.
const STACKED: &[&str] = &[
    "offhook-sip-core",
    "offhook-lookup",
    "offhook-account",
    "offhook-session",
    "offhook-conference",
    "offhook",
];

type Step = fn(&Path) -> Result<(), ChoreError>;

const STEPS: &[(&str, Step)] = &[
    ("format", format),
    ("tidy", tidy::run),
    ("lints", lints),
    ("documentation", documentation),
    ("crates alone", crates_alone),
    ("tests", tests),
    ("fuzz corpora", fuzz_corpora),
];

pub(crate) fn run_all(root: &Path) -> Result<(), ChoreError> {
    let begin = Instant::now();
    for (name, step) in STEPS {
        println!("== {name}");
        let step_begin = Instant::now();
        step(root)?;
        println!("== {name}: ok ({:.0} s)", step_begin.elapsed().as_secs_f64());
    }
    println!("== all green in {:.0} s", begin.elapsed().as_secs_f64());
    Ok(())
}

fn format(root: &Path) -> Result<(), ChoreError> {
    run(&mut cargo(root, &["fmt", "--all", "--check"]))?;
    run(&mut cargo(
        root,
        &["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"],
    ))
}

fn lints(root: &Path) -> Result<(), ChoreError> {
    run(&mut cargo(
        root,
        &[
            "clippy",
            "--workspace",
            "--all-targets",
            "--quiet",
            "--",
            "-D",
            "warnings",
        ],
    ))
}

fn documentation(root: &Path) -> Result<(), ChoreError> {
    run(cargo(root, &["doc", "--workspace", "--no-deps", "--quiet"]).env("RUSTDOCFLAGS", "-D warnings"))
}

fn crates_alone(root: &Path) -> Result<(), ChoreError> {
    let cores = CORES
        .iter()
        .map(|package| (package, Some("--no-default-features")));
    for (package, features) in cores.chain(STACKED.iter().map(|package| (package, None))) {
        run(cargo(root, &["check", "--quiet", "--package", package])
            .args(features)
            .env("RUSTFLAGS", "-D warnings"))?;
    }
    Ok(())
}

fn tests(root: &Path) -> Result<(), ChoreError> {
    run(&mut cargo(root, &["test", "--workspace", "--quiet"]))
}

/// The fuzz targets are plain functions; without libFuzzer they are replayed over what was found before.
fn fuzz_corpora(root: &Path) -> Result<(), ChoreError> {
    let manifest = [
        "test",
        "--quiet",
        "--manifest-path",
        "fuzz/Cargo.toml",
        "--no-default-features",
    ];
    run(cargo(root, &manifest).env("CARGO_TARGET_DIR", root.join("target")))
}
