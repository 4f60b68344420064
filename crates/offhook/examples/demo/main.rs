//! `cargo xtask demo`: a call to a test number on this machine, and how good it sounds on both sides.
//!
//! Two applications in one process, each with its own SIP socket and media thread: one answers and plays a tune, the
//! other calls it and plays a wave file. Both record what they hear. The recordings are then compared with what was
//! played; one that is silent, wrong or damaged makes the program fail.

mod call;
mod judge;
mod options;
mod screen;
mod sound;
mod test_number;

use clap::Parser;
use judge::{Fault, Verdict};
use offhook::{Application, MemoryStorage};
use options::Options;
use screen::Screen;
use sound::Folder;
use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::ExitCode;
use test_number::TestNumber;

type Outcome<T> = Result<T, Box<dyn Error>>;

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options::parse();
    let spec = options.codec().spec();
    let mut screen = Screen::open(&format!(
        "A call to a test number on this machine, {} at {} Hz",
        spec.name, spec.sample_rate
    ));
    match run(&options, &mut screen).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            screen.error(&*error);
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options, screen: &mut Screen) -> Outcome<()> {
    let codec = options.codec();
    let rate = codec.spec().sample_rate;
    let folder = Folder::create(&options.out)?;
    let played = sound::prepare(options, &folder)?;

    // A sound card is not touched: the wave files take its place on both sides.
    let agent = TestNumber::answer(start(rate).await?, codec, &folder)?;
    screen.line("test number", &format!("waits at {}", agent.uri()));
    let caller = start(rate).await?;
    let called = call::place(&caller, agent.uri(), codec, played.duration(), &folder, screen).await;
    // The agent has had the caller's last word by now, or there never was a call.
    let answered = agent.stop(called.is_ok()).await;
    caller.stop().await;
    called?;
    answered?;

    screen.line("measuring", "both recordings against what was played");
    let verdicts = judge(codec, played, &folder).await?;
    screen.table(&verdicts, &folder);
    for verdict in &verdicts {
        verdict.fault.clone().map_or(Ok(()), Err)?;
    }
    Ok(())
}

/// Compares both recordings with what they should be, and draws them.
async fn judge(codec: offhook::AudioCodec, played: sound::Played, folder: &Folder) -> Outcome<[Verdict; 2]> {
    let folder = folder.clone();
    let work = move || -> Result<[Verdict; 2], Fault> {
        let heard = [
            Folder::load(&folder.agent_heard())?,
            Folder::load(&folder.caller_heard())?,
        ];
        let references = [&played.by_caller, &played.by_agent].map(|played| sound::reference(codec, played));
        judge::judge(codec, &references, &heard, &folder.picture())
    };
    Ok(tokio::task::spawn_blocking(work).await??)
}

async fn start(rate: u32) -> Result<Application, offhook::Error> {
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    // The codec's own rate, so that no sample is changed on its way to the encoder or to the file.
    Application::builder(MemoryStorage::new())
        .listen(loopback)
        .sample_rate(rate)
        .start()
        .await
}
