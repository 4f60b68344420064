//! Two processes hold one session with audio, a chat, a file each way and a shared desktop, while either side adds, holds and
//! removes at random, and audio loses 2 % of its packets. Says what went over; leaves with an error when anything is lost that may not.
//!
//! ```text
//! cargo run --release -p offhook-session --example mixed_soak [seconds] [MiB of each file] [seed]
//! ```
#![expect(clippy::print_stdout, reason = "an example tells what it does")]

#[path = "../../tests/calls/altered.rs"]
mod altered;
mod lossy;
mod side;

use offhook_account::Account;
use offhook_sansio::{Entropy, Transport};
use offhook_session::MediaStream;
use offhook_session::tokio::{UserAgent, UserAgentConfig, UserAgentEvent, select_file};
use offhook_session::{ChatStream, DesktopSharingHandler, DesktopSharingStream, FileTransferStream};
use offhook_sip_core::{NameAddr, Route, SipUri};
use side::{Role, Side};
use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

/// The word by which the second process knows that it is the second one.
const CALLED: &str = "called";

fn main() -> Result<(), Box<dyn Error>> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Runtime::new()?;
    if let [word, seed, folder] = &words[..]
        && word == CALLED
    {
        return runtime.block_on(be_called(seed.parse()?, Path::new(folder)));
    }
    let number = |at: usize, default: u64| words.get(at).map_or(Ok(default), |word| word.parse());
    let (seconds, megabytes, seed) = (number(0, 600)?, number(1, 1024)?, number(2, 1)?);
    let folder = Folder(std::env::temp_dir().join(format!("offhook-mixed-soak-{}", std::process::id())));
    for inbox in ["hers", "his"] {
        std::fs::create_dir_all(folder.0.join(inbox))?;
    }
    make_file(&folder.0.join("from-alice"), megabytes, seed)?;
    make_file(&folder.0.join("from-bob"), megabytes, seed + 1)?;
    let mut bob = Command::new(std::env::current_exe()?)
        .args([CALLED, &seed.to_string()])
        .arg(&folder.0)
        .stdout(Stdio::piped())
        .spawn()?;
    let mut told = BufReader::new(bob.stdout.take().ok_or("piped")?).lines();
    let address = told.next().ok_or("the second process says nothing")??;
    let called = runtime.block_on(call(
        address.parse()?,
        Duration::from_secs(seconds),
        seed,
        &folder.0,
    ));
    if called.is_err() {
        // It would wait for us.
        bob.kill()?;
    }
    for line in told {
        println!("{}", line?);
    }
    let left = bob.wait()?;
    called?;
    if left.success() {
        Ok(())
    } else {
        Err("the second process complains".into())
    }
}

/// A folder that goes with the program.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        // Nothing can be done about one that cannot be removed.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A file that cannot be made smaller.
fn make_file(path: &Path, megabytes: u64, seed: u64) -> Result<(), Box<dyn Error>> {
    let (mut file, mut entropy) = (File::create(path)?, Entropy::from_number(seed));
    let mut piece = vec![0; 1024 * 1024];
    entropy.fill(&mut piece);
    for number in 0..megabytes {
        piece[..8].copy_from_slice(&number.to_be_bytes());
        file.write_all(&piece)?;
    }
    Ok(())
}

fn config() -> UserAgentConfig {
    UserAgentConfig {
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ..UserAgentConfig::default()
    }
}

/// The first process: calls, and ends the call when it has lasted.
async fn call(bob: SocketAddr, lasts: Duration, seed: u64, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (agent, _events) = UserAgent::start(config())?;
    let uri: SipUri = format!("sip:bob@{bob}").parse()?;
    let routes = vec![Route::new(Transport::Udp, bob)];
    let streams: Vec<Box<dyn MediaStream>> = vec![
        Box::new(lossy::lossy(seed)),
        Box::new(ChatStream::new()),
        Box::new(DesktopSharingStream::new(DesktopSharingHandler::InternalServer)),
    ];
    let account = Account::local("alice")?;
    let session = agent
        .call_with(&account, NameAddr::new(uri.into()), routes, streams)
        .await?;
    // One is pushed, one is pulled.
    let ours = folder.join("from-alice");
    let sent = FileTransferStream::send(&ours, select_file(&ours, "application/octet-stream", true).await?);
    let wanted = select_file(&folder.join("from-bob"), "application/octet-stream", true).await?;
    let fetched = FileTransferStream::fetch(wanted, folder.join("hers"));
    let files: Vec<Box<dyn MediaStream>> = vec![Box::new(sent), Box::new(fetched)];
    let side = Side::new(session, Role::Caller { files, lasts }, seed, folder);
    let summary = side.run().await?;
    println!("alice: {summary}");
    agent.stop().await;
    Ok(())
}

/// The second process: says where it is, and takes one call.
async fn be_called(seed: u64, folder: &Path) -> Result<(), Box<dyn Error>> {
    let (agent, mut events) = UserAgent::start(config())?;
    println!("{}", agent.local_addr());
    let session = loop {
        if let UserAgentEvent::Incoming(session) = events.next().await.ok_or("nobody called")? {
            break session;
        }
    };
    let streams: Vec<Box<dyn MediaStream>> = vec![
        Box::new(lossy::lossy(seed + 1)),
        Box::new(ChatStream::new()),
        Box::new(DesktopSharingStream::new(DesktopSharingHandler::InternalViewer)),
    ];
    session.accept_with(streams).await?;
    let summary = Side::new(session, Role::Called, seed + 1, folder).run().await?;
    println!("bob: {summary}");
    agent.stop().await;
    Ok(())
}
