//! Files on their way between the disk and an MSRP connection.

mod partial;
mod receive;

pub(super) use receive::{configure, find_parts, receive_file};

use super::msrp_streams::{GOODBYE, Teller, finish};
use crate::media::{FileToSend, MsrpCommand, MsrpEvent};
use crate::stream::{FileSelector, safe_name};
use bytes::BytesMut;
use offhook_msrp::OutgoingMessage;
use offhook_msrp::chunk::{StatusCode, SuccessReport};
use offhook_msrp::session::{OutgoingId, SendError, SessionEvent};
use offhook_msrp::tokio::MsrpConnection;
use offhook_sdp::attribute::{FileHash, HashFunction};
use sha1::Digest as _;
use std::io::{self, SeekFrom};
use std::path::Path;
use std::time::{Duration, Instant};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

/// How much is read from the disk at a time.
const PIECE: usize = 256 * 1024;

/// How often progress is told at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How long a receiver may take to check a file and put it into its place.
const REPORT_PATIENCE: Duration = Duration::from_secs(30);

/// Describes a file for the other side: its name, size and type, and its SHA-1 hash (`FileSelector.for_file` in the
/// documents). Reads the whole file once where the hash is wanted.
///
/// # Errors
/// When the file is not there, is none, or cannot be read.
pub async fn select_file(path: &Path, content_type: &str, with_hash: bool) -> io::Result<FileSelector> {
    let mut file = open(path).await?;
    let metadata = file.metadata().await?;
    let mut hashes = Vec::new();
    if with_hash {
        let mut hasher = sha1::Sha1::new();
        let mut piece = BytesMut::with_capacity(PIECE);
        while file.read_buf(&mut piece).await? > 0 {
            hasher.update(&piece);
            piece.clear();
        }
        hashes.push(FileHash {
            hash: HashFunction::Sha1,
            digest: hasher.finalize().to_vec(),
        });
    }
    let name = path.file_name().map(|name| safe_name(&name.to_string_lossy()));
    Ok(FileSelector {
        name,
        media_type: Some(content_type.into()),
        size: Some(metadata.len()),
        hashes,
    })
}

/// Opens what has a beginning and an end. A pipe is none of these, and to open one would wait for who writes into it.
async fn open(path: &Path) -> io::Result<File> {
    if !tokio::fs::metadata(path).await?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    File::open(path).await
}

/// Tells how far a transfer is, but not too often.
struct Progress {
    size: Option<u64>,
    told_at: Option<Instant>,
}

impl Progress {
    async fn tell(&mut self, teller: &Teller, transferred: u64) {
        let now = Instant::now();
        let is_due = self
            .told_at
            .is_none_or(|told_at| now.duration_since(told_at) >= PROGRESS_INTERVAL);
        if is_due || self.size == Some(transferred) {
            self.told_at = Some(now);
            let size = self.size;
            teller.tell(MsrpEvent::Progress { transferred, size }).await;
        }
    }
}

/// Sends a file over its connection.
pub(super) async fn send_file(
    teller: &Teller,
    mut connection: MsrpConnection,
    mut commands: mpsc::Receiver<MsrpCommand>,
    file: FileToSend,
) {
    let sent = tokio::select! {
        sent = push(teller, &mut connection, &file) => sent,
        () = ended(&mut commands) => {
            Err("the session ended before the other side had all of the file".to_owned())
        }
    };
    let sent = match sent {
        Ok(id) => kept(&mut connection, &mut commands, id).await,
        Err(reason) => Err(reason),
    };
    match sent {
        Ok(()) => teller.tell(MsrpEvent::FileDone { path: file.path }).await,
        Err(reason) => teller.tell(MsrpEvent::FileFailed { reason }).await,
    }
    // The receiver may want to close first: both are fine.
    ended(&mut commands).await;
    finish(connection).await;
}

/// Waits until the stream is ended by its session.
pub(super) async fn ended(commands: &mut mpsc::Receiver<MsrpCommand>) {
    while commands.recv().await.is_some() {}
}

