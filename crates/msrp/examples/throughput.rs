//! How fast sessions are on this machine, over TCP and TLS, beside a plain copy of the same bytes by Tokio and
//! tokio-rustls: one run, one thread per side. With `--soak GIB`: one file of that size, and how much memory it takes.
//!
//! How it is counted: a plain copy and a session take turns, so that both meet the same machine, and who goes first changes
//! from pair to pair. Of each pair the ratio is taken, and of all ratios the median and the quartiles. Single runs are worth
//! little: plain copies alone differ by a factor of three between runs, and TLS has two modes, one twice as fast.
//!
//! ```text
//! cargo run --release -p offhook-msrp --features tls --example throughput
//! cargo run --release -p offhook-msrp --features tls --example throughput -- --soak 10
//! ```

use bytes::Bytes;
use clap::Parser;
use offhook_msrp::session::Delivery;
use offhook_msrp::tokio::{AcceptorDirect, ConnectorDirect, MsrpConnection};
use offhook_msrp::{OutgoingMessage, SessionConfig, SessionEvent};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use std::io::Write;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

const FILE: u64 = 1 << 30;
/// What is read or written at a time.
const PIECE: usize = 256 * 1024;
/// What a file is made of, again and again; of the same size for both, since a larger one does not stay in a fast cache.
const SOURCE: usize = 4 * PIECE;
const MESSAGES: u64 = 500_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

#[derive(Parser)]
struct Args {
    /// Send one file of so many GiB, and tell the memory that it took.
    #[arg(long)]
    soak: Option<u64>,
    /// How many plain copies and sessions take turns, over TCP and over TLS.
    #[arg(long, default_value_t = 9, value_parser = clap::value_parser!(u32).range(1..))]
    pairs: u32,
}

fn main() -> Result<(), Failure> {
    let args = Args::parse();
    if let Some(gib) = args.soak {
        return soak(gib << 30);
    }
    for tls in [None, Some(Tls::new()?)] {
        compare(args.pairs, tls.as_ref())?;
    }
    let mut out = std::io::stdout();
    let (mut by_clock, mut by_core) = (Sample::default(), Sample::default());
    for _ in 0..args.pairs {
        let Took { seconds, busiest } = small_messages()?;
        by_clock.0.push(MESSAGES as f64 / seconds);
        by_core.0.push(MESSAGES as f64 / busiest);
    }
    writeln!(
        out,
        "200-byte messages with responses: {by_clock:.0} per second, {by_core:.0} per second of the busier side's core"
    )?;
    writeln!(
        out,
        "memory of both sides and all runs: {} KiB at most",
        memory("VmHWM")?
    )?;
    Ok(())
}

/// Plain copies and sessions in turns, and how they compare.
fn compare(pairs: u32, tls: Option<&Tls>) -> Result<(), Failure> {
    let name = if tls.is_some() { "TLS" } else { "TCP" };
    let (mut by_clock, mut by_core) = (Sample::default(), Sample::default());
    let mut out = std::io::stdout();
    for pair in 1..=pairs {
        let (plain, ours) = if pair % 2 == 1 {
            let plain = plain_copy(tls)?;
            (plain, file(FILE, tls)?)
        } else {
            let ours = file(FILE, tls)?;
            (plain_copy(tls)?, ours)
        };
        let (clock, core) = (plain.seconds / ours.seconds, plain.busiest / ours.busiest);
        writeln!(
            out,
            "1 GiB over {name}, pair {pair} of {pairs}: plain copy {plain}, MSRP {ours}: {:.0} % ({:.0} % per core)",
            clock * 100.0,
            core * 100.0
        )?;
        by_clock.0.push(clock * 100.0);
        by_core.0.push(core * 100.0);
    }
    writeln!(
        out,
        "over {name} MSRP reaches {by_clock:.0} % of the plain copy, {by_core:.0} % per core"
    )?;
    Ok(())
}

