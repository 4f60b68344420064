//! A running example, and the folder of its files.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running example. It ends with the test.
pub(crate) struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    lines: Receiver<Value>,
}

pub(crate) fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().unwrap();
    let profile = tests.ancestors().nth(2).unwrap();
    let program = profile.join("examples").join(name);
    assert!(
        program.exists(),
        "`cargo test -p offhook-msrp --all-features` builds {}, and so does `cargo build --examples`",
        program.display()
    );
    program
}

impl Program {
    pub(crate) fn start(name: &str, args: &[&str]) -> Self {
        Self::run(Command::new(example(name)).args(args), format!("{name} {args:?}"))
    }

    /// An example that may not write files of more than so many blocks of 512 bytes, as on a disk that is full.
    pub(crate) fn start_with_little_room(blocks: u32, name: &str, args: &[&str]) -> Self {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        shell.args(["-c", &script]).arg(example(name)).args(args);
        Self::run(&mut shell, format!("{name} {args:?}"))
    }

    fn run(command: &mut Command, name: String) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let line = serde_json::from_str(&line).expect("each line is JSON");
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self {
            name,
            child,
            input,
            lines,
        }
    }

    /// The next line of this event, after others.
    pub(crate) fn event(&mut self, event: &str) -> Value {
        let until = Instant::now() + PATIENCE;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.lines.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("{} says no {event}", self.name));
            if line["event"] == event {
                return line;
            }
        }
    }

    pub(crate) fn path(&mut self, event: &str) -> String {
        self.event(event)["path"].as_str().unwrap().to_owned()
    }

    pub(crate) fn tell(&mut self, line: &str) {
        let mut input = self.input.take().unwrap();
        writeln!(input, "{line}").unwrap();
    }

    /// As Ctrl-C does (`INT`), or a system that stops its programs (`TERM`).
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(
            Command::new("kill")
                .args(["-s", name, &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// All lines that are left, once it has ended well.
    pub(crate) fn rest(mut self) -> Vec<Value> {
        let status = self.status();
        let said = self.said_in_error();
        assert!(status.success(), "{}: {status}, {said}", self.name);
        self.lines.iter().collect()
    }

    /// What it says on standard error, once it has ended badly.
    pub(crate) fn complaint(self) -> String {
        self.fault().0
    }

    /// What it says on standard error, once it has ended badly, and all lines that are left.
    pub(crate) fn fault(mut self) -> (String, Vec<Value>) {
        let status = self.status();
        let said = self.said_in_error();
        assert_eq!(status.code(), Some(1), "{}: {said}", self.name);
        (said, self.lines.iter().collect())
    }

    pub(crate) fn said_in_error(&mut self) -> String {
        let mut said = String::new();
        let mut errors = self.child.stderr.take().unwrap();
        errors.read_to_string(&mut said).unwrap();
        said
    }

    pub(crate) fn status(&mut self) -> std::process::ExitStatus {
        let until = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < until, "{} does not end", self.name);
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder of one test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub(crate) fn file(&self, name: &str, bytes: &[u8]) -> String {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path.display().to_string()
    }

    /// A certificate for this machine with the one under which it stands in one file, its key, and the file of the authority
    /// above both.
    pub(crate) fn chain(&self) -> (String, String, String) {
        let authority = |name: &str| {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, name);
            (params, KeyPair::generate().unwrap())
        };
        let (root, root_key) = authority("root");
        let (between, between_key) = authority("between");
        let own = CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        let own_key = KeyPair::generate().unwrap();
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let between_pem = between.signed_by(&between_key, &root).unwrap().pem();
        let between = Issuer::new(between, between_key);
        let own_pem = own.signed_by(&own_key, &between).unwrap().pem();
        (
            self.file("chain.pem", format!("{own_pem}{between_pem}").as_bytes()),
            self.file("chain.key", own_key.serialize_pem().as_bytes()),
            self.file("root.pem", root_pem.as_bytes()),
        )
    }

    /// A certificate for a name and for this machine, and its key, and the fingerprint.
    pub(crate) fn certificate(&self, name: &str) -> (String, String, String) {
        let names = [name.to_owned(), "127.0.0.1".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let print = offhook_msrp::fingerprint::Fingerprint::of_certificate(made.cert.der());
        (
            self.file(&format!("{name}.pem"), made.cert.pem().as_bytes()),
            self.file(
                &format!("{name}.key"),
                made.signing_key.serialize_pem().as_bytes(),
            ),
            print.to_string(),
        )
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
