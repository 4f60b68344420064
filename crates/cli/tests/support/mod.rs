//! Runs the built program, reads what it says, and never leaves one behind.

#![allow(dead_code, reason = "each test file uses its own part of this one")]

use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Longer than anything here takes, on the slowest machine.
const PATIENCE: Duration = Duration::from_secs(15);

/// What most stories leave out.
const DETAILS: [&str; 4] = [
    "statistics",
    "did_process_transaction",
    "stream_did_start",
    "stream_did_end",
];

/// The program at work.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    stderr: Option<JoinHandle<String>>,
    /// Every event so far, in order.
    pub(crate) events: Vec<Value>,
}

/// What is left of a program that has ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stderr: String,
    pub(crate) events: Vec<Value>,
}

impl Program {
    /// Starts `offhook` with these words, with events as JSON.
    pub(crate) fn start<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        Self::start_with_input(words, "")
    }

    /// The same with something typed in.
    pub(crate) fn start_with_input<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>, input: &str) -> Self {
        let mut program = Self::start_typing(words);
        let mut stdin = program.stdin.take().expect("piped");
        stdin.write_all(input.as_bytes()).expect("a few lines fit");
        program
    }

    /// The same for somebody who types while it runs.
    pub(crate) fn start_typing<S: AsRef<OsStr>>(words: impl IntoIterator<Item = S>) -> Self {
        Self::start_as(OsStr::new(Self::BINARY), words)
    }

    /// Where it lies.
    pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_offhook");

    /// The same of something that becomes `offhook`.
    pub(crate) fn start_as<S: AsRef<OsStr>>(program: &OsStr, words: impl IntoIterator<Item = S>) -> Self {
        let mut child = Command::new(program)
            .args(words)
            .arg("--json")
            .env("RUST_BACKTRACE", "1")
            .env_remove("OFFHOOK_PASSWORD")
            .env_remove("OFFHOOK_LOG")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program starts");
        let stdin = child.stdin.take();
        let (sender, lines) = channel();
        let stdout = BufReader::new(child.stdout.take().expect("piped"));
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        let mut pipe = child.stderr.take().expect("piped");
        let stderr = std::thread::spawn(move || {
            let mut text = String::new();
            let _ = pipe.read_to_string(&mut text);
            text
        });
        Self {
            child,
            stdin,
            lines,
            stderr: Some(stderr),
            events: Vec::new(),
        }
    }

    /// `offhook answer` on a free port of 127.0.0.1, and where that is.
    pub(crate) fn answer(options: &[&str]) -> (Self, SocketAddr) {
        Self::answer_with(&[&["--no-device"], options].concat())
    }

    /// The same without saying that there is no device.
    pub(crate) fn answer_with(options: &[&str]) -> (Self, SocketAddr) {
        let mut program = Self::start([&["answer", "--listen", "127.0.0.1:0"], options].concat());
        let address = program.listening();
        (program, address)
    }

    /// `offhook receive-files` into a folder, for one session, and the URI to send to.
    pub(crate) fn receive_files(inbox: &str) -> (Self, String) {
        let words = ["receive-files", "--dir", inbox, "--listen", "127.0.0.1:0"];
        let mut program = Self::start([&words[..], &["--sessions", "1"]].concat());
        let uri = format!("sip:bob@{}", program.listening());
        (program, uri)
    }

    /// `offhook call` to whoever listens there.
    pub(crate) fn call(to: SocketAddr, options: &[&str]) -> Self {
        let uri = format!("sip:bob@{to}");
        Self::start([&["call", &uri, "--listen", "127.0.0.1:0", "--no-device"], options].concat())
    }

    /// Types a line.
    pub(crate) fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("somebody types");
        writeln!(stdin, "{line}").expect("it reads");
    }

    /// Waits until the program listens.
    pub(crate) fn listening(&mut self) -> SocketAddr {
        let event = self.wait_for("listening");
        event["address"]
            .as_str()
            .expect("an address")
            .parse()
            .expect("an address")
    }

    /// Waits for an event of that name that has not been waited for.
    pub(crate) fn wait_for(&mut self, name: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            match self.next_event(end) {
                Some(event) if event["event"] == name => return event,
                Some(_) => {}
                None => panic!("no {name} after {:#?}", self.events),
            }
        }
    }

    /// Waits until the other side proposes to add something.
    pub(crate) fn wait_for_proposal(&mut self) -> Value {
        loop {
            let event = self.wait_for("got_proposal");
            if event["originator"] == "remote" {
                return event;
            }
        }
    }

    fn next_event(&mut self, end: Instant) -> Option<Value> {
        let left = end.saturating_duration_since(Instant::now());
        match self.lines.recv_timeout(left) {
            Ok(line) => {
                let event: Value =
                    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                self.events.push(event.clone());
                Some(event)
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => None,
        }
    }

    /// Sends a signal as a terminal or a service manager would.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill")
            .args([&format!("-{name}"), &self.child.id().to_string()])
            .status();
        assert!(sent.expect("kill is everywhere").success());
    }

    /// Waits for the end.
    pub(crate) fn end(mut self) -> Ended {
        let end = Instant::now() + PATIENCE;
        while self.next_event(end).is_some() {}
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(Instant::now() < end, "still running after {:#?}", self.events);
            std::thread::sleep(Duration::from_millis(10));
        };
        let stderr = self
            .stderr
            .take()
            .expect("only once")
            .join()
            .expect("reading does not panic");
        Ended {
            code: status.code(),
            stderr,
            events: std::mem::take(&mut self.events),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // A test that failed leaves nothing behind. One that ended is not there any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Ended {
    /// The names of the events, without the figures, and what is told of transactions and single streams.
    pub(crate) fn story(&self) -> Vec<&str> {
        let names = self
            .events
            .iter()
            .map(|event| event["event"].as_str().expect("a name"));
        names.filter(|name| !DETAILS.contains(name)).collect()
    }

    /// The first event of that name.
    pub(crate) fn event(&self, name: &str) -> &Value {
        let found = self.events.iter().find(|event| event["event"] == name);
        found.unwrap_or_else(|| panic!("no {name} in {:#?}", self.events))
    }

    /// Requires an exit code and, with it, one clear sentence.
    #[track_caller]
    pub(crate) fn failed_with(&self, code: i32) {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        let lines: Vec<_> = self.stderr.lines().collect();
        assert_eq!(lines.len(), 1, "{}", self.stderr);
        assert!(lines[0].starts_with("offhook: "), "{}", self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
    }

    #[track_caller]
    pub(crate) fn succeeded(&self) {
        assert_eq!(self.code, Some(0), "{}\n{:#?}", self.stderr, self.events);
        assert_eq!(self.stderr, "");
    }
}

/// A folder that goes away with its test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a folder for files of the test");
        Self(path)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().expect("plain names").to_owned()
    }

    /// A file in it.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).expect("a file of the test");
        path
    }

    /// A pipe in it that nobody writes into: to open it would wait for ever.
    pub(crate) fn pipe(&self, name: &str) -> String {
        let path = self.path(name);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo is everywhere").success());
        path
    }

    /// A wave file in it that says one tone.
    pub(crate) fn tone(&self, name: &str, hertz: f64, seconds: u32) -> String {
        let (path, rate) = (self.path(name), 16_000);
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut file = hound::WavWriter::create(&path, spec).expect("a file of the test");
        for n in 0..rate * seconds {
            let angle = std::f64::consts::TAU * hertz * f64::from(n) / f64::from(rate);
            file.write_sample((angle.sin() * 8000.0) as i16).expect("written");
        }
        file.finalize().expect("written");
        path
    }

    /// The names of the files in it, sorted.
    pub(crate) fn files(&self) -> Vec<String> {
        let entries = std::fs::read_dir(&self.0).expect("it is there");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("readable")
                    .file_name()
                    .into_string()
                    .expect("plain names")
            })
            .collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The samples of a recording and their rate.
pub(crate) fn recorded(path: &str) -> (Vec<i16>, u32) {
    let mut file = hound::WavReader::open(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let rate = file.spec().sample_rate;
    (
        file.samples().map(|sample| sample.expect("whole")).collect(),
        rate,
    )
}