/// Figures of several runs. It prints as the median and, in brackets, the quartiles.
#[derive(Default)]
struct Sample(Vec<f64>);

impl Sample {
    /// The figure below which this part of the others lies.
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_by(f64::total_cmp);
        let at = (sorted.len().saturating_sub(1)) as f64 * part;
        let (below, above) = (at.floor() as usize, at.ceil() as usize);
        let figure = |at: usize| sorted.get(at).copied().unwrap_or(f64::NAN);
        figure(below) + (figure(above) - figure(below)) * at.fract()
    }
}

impl std::fmt::Display for Sample {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = f.precision().unwrap_or(1);
        write!(
            f,
            "{:.digits$} ({:.digits$} to {:.digits$})",
            self.quantile(0.5),
            self.quantile(0.25),
            self.quantile(0.75)
        )
    }
}

/// One long file, and what both ends of its session take of memory together.
fn soak(size: u64) -> Result<(), Failure> {
    file(PIECE as u64, None)?; // threads and runtimes are there before
    let before = memory("VmHWM")?;
    let seconds = file(size, None)?.seconds;
    let mut out = std::io::stdout();
    writeln!(
        out,
        "{} bytes in {seconds:.1} s: memory of both ends grew from {before} to {} KiB at most",
        size,
        memory("VmHWM")?
    )?;
    Ok(())
}

/// A line of `/proc/self/status`, in KiB.
fn memory(name: &str) -> Result<u64, Failure> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with(name));
    let words = line.and_then(|line| line.split_ascii_whitespace().nth(1));
    Ok(words.ok_or("no such line")?.parse()?)
}

/// How long something took.
#[derive(Clone, Copy)]
struct Took {
    /// As the clock says.
    seconds: f64,
    /// For how long the side that worked longer had a core: on a machine that others use at the same time, less.
    busiest: f64,
}

/// For a file of 1 GiB.
impl std::fmt::Display for Took {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let speed = |seconds: f64| FILE as f64 / seconds / 1e6;
        write!(
            f,
            "{:.0} MB/s ({:.0} per core)",
            speed(self.seconds),
            speed(self.busiest)
        )
    }
}

/// A certificate of our own making, and who trusts it.
#[derive(Clone)]
struct Tls {
    server: Arc<rustls::ServerConfig>,
    client: Arc<rustls::ClientConfig>,
}

impl Tls {
    fn new() -> Result<Self, Failure> {
        let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()])?;
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let certificate: CertificateDer<'static> = made.cert.der().clone();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let server = rustls::ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)?;
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate)?;
        let client = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self {
            server: Arc::new(server),
            client: Arc::new(client),
        })
    }
}

fn runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}

/// The same bytes without MSRP.
fn plain_copy(tls: Option<&Tls>) -> Result<Took, Failure> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    listener.set_nonblocking(true)?;
    let acceptor = tls.map(|tls| tokio_rustls::TlsAcceptor::from(Arc::clone(&tls.server)));
    let receiver = std::thread::spawn(move || {
        runtime()?.block_on(async {
            let (stream, _) = TcpListener::from_std(listener)?.accept().await?;
            match acceptor {
                Some(acceptor) => take(acceptor.accept(stream).await?).await,
                None => take(stream).await,
            }
        })?;
        core_seconds()
    });
    let before = core_seconds()?;
    let seconds = runtime()?.block_on(async {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        match tls {
            Some(tls) => {
                let connector = tokio_rustls::TlsConnector::from(Arc::clone(&tls.client));
                give(
                    connector
                        .connect(ServerName::try_from("127.0.0.1")?, stream)
                        .await?,
                )
                .await
            }
            None => give(stream).await,
        }
    })?;
    let own = core_seconds()? - before;
    let theirs = receiver.join().map_err(|_| "the receiver panicked")??;
    let busiest = own.max(theirs);
    Ok(Took { seconds, busiest })
}

