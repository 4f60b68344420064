//! Hello world: a wideband audio session with a test number that plays a music tune.
//!
//! `cargo run -p offhook --example hello_world --features device [sip:3333@sip2sip.info]`, then press Enter to quit.

#![allow(clippy::print_stdout)] // it talks to whoever started it

use offhook::prelude::*;
use tokio::io::{AsyncReadExt, stdin};

#[tokio::main]
async fn main() -> Result<(), offhook::Error> {
    let target = std::env::args()
        .nth(1)
        .unwrap_or("sip:3333@sip2sip.info".to_owned());
    let app = Application::start(FileStorage::new("config")?).await?;
    let mut session = app.call(target.parse()?, [AudioStream::offer()]).await?;
    println!("Placing call to {target}, press Enter to quit the program");
    let (mut keyboard, mut quitting) = (stdin(), false);
    loop {
        tokio::select! {
            event = session.next_event() => match event {
                Some(SessionEvent::GotRingIndication) => println!("Ringing!"),
                Some(SessionEvent::DidStart { streams }) => println!("Established: {}", streams.audio()?.describe()),
                Some(SessionEvent::DidFail { reason, .. }) => println!("Failed to connect: {reason}"),
                Some(SessionEvent::DidEnd { .. }) => println!("Session ended"),
                Some(_) => {}
                None => break,
            },
            _ = keyboard.read_u8(), if !quitting => {
                quitting = true;
                session.end().await?;
            }
        }
    }
    app.stop().await;
    Ok(())
}
