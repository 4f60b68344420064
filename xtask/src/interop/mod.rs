//! Calls and messages with programs that we did not write, on the loopback: baresip, `SIPp`, Kamailio; read along by tshark.
//!
//! Each scenario is one function. It has a folder, ports and a time limit of its own; a capture of its ports runs along
//! and is checked afterwards. docs/interop.md says how to read what is left behind.

mod agent;
mod baresip;
mod capture;
mod child;
mod codec;
mod control;
mod disagreement;
mod kamailio;
mod messages;
mod packets;
mod ports;
mod program;
mod scenarios;
mod screen;
mod sipp;
mod stage;
mod wave;

use crate::process::{ChoreError, cargo, is_installed, run};
use capture::Capture;
use clap::Args;
use disagreement::Disagreement;
use packets::Traffic;
use ports::PortBlock;
use scenarios::Scenario;
use stage::{Programs, Stage};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Which scenarios, and what stays behind.
#[derive(Args)]
pub(crate) struct Options {
    /// Only scenarios whose name contains this.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Say which scenarios there are, and run none.
    #[arg(long)]
    list: bool,
    /// Keep waves, captures and logs of scenarios that passed, too.
    #[arg(long)]
    keep: bool,
    /// Play with this `offhook` instead of building one, for example a release build.
    #[arg(long, value_name = "PATH")]
    program: Option<PathBuf>,
}

/// What the scenarios are played with, and the Debian package of each.
const PEERS: [(&str, &str); 12] = [
    (
        "kamailio",
        "kamailio kamailio-tls-modules kamailio-websocket-modules kamailio-presence-modules",
    ),
    ("openssl", "openssl"),
    ("baresip", "baresip-core"),
    ("sipp", "sip-tester"),
    ("tshark", "tshark"),
    ("dumpcap", "tshark"),
    ("pulseaudio", "pulseaudio libasound2-plugins libasound2-dev"),
    ("parec", "pulseaudio-utils"),
    ("Xvnc", "tigervnc-standalone-server"),
    ("xtigervncviewer", "tigervnc-viewer"),
    ("Xvfb", "xvfb"),
    ("xsetroot", "x11-xserver-utils"),
];

/// The time that no scenario may exceed, capture included.
const LIMIT: Duration = Duration::from_secs(40);

/// Plays the chosen scenarios in turn. It fails when one fails, when a peer is missing, and when there was none to play.
pub(crate) fn run_all(root: &Path, options: &Options) -> Result<(), ChoreError> {
    let chosen: Vec<_> = scenarios::all()
        .filter(|scenario| {
            options.only.is_empty()
                || options
                    .only
                    .iter()
                    .any(|part| scenario.name.contains(part.as_str()))
        })
        .collect();
    if chosen.is_empty() {
        return Err(ChoreError::Found(
            "no scenario of that name: see `cargo xtask interop --list`".to_owned(),
        ));
    }
    if options.list {
        for scenario in chosen {
            println!("{:<32} {}", scenario.name, scenario.shows);
        }
        return Ok(());
    }
    demand_peers()?;
    if chosen
        .iter()
        .any(|scenario| scenario.name.starts_with("sound_card"))
    {
        build_player(root)?;
    }
    let theatre = Theatre {
        folder: root.join("target/interop"),
        examples: build_examples(root)?,
        offhook: match &options.program {
            Some(path) => std::path::absolute(path).map_err(|cause| ChoreError::file(path, cause))?,
            None => build_offhook(root)?,
        },
        assets: root.join("xtask/interop"),
    };
    theatre.play(&chosen, options.keep)
}

/// Where scenarios are played.
struct Theatre {
    folder: PathBuf,
    offhook: PathBuf,
    /// Where the examples are.
    examples: PathBuf,
    assets: PathBuf,
}

