//! Packets protected by us and read by libsrtp2, and the other way round: every suite, over the roll-over, with a replay and
//! a forgery that both must refuse.

use super::Scenario;
use crate::interop::disagreement::{Disagreement, holds};
use crate::interop::packets::Traffic;
use crate::interop::stage::Stage;
use std::fmt::Write as _;
use std::fs::File;
use std::process::{Command, Stdio};

pub(super) const SCENARIOS: &[Scenario] = &[Scenario {
    name: "libsrtp_both_ways",
    shows: "libsrtp2 reads what we protect and we read what it protects, in all six suites",
    traffic: Traffic::Nothing,
    play: both_ways,
}];

/// Suites with the octets of their key and salt together.
const SUITES: [(&str, usize); 6] = [
    ("AES_CM_128_HMAC_SHA1_80", 30),
    ("AES_CM_128_HMAC_SHA1_32", 30),
    ("AES_256_CM_HMAC_SHA1_80", 46),
    ("AES_256_CM_HMAC_SHA1_32", 46),
    ("AEAD_AES_128_GCM", 28),
    ("AEAD_AES_256_GCM", 44),
];

fn both_ways(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let theirs = stage.file("libsrtp_lines");
    let source = stage.asset("libsrtp_lines.c");
    let mut compiler = Command::new("cc");
    compiler
        .args(["-O1", "-Wall", "-o"])
        .arg(&theirs)
        .arg(&source)
        .arg("-lsrtp2");
    filter(stage, "cc", compiler, "")?;
    let theirs = || Command::new(&theirs);
    let ours = || {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.current_dir(source.parent().unwrap_or(&source));
        cargo.args([
            "run",
            "--quiet",
            "--package",
            "offhook-rtp-media",
            "--example",
            "srtp_lines",
            "--",
        ]);
        cargo
    };
    for (suite, key_len) in SUITES {
        let key = (0..key_len).fold(String::new(), |mut key, octet| {
            let _ = write!(key, "{:02x}", (octet * 7 + 3) % 256);
            key
        });
        let run = |name: &str, mut program: Command, direction: &str, lines: &str| {
            program.args([direction, suite, &key]);
            filter(stage, &format!("{name}_{direction}_{suite}"), program, lines)
        };
        exchange(
            suite,
            |lines| run("ours", ours(), "protect", lines),
            |lines| run("theirs", theirs(), "unprotect", lines),
        )?;
        exchange(
            suite,
            |lines| run("theirs", theirs(), "protect", lines),
            |lines| run("ours", ours(), "unprotect", lines),
        )?;
    }
    Ok(())
}

/// Has one side protect and the other read; of the first packet a copy and a forgery come along.
fn exchange(
    suite: &str,
    protect: impl Fn(&str) -> Result<Vec<String>, Disagreement>,
    unprotect: impl Fn(&str) -> Result<Vec<String>, Disagreement>,
) -> Result<(), Disagreement> {
    let plain = packets();
    let hidden = protect(&lines(&plain))?;
    let kinds = plain.iter().map(|(kind, _)| *kind);
    let mut coming: Vec<_> = kinds.zip(hidden).collect();
    holds(
        "packets protected",
        coming.len() == plain.len(),
        &plain.len(),
        &coming.len(),
    )?;
    let (kind, first) = coming[0].clone();
    let forged = first.replace(['0', '1'], "2");
    coming.extend([(kind, first), (kind, forged)]);
    let read = unprotect(&lines(&coming))?;
    let wanted = plain.iter().map(|(_, packet)| packet.as_str());
    let wanted: Vec<_> = wanted.chain(["refused", "refused"]).collect();
    let wrong = read
        .iter()
        .zip(&wanted)
        .filter(|(read, wanted)| *read != *wanted)
        .count();
    holds(
        &format!("packets of {suite} read as they were"),
        wrong == 0 && read.len() == wanted.len(),
        &wanted.len(),
        &(read.len() - wrong),
    )
}

/// RTP around the roll-over, with payloads of every length up to 300 and an extension in each third; and some reports.
fn packets() -> Vec<(&'static str, String)> {
    let rtp = (0..300u32).map(|number| {
        let sequence = (0xff80 + number) as u16;
        let extension = if number % 3 == 0 { "bede000110aa0000" } else { "" };
        let first = if extension.is_empty() { "80" } else { "90" };
        let payload = "5a".repeat(number as usize);
        (
            "rtp",
            format!("{first}00{sequence:04x}{number:08x}cafebabe{extension}{payload}"),
        )
    });
    let report = "80c80006cafebabe".to_owned() + &"17".repeat(20);
    rtp.chain(std::iter::repeat_n(("rtcp", report), 5)).collect()
}

fn lines(packets: &[(&str, String)]) -> String {
    packets.iter().fold(String::new(), |mut lines, (kind, packet)| {
        let _ = writeln!(lines, "{kind} {packet}");
        lines
    })
}

/// Runs a program over some input; gives the lines that it prints.
fn filter(
    stage: &Stage<'_>,
    name: &str,
    mut program: Command,
    input: &str,
) -> Result<Vec<String>, Disagreement> {
    let path = stage.file(&format!("{name}.in"));
    std::fs::write(&path, input).map_err(|cause| Disagreement::file(&path, cause))?;
    let stdin = File::open(&path).map_err(|cause| Disagreement::file(&path, cause))?;
    let output = program.stdin(stdin).stderr(Stdio::inherit()).output();
    let output = output.map_err(|cause| Disagreement::Start {
        program: program.get_program().to_string_lossy().into_owned(),
        cause,
    })?;
    holds(
        &format!("end of {name}"),
        output.status.success(),
        &"success",
        &output.status,
    )?;
    Ok(String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(str::to_owned)
        .collect())
}
