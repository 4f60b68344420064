//! How fast sessions are on this machine, beside a plain copy of the same bytes by Tokio: one run, one thread per side.
//!
//! ```text
//! cargo run --release -p offhook-msrp --example throughput
//! ```

use bytes::Bytes;
use offhook_msrp::session::Delivery;
use offhook_msrp::tokio::{AcceptorDirect, ConnectorDirect, MsrpConnection};
use offhook_msrp::{OutgoingMessage, SessionConfig, SessionEvent};
use std::io::Write;
use std::num::NonZeroU32;
use std::time::Instant;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const FILE: u64 = 1 << 30;
const PIECE: usize = 256 * 1024;
const MESSAGES: u64 = 500_000;
const ROUNDS: usize = 3;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut out = std::io::stdout();
    let mut best = (0.0_f64, 0.0_f64);
    for _ in 0..ROUNDS {
        let plain = FILE as f64 / plain_copy()?;
        let ours = FILE as f64 / file()?;
        writeln!(
            out,
            "1 GiB: plain copy {:.0} MB/s, MSRP {:.0} MB/s, {:.0} %",
            plain / 1e6,
            ours / 1e6,
            ours / plain * 100.0
        )?;
        best = (best.0.max(plain), best.1.max(ours));
    }
    writeln!(
        out,
        "best of {ROUNDS}: MSRP reaches {:.0} % of the plain copy",
        best.1 / best.0 * 100.0
    )?;
    for _ in 0..ROUNDS {
        let seconds = small_messages()?;
        writeln!(
            out,
            "200-byte messages with responses: {:.0} per second",
            MESSAGES as f64 / seconds
        )?;
    }
    if let Ok(status) = std::fs::read_to_string("/proc/self/status") {
        let peak = status
            .lines()
            .find(|line| line.starts_with("VmHWM"))
            .unwrap_or_default();
        writeln!(out, "memory of both sides and all runs, {peak}")?;
    }
    Ok(())
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// Seconds for the same bytes without MSRP.
fn plain_copy() -> Result<f64, Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let receiver = std::thread::spawn(move || {
        runtime()?.block_on(async {
            let (mut stream, _) = TcpListener::from_std(listener)?.accept().await?;
            let mut buffer = vec![0; PIECE];
            let mut left = FILE;
            while left > 0 {
                left -= stream.read(&mut buffer).await? as u64;
            }
            stream.write_all(b"k").await
        })
    });
    runtime()?.block_on(async {
        let mut stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let piece = vec![b'x'; PIECE];
        let began = Instant::now();
        for _ in 0..FILE / PIECE as u64 {
            stream.write_all(&piece).await?;
        }
        stream.read_u8().await?;
        let seconds = began.elapsed().as_secs_f64();
        receiver.join().map_err(|_| "the receiver panicked")??;
        Ok(seconds)
    })
}

/// Runs a sender on this thread and a receiver on another, with a session between them.
fn with_pair(
    receive: impl AsyncFnOnce(MsrpConnection) + Send + 'static,
    send: impl AsyncFnOnce(MsrpConnection) -> Result<f64, Failure>,
) -> Result<f64, Failure> {
    let connector = ConnectorDirect::prepare(None)?;
    let local = connector.local_path().clone();
    let (path_to, path_from) = std::sync::mpsc::channel();
    let alices = local.clone();
    let receiver = std::thread::spawn(move || {
        runtime()?.block_on(async {
            let acceptor = AcceptorDirect::prepare(([127, 0, 0, 1], 0).into()).await?;
            let path = acceptor.local_path().clone();
            path_to.send(path.clone()).map_err(|_| "nobody to talk to")?;
            let mut config = SessionConfig::new(path, alices);
            config.delivery = Delivery::Pieces;
            config.message_limits.bytes = u64::MAX;
            receive(acceptor.complete(config).await?).await;
            Ok::<_, Failure>(())
        })
    });
    let remote = path_from.recv()?;
    let seconds = runtime()?.block_on(async {
        let mut config = SessionConfig::new(local, remote);
        config.chunk_size = NonZeroU32::MAX;
        send(connector.complete(config).await?).await
    })?;
    receiver.join().map_err(|_| "the receiver panicked")??;
    Ok(seconds)
}

async fn sink(mut session: MsrpConnection) {
    while session.next_event().await.is_some() {}
}

fn file() -> Result<f64, Failure> {
    with_pair(sink, async |mut session: MsrpConnection| {
        let piece = Bytes::from(vec![b'x'; 4 * PIECE]);
        let began = Instant::now();
        let message = OutgoingMessage::streamed("application/octet-stream", Some(FILE));
        let id = session.handle().send(message).await?;
        loop {
            match session.next_event().await.ok_or("the session ended")? {
                SessionEvent::WantsData { .. } => session.handle().supply(id, piece.clone()).await?,
                SessionEvent::SendDone { .. } => return Ok(began.elapsed().as_secs_f64()),
                SessionEvent::SendFailed { status, .. } => return Err(status.to_string().into()),
                _ => {}
            }
        }
    })
}

fn small_messages() -> Result<f64, Failure> {
    with_pair(sink, async |mut session: MsrpConnection| {
        let body = Bytes::from(vec![b'x'; 200]);
        let began = Instant::now();
        let (mut sent, mut done) = (0, 0);
        while done < MESSAGES {
            let more = (2000 - (sent - done)).min(MESSAGES - sent);
            if more >= 500 || (sent == done && more > 0) {
                let body = body.clone();
                let queue = move |session: &mut offhook_msrp::MsrpSession| {
                    (0..more).try_for_each(|_| {
                        session
                            .send(OutgoingMessage::new("text/plain", body.clone()))
                            .map(drop)
                    })
                };
                session.handle().with(queue).await??;
                sent += more;
            }
            match session.next_event().await.ok_or("the session ended")? {
                SessionEvent::SendDone { .. } => done += 1,
                SessionEvent::SendFailed { status, .. } => return Err(status.to_string().into()),
                _ => {}
            }
        }
        Ok(began.elapsed().as_secs_f64())
    })
}