impl Theatre {
    fn play(&self, scenarios: &[&Scenario], keep: bool) -> Result<(), ChoreError> {
        let begin = Instant::now();
        let mut failed = Vec::new();
        for (number, scenario) in scenarios.iter().enumerate() {
            let scenario_begin = Instant::now();
            let outcome = self.play_one(number, scenario);
            let seconds = scenario_begin.elapsed().as_secs_f64();
            match outcome {
                Ok(seen) => println!("ok      {:<32} {seconds:4.1} s  {seen}", scenario.name),
                Err(error) => {
                    println!("FAILED  {:<32} {seconds:4.1} s  {error}", scenario.name);
                    failed.push(scenario.name);
                    continue;
                }
            }
            if !keep {
                let folder = self.folder.join(scenario.name);
                std::fs::remove_dir_all(&folder).map_err(|cause| ChoreError::file(&folder, cause))?;
            }
        }
        println!("{:.0} s in all", begin.elapsed().as_secs_f64());
        println!(
            "{} passed, {} failed",
            scenarios.len() - failed.len(),
            failed.len()
        );
        if failed.is_empty() {
            return Ok(());
        }
        Err(ChoreError::Found(format!(
            "interop failed: {} (see {})",
            failed.join(", "),
            self.folder.display()
        )))
    }

    /// Plays a scenario while a capture runs, and says what went over the wire.
    fn play_one(&self, number: usize, scenario: &Scenario) -> Result<String, Disagreement> {
        let stage = Stage::set(
            self.folder.join(scenario.name),
            PortBlock::find(number)?,
            Instant::now() + LIMIT,
            Programs {
                offhook: &self.offhook,
                examples: &self.examples,
            },
            &self.assets,
        )?;
        if scenario.traffic == Traffic::Nothing {
            return (scenario.play)(&stage).map(|()| "no call".to_owned());
        }
        let capture = Capture::start(&stage)?;
        let played = (scenario.play)(&stage);
        let captured = capture.check(&stage, scenario.traffic);
        // What the scenario itself missed says more than what its capture lacks.
        played.and(captured).map(|packets| packets.to_string())
    }
}

/// Every peer must be there: a scenario that cannot be played is not a scenario that passed.
fn demand_peers() -> Result<(), ChoreError> {
    let missing: Vec<_> = PEERS
        .iter()
        .filter(|(program, _)| !is_installed(program))
        .collect();
    if missing.is_empty() {
        let modules = Path::new(baresip::MODULES);
        return modules
            .is_dir()
            .then_some(())
            .ok_or_else(|| ChoreError::Found(format!("baresip's modules are not in {}", modules.display())));
    }
    let programs: Vec<_> = missing.iter().map(|(program, _)| *program).collect();
    let mut packages: Vec<_> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Err(ChoreError::Found(format!(
        "missing: {}; run `apt-get install {}`",
        programs.join(", "),
        packages.join(" ")
    )))
}

/// Builds the mixer's example with sound cards, which need ALSA's headers: nothing else in the workspace does.
fn build_player(root: &Path) -> Result<(), ChoreError> {
    let package = ["build", "--quiet", "--package", "offhook-audio-mixer"];
    run(cargo(root, &package).args(["--features", "device", "--example", "mix_files"]))
}

/// Builds the program under test; it lies beside this one.
fn build_offhook(root: &Path) -> Result<PathBuf, ChoreError> {
    run(&mut cargo(
        root,
        &["build", "--quiet", "--package", "offhook-cli"],
    ))?;
    let own = std::env::current_exe().map_err(|cause| ChoreError::file(root, cause))?;
    Ok(own.with_file_name("offhook"))
}

/// Builds the examples that the scenarios play with; they lie in a folder beside this program.
fn build_examples(root: &Path) -> Result<PathBuf, ChoreError> {
    for words in [
        "build --quiet --package offhook-msrp --features tls --example listen --example connect",
        "build --quiet --package offhook-sip-core --example user_agent",
    ] {
        let words: Vec<_> = words.split(' ').collect();
        run(&mut cargo(root, &words))?;
    }
    let own = std::env::current_exe().map_err(|cause| ChoreError::file(root, cause))?;
    Ok(own.with_file_name("examples"))
}