async fn take(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<(), Failure> {
    let mut buffer = vec![0; PIECE];
    let mut left = FILE;
    while left > 0 {
        left -= stream.read(&mut buffer).await? as u64;
    }
    stream.write_all(b"k").await?;
    stream.flush().await?;
    Ok(())
}

async fn give(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> Result<f64, Failure> {
    let source = vec![b'x'; SOURCE];
    let began = Instant::now();
    for _ in 0..FILE / SOURCE as u64 {
        for piece in source.chunks(PIECE) {
            stream.write_all(piece).await?;
        }
    }
    stream.flush().await?;
    stream.read_u8().await?;
    Ok(began.elapsed().as_secs_f64())
}

/// Runs a sender on this thread and a receiver on another, with a session between them.
fn with_pair(
    tls: Option<&Tls>,
    send: impl AsyncFnOnce(MsrpConnection) -> Result<f64, Failure>,
) -> Result<Took, Failure> {
    let mut connector = ConnectorDirect::prepare(None)?;
    if let Some(tls) = tls {
        connector = connector.with_tls(Arc::clone(&tls.client));
    }
    let server = tls.map(|tls| Arc::clone(&tls.server));
    let local = connector.local_path().clone();
    let (path_to, path_from) = std::sync::mpsc::channel();
    let alices = local.clone();
    let receiver = std::thread::spawn(move || {
        runtime()?.block_on(async {
            let mut acceptor = AcceptorDirect::prepare(([127, 0, 0, 1], 0).into()).await?;
            if let Some(server) = server {
                acceptor = acceptor.with_tls(server);
            }
            let path = acceptor.local_path().clone();
            path_to.send(path.clone()).map_err(|_| "nobody to talk to")?;
            let mut config = SessionConfig::new(path, alices);
            config.delivery = Delivery::Pieces;
            config.message_limits.bytes = u64::MAX;
            let mut session = acceptor.complete(config).await?;
            while session.next_event().await.is_some() {}
            Ok::<_, Failure>(())
        })?;
        core_seconds()
    });
    let remote = path_from.recv()?;
    let before = core_seconds()?;
    let seconds = runtime()?.block_on(async {
        let mut config = SessionConfig::new(local, remote);
        config.chunk_size = NonZeroU32::MAX;
        send(connector.complete(config).await?).await
    })?;
    let own = core_seconds()? - before;
    let theirs = receiver.join().map_err(|_| "the receiver panicked")??;
    let busiest = own.max(theirs);
    Ok(Took { seconds, busiest })
}

fn file(size: u64, tls: Option<&Tls>) -> Result<Took, Failure> {
    with_pair(tls, async move |mut session: MsrpConnection| {
        let piece = Bytes::from(vec![b'x'; SOURCE]);
        let mut left = size;
        let began = Instant::now();
        let message = OutgoingMessage::streamed("application/octet-stream", Some(size));
        let id = session.handle().send(message).await?;
        loop {
            match session.next_event().await.ok_or("the session ended")? {
                SessionEvent::WantsData { .. } => {
                    let next = piece.slice(..left.min(piece.len() as u64) as usize);
                    left -= next.len() as u64;
                    session.handle().supply(id, next).await?;
                }
                SessionEvent::SendDone { .. } => return Ok(began.elapsed().as_secs_f64()),
                SessionEvent::SendFailed { status, .. } => return Err(status.to_string().into()),
                _ => {}
            }
        }
    })
}

/// Seconds that this thread had a core: on a machine that others use at the same time, less than have passed.
fn core_seconds() -> Result<f64, Failure> {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat")?;
    let nanoseconds = stat.split_ascii_whitespace().next().ok_or("no times")?;
    Ok(nanoseconds.parse::<u64>()? as f64 / 1e9)
}

fn small_messages() -> Result<Took, Failure> {
    with_pair(None, async |mut session: MsrpConnection| {
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
