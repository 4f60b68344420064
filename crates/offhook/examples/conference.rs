//! A conference for everybody who calls: all hear each other, and a file that is played to them.
//!
//! ```text
//! cargo run -p offhook --example conference -- --listen 127.0.0.1:5060 --music hold.wav
//! offhook call sip:room@127.0.0.1 --play alice.wav     # and others from elsewhere
//! ```

#![allow(clippy::print_stdout, clippy::print_stderr)] // it talks to whoever started it

use clap::Parser;
use offhook::prelude::*;
use offhook::{AudioConference, PlayerOptions};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Parser)]
#[command(about = "Answers all calls and lets them hear each other, until Ctrl-C.")]
struct Args {
    /// Where to listen for SIP.
    #[arg(long, default_value = "0.0.0.0:5060")]
    listen: SocketAddr,
    /// A wave file that everybody hears, over and over.
    #[arg(long, value_name = "FILE.wav")]
    music: Option<PathBuf>,
}

/// Samples a second of what is played: the widest codec's.
const RATE: u32 = 48_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args = Args::parse();
    let app = Application::builder(MemoryStorage::new())
        .listen(args.listen)
        .start()
        .await?;
    println!("The room is at {}", app.local_addr());
    let room = Arc::new(app.conference().await?);
    if let Some(music) = &args.music {
        let options = PlayerOptions {
            loop_count: 0, // endless
            ..PlayerOptions::default()
        };
        let mut player = WavePlayer::new(WaveFile::load(music, RATE)?, options);
        player.start();
        room.bridge().add_port(player).await?;
    }
    loop {
        tokio::select! {
            event = app.next_event() => match event {
                Some(ApplicationEvent::Incoming(call)) => drop(tokio::spawn(host(call, Arc::clone(&room)))),
                Some(_) => {}
                None => break,
            },
            _ = tokio::signal::ctrl_c() => break,
        }
    }
    app.stop().await;
    Ok(())
}

/// Takes a caller into the room, and stays with the call until it ends.
async fn host(mut call: Session, room: Arc<AudioConference>) {
    let caller = call.remote_identity().uri.to_string();
    // Nobody speaks here: the room has no microphone.
    if let Err(error) = call.accept([AudioStream::offer().without_device()]).await {
        return eprintln!("{caller} cannot be answered: {error}");
    }
    while let Some(event) = call.next_event().await {
        match event {
            SessionEvent::DidStart { .. } => match enter(&call, &room).await {
                Ok(others) => println!("{caller} comes to {others} others"),
                Err(error) => eprintln!("{caller} cannot enter: {error}"),
            },
            SessionEvent::DidEnd { .. } => println!("{caller} has left"),
            SessionEvent::DidFail { reason, .. } => println!("{caller} did not come: {reason}"),
            _ => {}
        }
    }
}

/// How many are there already.
async fn enter(call: &Session, room: &AudioConference) -> Result<usize, offhook::Error> {
    let others = room.streams().await?.len();
    room.add(call.audio_stream().await?).await?;
    Ok(others)
}
