//! The CPU time of servers over UDP on loopback, per operation: ours, SIPp's own, and a program that only sends back
//! what it receives, which is what the kernel takes for itself.
//!
//! Each turn starts a fresh server and lets `load_generator` ask it; the least of the turns counts.

use std::io;
use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const TURNS: usize = 5;
/// A turn that takes longer has lost its server.
const TURN_LIMIT: Duration = Duration::from_secs(20);
const READY_LIMIT: Duration = Duration::from_secs(5);
const OPTIONS: u32 = 6_400;
const CALLS: u32 = 3_200;

/// Who answers, and what it is asked.
struct Row {
    name: &'static str,
    server: Server,
    operation: &'static str,
    count: u32,
    /// How often it receives and sends.
    pairs: f64,
    /// In microseconds.
    goal: Option<f64>,
}

#[derive(Clone, Copy)]
enum Server {
    Echo,
    Ours { stateless: bool },
    Sipp,
}

const ROWS: [Row; 5] = [
    Row {
        name: "receive and send, nothing else",
        server: Server::Echo,
        operation: "options",
        count: OPTIONS,
        pairs: 1.0,
        goal: None,
    },
    Row {
        name: "offhook, OPTIONS, stateless",
        server: Server::Ours { stateless: true },
        operation: "options",
        count: OPTIONS,
        pairs: 1.0,
        goal: Some(5.0),
    },
    Row {
        name: "offhook, OPTIONS, stateful",
        server: Server::Ours { stateless: false },
        operation: "options",
        count: OPTIONS,
        pairs: 1.0,
        goal: Some(8.0),
    },
    Row {
        name: "offhook, INVITE 200 ACK BYE 200",
        server: Server::Ours { stateless: false },
        operation: "call",
        count: CALLS,
        pairs: 2.5,
        goal: Some(25.0),
    },
    Row {
        name: "SIPp -sn uas, INVITE 180 200 ACK BYE 200",
        server: Server::Sipp,
        operation: "call",
        count: CALLS,
        pairs: 3.0,
        goal: None,
    },
];

/// Prints microseconds of user and system time, and how many bare pairs of system calls that is.
pub fn print() {
    let examples = match built_examples() {
        Ok(examples) => examples,
        Err(error) => return eprintln!("sip-load: {error}"),
    };
    let mut least = [f64::INFINITY; ROWS.len()];
    for _ in 0..TURNS {
        for (row, least) in ROWS.iter().zip(&mut least) {
            match turn(row, &examples) {
                Ok(each) => *least = least.min(each),
                Err(error) => eprintln!("sip-load: {}: {error}", row.name),
            }
        }
    }
    let (bare, sipp) = (least[0], least[ROWS.len() - 1]);
    println!("\n## CPU time of a server over UDP, microseconds per operation (least of {TURNS} turns)\n");
    println!("load of the machine: {}\n", load());
    println!("| | us | times the bare system calls | goal | SIPp's time / this |\n|---|---|---|---|---|");
    for (row, each) in ROWS.iter().zip(least) {
        let goal = row.goal.map_or("-".to_owned(), |goal| format!("{goal}"));
        let ratio = if row.operation == "call" {
            format!("{:.2}", sipp / each)
        } else {
            "-".to_owned()
        };
        println!(
            "| {} | {each:.1} | {:.1} | {goal} | {ratio} |",
            row.name,
            each / (bare * row.pairs)
        );
    }
}

/// Sends back what it receives, for ever: `offhook-bench echo ADDRESS`.
pub fn echo(address: &str) -> io::Result<()> {
    let socket = UdpSocket::bind(address)?;
    let mut buffer = [0; 65_536];
    loop {
        let (length, peer) = socket.recv_from(&mut buffer)?;
        socket.send_to(&buffer[..length], peer)?;
    }
}

/// One fresh server, asked once: microseconds for each operation.
fn turn(row: &Row, examples: &Path) -> io::Result<f64> {
    let address = UdpSocket::bind("127.0.0.1:0")?.local_addr()?;
    let mut command = match row.server {
        Server::Echo => {
            let mut command = Command::new(std::env::current_exe()?);
            command.args(["echo", &address.to_string()]);
            command
        }
        Server::Ours { stateless } => {
            let mut command = Command::new(examples.join("load_responder"));
            command
                .arg(address.to_string())
                .args(stateless.then_some("stateless"));
            command
        }
        Server::Sipp => {
            let mut command = Command::new("sipp");
            command.args([
                "-sn",
                "uas",
                "-nostdin",
                "-i",
                "127.0.0.1",
                "-p",
                &address.port().to_string(),
            ]);
            command
        }
    };
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let server = Running(command.spawn()?);
    // The port is the server's once we cannot have it.
    wait(READY_LIMIT, || {
        Ok(UdpSocket::bind(address).is_err().then_some(()))
    })?;
    let mut generator = Running(
        Command::new(examples.join("load_generator"))
            .args([
                row.operation,
                &address.to_string(),
                &row.count.to_string(),
                &server.0.id().to_string(),
            ])
            .stdout(Stdio::piped())
            .spawn()?,
    );
    let status = wait(TURN_LIMIT, || generator.0.try_wait())?;
    let mut said = String::new();
    if let Some(mut stdout) = generator.0.stdout.take() {
        io::Read::read_to_string(&mut stdout, &mut said)?;
    }
    // "call: 3200 done, 61200 ns of the server's CPU time each"
    let nanoseconds = said
        .split(' ')
        .nth(3)
        .and_then(|number| number.parse::<f64>().ok());
    nanoseconds
        .filter(|_| status.success())
        .map(|nanoseconds| nanoseconds / 1000.0)
        .ok_or_else(|| io::Error::other("the generator got no answer"))
}

/// A program that ends with the turn, whatever happens.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn wait<T>(limit: Duration, mut ready: impl FnMut() -> io::Result<Option<T>>) -> io::Result<T> {
    let begin = Instant::now();
    while begin.elapsed() < limit {
        if let Some(result) = ready()? {
            return Ok(result);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    Err(io::ErrorKind::TimedOut.into())
}

/// Builds `load_responder` and `load_generator` and says where they are.
fn built_examples() -> io::Result<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let status = Command::new("cargo")
        .current_dir(&root)
        .args([
            "build",
            "--release",
            "-p",
            "offhook-sip-core",
            "--example",
            "load_responder",
            "--example",
            "load_generator",
        ])
        .status()?;
    if !status.success() {
        return Err(io::Error::other("the examples of offhook-sip-core do not build"));
    }
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
    Ok(target.join("release/examples"))
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').take(3).collect::<Vec<_>>().join(" ")
}
