//! What users and scripts get wrong, and machines refuse: the documented exit code, one sentence, nothing left behind.

use super::Scenario;
use crate::interop::disagreement::{Disagreement, holds, same};
use crate::interop::packets::Traffic;
use crate::interop::ports::{LOOPBACK, Seat};
use crate::interop::program::CommandLine;
use crate::interop::stage::Stage;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(super) const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "bad_command_line",
        shows: "wrong usage, URIs and codecs: exit codes 2, 10, 11",
        traffic: Traffic::Nothing,
        play: bad_command_line,
    },
    Scenario {
        name: "bad_files",
        shows: "files that cannot be played or written: exit codes 12, 13, no recording left",
        traffic: Traffic::Nothing,
        play: bad_files,
    },
    Scenario {
        name: "bad_addresses",
        shows: "a busy port, an address not ours, a name that does not exist: exit codes 14, 15",
        traffic: Traffic::Nothing,
        play: bad_addresses,
    },
    Scenario {
        name: "nobody_there",
        shows: "nobody listens at the port that we call: told at once, exit code 15, no recording left",
        traffic: Traffic::Offer,
        play: nobody_there,
    },
];

/// A resolver may ask servers that do not answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// A wrong command line and what it must end with.
struct Row<'a> {
    command: CommandLine,
    code: i32,
    /// A file that must not be there afterwards.
    unwritten: Option<&'a Path>,
}

fn bad_command_line(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let usage = [
        &[][..],
        &["call"],
        &["dance"],
        &["call", "sip:x@127.0.0.1", "--nonsense"],
        &["call", "sip:x@127.0.0.1", "--duration", "soon"],
        &["answer", "--listen", "nowhere"],
        &["register"],
    ];
    for (number, words) in usage.iter().enumerate() {
        let mut us = CommandLine::new(words).start_plain(stage, &format!("usage-{number}"))?;
        us.leaves_within(stage, PATIENCE, 2)?;
    }
    let uris = [
        "",
        "bob",
        "http://127.0.0.1/",
        "sip:",
        "sip:a b@127.0.0.1",
        "sip:x@[::1",
        "sip:x@127.0.0.1:99999",
    ];
    for (number, uri) in uris.iter().enumerate() {
        let row = Row::ending(10, CommandLine::new(&["call", uri, "--no-device"]));
        row.check(stage, &format!("uri-{number}"))?;
    }
    for (number, codecs) in ["speex", "PCMU,nonsense", ","].iter().enumerate() {
        let command = CommandLine::call(stage, Seat::First, "sip:x@127.0.0.1").option("--codec", &codecs);
        Row::ending(11, command).check(stage, &format!("codec-{number}"))?;
    }
    Ok(())
}

fn bad_files(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let write = |name: &str, bytes: &[u8]| -> Result<PathBuf, Disagreement> {
        let path = stage.file(name);
        std::fs::write(&path, bytes).map_err(|cause| Disagreement::file(&path, cause))?;
        Ok(path)
    };
    let unplayable = [
        stage.file("missing.wav"),
        stage.folder().to_owned(),
        write("text.wav", b"This is no wave file, whatever its name says.\n")?,
        write("empty.wav", b"")?,
        write("cut.wav", b"RIFF\x24\x00\x00\x00WAVEfmt \x10\x00")?,
    ];
    for (number, path) in unplayable.iter().enumerate() {
        let recording = stage.file("unwritten.wav");
        let command = CommandLine::call(stage, Seat::First, "sip:x@127.0.0.1")
            .option("--play", &path.display())
            .option("--record", &recording.display());
        let row = Row {
            unwritten: Some(&recording),
            ..Row::ending(12, command)
        };
        row.check(stage, &format!("play-{number}"))?;
    }
    for (number, path) in [stage.file("no/such/folder.wav"), stage.folder().to_owned()]
        .iter()
        .enumerate()
    {
        let command =
            CommandLine::call(stage, Seat::First, "sip:x@127.0.0.1").option("--record", &path.display());
        Row::ending(13, command).check(stage, &format!("record-{number}"))?;
    }
    Ok(())
}

fn bad_addresses(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let port = stage.ports().sip(Seat::First);
    let taken = UdpSocket::bind((LOOPBACK, port)).map_err(|cause| Disagreement::Start {
        program: "a socket on a port of our own".to_owned(),
        cause,
    })?;
    let recording = stage.file("unwritten.wav");
    let record = |command: CommandLine| command.option("--record", &recording.display());
    let on_taken = record(CommandLine::answer(stage, Seat::First));
    let not_ours = CommandLine::new(&["answer", "--no-device", "--listen", "192.0.2.1:0"]);
    let no_name = CommandLine::call(stage, Seat::Second, "sip:x@no-such-host.invalid");
    for (name, code, command) in [
        ("taken", 14, on_taken),
        ("not-ours", 14, record(not_ours)),
        ("no-name", 15, record(no_name)),
    ] {
        let row = Row {
            unwritten: Some(&recording),
            ..Row::ending(code, command)
        };
        row.check(stage, name)?;
    }
    drop(taken);
    Ok(())
}

fn nobody_there(stage: &Stage<'_>) -> Result<(), Disagreement> {
    let recording = stage.file("unwritten.wav");
    let uri = format!("sip:x@{LOOPBACK}:{}", stage.ports().sip(Seat::First));
    let command = CommandLine::call(stage, Seat::Second, &uri).option("--record", &recording.display());
    let row = Row {
        unwritten: Some(&recording),
        ..Row::ending(15, command)
    };
    row.check(stage, "offhook")
}

impl Row<'_> {
    fn ending(code: i32, command: CommandLine) -> Self {
        Self {
            command,
            code,
            unwritten: None,
        }
    }

    fn check(self, stage: &Stage<'_>, name: &str) -> Result<(), Disagreement> {
        let mut us = self.command.start_plain(stage, name)?;
        us.leaves_within(stage, PATIENCE, self.code)?;
        let stderr = us.stderr()?;
        let lines: Vec<_> = stderr.lines().collect();
        holds(
            &format!("sentences of {name} on stderr"),
            lines.len() == 1,
            &1,
            &format_args!("{lines:?}"),
        )?;
        let left = self.unwritten.filter(|path| path.exists());
        same(&format!("recording left by {name}"), &left, &None)
    }
}