/// Sends all bytes; gives the message that they were sent in when the other side has taken them.
async fn push(
    teller: &Teller,
    connection: &mut MsrpConnection,
    file: &FileToSend,
) -> Result<OutgoingId, String> {
    let name = file.path.display();
    let unreadable = |error: io::Error| format!("{name} cannot be read: {error}");
    let mut source = open(&file.path).await.map_err(unreadable)?;
    let metadata = source.metadata().await.map_err(unreadable)?;
    let size = metadata.len();
    if size != file.size {
        return Err(format!(
            "{name} has {size} bytes by now, not the {} that were offered",
            file.size
        ));
    }
    source
        .seek(SeekFrom::Start(file.start))
        .await
        .map_err(unreadable)?;
    if file.start > 0 {
        let at = file.start;
        teller.tell(MsrpEvent::FileResumed { at }).await;
    }
    let mut left = size.saturating_sub(file.start);
    // To MSRP what is sent of a file is a whole message (RFC 5547 §6).
    let message =
        OutgoingMessage::streamed(&file.content_type, Some(left)).with_success_report(SuccessReport::Yes);
    let id = connection
        .handle()
        .send(message)
        .await
        .map_err(|error| error.to_string())?;
    let mut progress = Progress {
        size: Some(size),
        told_at: None,
    };
    loop {
        let event = connection.next_event().await.ok_or("the connection ended")?;
        match event {
            SessionEvent::WantsData { message } if message == id => {
                supply(connection, id, &mut source, &mut left)
                    .await
                    .map_err(|error| format!("{name}: {error}"))?;
            }
            SessionEvent::SendProgress {
                message,
                acknowledged,
            } if message == id => {
                progress.tell(teller, file.start + acknowledged).await;
            }
            SessionEvent::SendDone { message } if message == id => {
                progress.told_at = None;
                progress.tell(teller, size).await;
                return Ok(id);
            }
            SessionEvent::SendFailed { status, .. } => return Err(not_kept(status)),
            SessionEvent::Closed(reason) => return Err(teller.why(&reason)),
            _ => {}
        }
    }
}

/// What the receiver's refusal means for a person: it says no more than a number (RFC 4975 §10).
fn not_kept(status: StatusCode) -> String {
    let meaning = match status {
        StatusCode::STOP_SENDING => {
            "it does not want it, cannot write it, or got something else than was announced"
        }
        StatusCode::TIMEOUT => "it does not answer",
        _ => return format!("the other side did not keep the file: it answered {status}"),
    };
    format!(
        "the other side did not keep the file: {meaning} ({})",
        status.code()
    )
}

/// Waits for the receiver's word that it has the file in its place, which it gives later than the response to the last
/// chunk. One that never reports is believed, as all bytes were taken; so is one that says goodbye instead.
async fn kept(
    connection: &mut MsrpConnection,
    commands: &mut mpsc::Receiver<MsrpCommand>,
    id: OutgoingId,
) -> Result<(), String> {
    let reported = async {
        loop {
            match connection.next_event().await {
                Some(SessionEvent::Reported {
                    message,
                    complete: true,
                    ..
                }) if message == id => return Ok(()),
                Some(SessionEvent::SendFailed { status, .. }) => return Err(not_kept(status)),
                Some(SessionEvent::Closed(_)) | None => return Ok(()),
                Some(_) => {}
            }
        }
    };
    let goodbye = async {
        ended(commands).await;
        sleep(GOODBYE).await;
    };
    tokio::select! {
        reported = timeout(REPORT_PATIENCE, reported) => reported.unwrap_or(Ok(())),
        () = goodbye => Ok(()),
    }
}

/// Hands the next piece of a file over. One that has become shorter is given up, so that the receiver hears of it.
async fn supply(
    connection: &MsrpConnection,
    id: OutgoingId,
    source: &mut File,
    left: &mut u64,
) -> Result<(), String> {
    let want = usize::try_from(*left).unwrap_or(PIECE).min(PIECE);
    let mut piece = BytesMut::with_capacity(want);
    while piece.len() < want {
        let read = source
            .read_buf(&mut piece)
            .await
            .map_err(|error| error.to_string())?;
        if read == 0 {
            let _ = connection.handle().with(move |session| session.abort(id)).await;
            return Err("the file became shorter while it was sent".to_owned());
        }
    }
    piece.truncate(want);
    *left -= want as u64;
    match connection.handle().supply(id, piece.freeze()).await {
        // The other side has refused the file meanwhile: that is told next.
        Ok(()) | Err(SendError::NotTaken) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}
