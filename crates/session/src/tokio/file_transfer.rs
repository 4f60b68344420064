//! Files on their way between the disk and an MSRP connection.

use super::msrp_streams::{Teller, finish};
use crate::media::{FileToReceive, FileToSend, MsrpCommand, MsrpEvent};
use crate::stream::{FileSelector, numbered, safe_name};
use bytes::{Bytes, BytesMut};
use offhook_msrp::chunk::{ByteRange, Head, StatusCode, SuccessReport};
use offhook_msrp::session::{AbortReason, OutgoingId, SessionEvent};
use offhook_msrp::tokio::MsrpConnection;
use offhook_msrp::{MsrpSession, OutgoingMessage};
use offhook_sdp::attribute::{FileHash, HashFunction};
use sha1::Digest as _;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::sync::mpsc;
use tracing::debug;

/// How much is read from the disk at a time.
const PIECE: usize = 256 * 1024;

/// How often progress is told at most.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(100);

/// How long a receiver may take to check a file and put it into its place.
const REPORT_PATIENCE: Duration = Duration::from_secs(30);

/// Files of one name that are kept side by side in one folder.
const MOST_OF_A_NAME: u32 = 10_000;

/// Describes a file for the other side: its name, size and type, and its SHA-1 hash (`FileSelector.for_file` in the
/// documents). Reads the whole file once where the hash is wanted.
///
/// # Errors
/// When the file is not there, is none, or cannot be read.
pub async fn select_file(path: &Path, content_type: &str, with_hash: bool) -> io::Result<FileSelector> {
    let mut file = File::open(path).await?;
    let metadata = file.metadata().await?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
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
        () = ended(&mut commands) => return finish(connection).await,
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

async fn push(teller: &Teller, connection: &mut MsrpConnection, file: &FileToSend) -> Result<(), String> {
    let name = file.path.display();
    let unreadable = |error: io::Error| format!("{name} cannot be read: {error}");
    let mut source = File::open(&file.path).await.map_err(unreadable)?;
    let size = source.metadata().await.map_err(unreadable)?.len();
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
    let message = OutgoingMessage::streamed(&file.content_type, Some(size))
        .starting_at(file.start)
        .with_success_report(SuccessReport::Yes);
    let id = connection
        .handle()
        .send(message)
        .await
        .map_err(|error| error.to_string())?;
    let mut progress = Progress {
        size: Some(size),
        told_at: None,
    };
    let mut left = size.saturating_sub(file.start);
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
                progress.tell(teller, acknowledged).await;
            }
            SessionEvent::SendDone { message } if message == id => {
                progress.told_at = None;
                progress.tell(teller, size).await;
                return kept(connection, id).await;
            }
            SessionEvent::SendFailed { status, .. } => {
                return Err(format!("the other side answered {status}"));
            }
            SessionEvent::Closed(reason) => return Err(teller.why(&reason)),
            _ => {}
        }
    }
}

/// Waits for the receiver's word that it has the file in its place, which it gives later than the response to the last
/// chunk. One that never reports is believed, as all bytes were taken.
async fn kept(connection: &mut MsrpConnection, id: OutgoingId) -> Result<(), String> {
    let reported = async {
        loop {
            match connection.next_event().await {
                Some(SessionEvent::Reported {
                    message,
                    complete: true,
                    ..
                }) if message == id => return Ok(()),
                Some(SessionEvent::SendFailed { status, .. }) => {
                    return Err(format!("the other side did not keep the file: {status}"));
                }
                Some(SessionEvent::Closed(_)) | None => return Ok(()),
                Some(_) => {}
            }
        }
    };
    tokio::time::timeout(REPORT_PATIENCE, reported)
        .await
        .unwrap_or(Ok(()))
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
    connection
        .handle()
        .supply(id, piece.freeze())
        .await
        .map_err(|error| error.to_string())
}

/// Receives a file over its connection.
pub(super) async fn receive_file(
    teller: &Teller,
    mut connection: MsrpConnection,
    mut commands: mpsc::Receiver<MsrpCommand>,
    file: FileToReceive,
) {
    let mut began = None;
    let received = pull(teller, &mut connection, &mut commands, &file, &mut began).await;
    let (mut kept, mut lost) = (None, None);
    match received {
        Ok((path, size)) => {
            kept = began.map(|head| (head, ByteRange::whole(size)));
            teller.tell(MsrpEvent::FileDone { path }).await;
        }
        Err(reason) => {
            lost = began.zip(file.size.map(ByteRange::whole));
            teller.tell(MsrpEvent::FileFailed { reason }).await;
        }
    }
    // Events that nobody takes would keep the responses to the last chunks back.
    let mut is_open = true;
    loop {
        tokio::select! {
            event = connection.next_event(), if is_open => is_open = event.is_some(),
            command = commands.recv() => match (command, kept.take()) {
                (Some(_), Some((head, all))) => report(&connection, head, all, StatusCode::OK).await,
                (Some(_), None) => {}
                (None, _) => break,
            }
        }
    }
    // Where the bytes were all taken, a report is the way to say that they are not kept. Last, because the other side may end
    // the session as soon as it knows, and ours would not be told why.
    if let Some((head, all)) = lost {
        report(&connection, head, all, StatusCode::STOP_SENDING).await;
    }
    finish(connection).await;
}

async fn report(connection: &MsrpConnection, head: Head, range: ByteRange, status: StatusCode) {
    let report = move |session: &mut MsrpSession| session.report(&head, range, status);
    if connection.handle().with(report).await.is_err() {
        debug!("the sender of a file is gone");
    }
}

/// Takes the file in and gives where it lies, and its size.
async fn pull(
    teller: &Teller,
    connection: &mut MsrpConnection,
    commands: &mut mpsc::Receiver<MsrpCommand>,
    file: &FileToReceive,
    began: &mut Option<Head>,
) -> Result<(PathBuf, u64), String> {
    let mut partial = Partial::create(&file.directory, &file.name)
        .await
        .map_err(|error| format!("cannot write into {}: {error}", file.directory.display()))?;
    let mut progress = Progress {
        size: file.size,
        told_at: None,
    };
    loop {
        let event = tokio::select! {
            event = connection.next_event() => event,
            () = ended(commands) => return Err("the session ended".to_owned()),
        };
        match event {
            Some(SessionEvent::MessageBegan { size, message, head }) => {
                *began = Some(head);
                if let (Some(told), Some(size)) = (file.size, size)
                    && told != size
                {
                    let _ = connection.handle().reject(message).await;
                    return Err(format!(
                        "{size} bytes come instead of the {told} that were announced"
                    ));
                }
            }
            Some(SessionEvent::MessageData { message, at, data }) => {
                let end = at + data.len() as u64;
                if file.size.is_some_and(|size| end > size) {
                    let _ = connection.handle().reject(message).await;
                    return Err("more comes than was announced".to_owned());
                }
                if let Err(error) = partial.write(at, data).await {
                    let _ = connection.handle().reject(message).await;
                    return Err(format!("cannot write {}: {error}", partial.path.display()));
                }
                progress.tell(teller, end).await;
            }
            Some(SessionEvent::MessageEnded { size, .. }) => {
                if file.size.is_some_and(|told| told != size) {
                    return Err(format!("{size} bytes came instead of those that were announced"));
                }
                progress.told_at = None;
                progress.tell(teller, size).await;
                // From here on the end of the session changes nothing.
                return Ok((partial.complete(file).await?, size));
            }
            Some(SessionEvent::MessageAborted { reason, .. }) => match reason {
                AbortReason::SessionEnded => {} // why is told next
                AbortReason::BySender => return Err("the other side gave up".to_owned()),
                other => return Err(format!("the file was refused: {other:?}")),
            },
            Some(SessionEvent::Closed(reason)) => return Err(teller.why(&reason)),
            Some(_) => {}
            None => return Err("the connection ended".to_owned()),
        }
    }
}

/// A file that is not complete yet: under another name, and gone when it is dropped.
struct Partial {
    file: File,
    path: PathBuf,
    /// Up to here the bytes came in order, and are hashed.
    hashed: u64,
    in_order: bool,
    sha1: sha1::Sha1,
    sha256: sha2::Sha256,
    position: u64,
    keep: bool,
}

impl Partial {
    /// Makes a new file beside the final one: on the same disk, and never through a link that lies there already.
    async fn create(directory: &Path, name: &str) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let path = directory.join(format!(".{name}.{tries}.part"));
            match OpenOptions::new()
                .read(true)
                .write(true)
                .create_new(true)
                .open(&path)
                .await
            {
                Ok(file) => {
                    return Ok(Self {
                        file,
                        path,
                        hashed: 0,
                        in_order: true,
                        sha1: sha1::Sha1::new(),
                        sha256: sha2::Sha256::new(),
                        position: 0,
                        keep: false,
                    });
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < MOST_OF_A_NAME => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn write(&mut self, at: u64, data: Bytes) -> io::Result<()> {
        if self.position != at {
            self.file.seek(SeekFrom::Start(at)).await?;
        }
        self.file.write_all(&data).await?;
        self.position = at + data.len() as u64;
        if at == self.hashed && self.in_order {
            self.sha1.update(&data);
            self.sha256.update(&data);
            self.hashed = self.position;
        } else {
            self.in_order = false;
        }
        Ok(())
    }

    /// Checks the hash and gives the file its name: the one that was told, or with a number where that is taken.
    async fn complete(mut self, wanted: &FileToReceive) -> Result<PathBuf, String> {
        let unwritable = |error: io::Error| format!("cannot write the file: {error}");
        self.file.flush().await.map_err(unwritable)?;
        if !wanted.hashes.is_empty() && !self.in_order {
            self.hash_again().await.map_err(unwritable)?;
        }
        let (sha1, sha256) = (self.sha1.clone().finalize(), self.sha256.clone().finalize());
        for FileHash { hash, digest } in &wanted.hashes {
            let found: &[u8] = match hash {
                HashFunction::Sha1 => &sha1,
                HashFunction::Sha256 => &sha256,
                _ => continue,
            };
            if found != &**digest {
                return Err("the hash of what came is not the one that was announced".to_owned());
            }
        }
        self.file.sync_all().await.map_err(unwritable)?;
        let path = self.rename(wanted).await.map_err(unwritable)?;
        self.keep = true;
        Ok(path)
    }

    async fn hash_again(&mut self) -> io::Result<()> {
        (self.sha1, self.sha256) = (sha1::Sha1::new(), sha2::Sha256::new());
        self.file.seek(SeekFrom::Start(0)).await?;
        let mut piece = BytesMut::with_capacity(PIECE);
        while self.file.read_buf(&mut piece).await? > 0 {
            self.sha1.update(&piece);
            self.sha256.update(&piece);
            piece.clear();
        }
        Ok(())
    }

    /// A hard link fails where the name is taken, a rename would replace what is there.
    async fn rename(&self, wanted: &FileToReceive) -> io::Result<PathBuf> {
        for number in 0..MOST_OF_A_NAME {
            let name = if number == 0 {
                wanted.name.clone()
            } else {
                numbered(&wanted.name, number)
            };
            let path = wanted.directory.join(name);
            match tokio::fs::hard_link(&self.path, &path).await {
                Ok(()) => {
                    tokio::fs::remove_file(&self.path).await?;
                    return Ok(path);
                }
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                // File systems without links: the name is taken by an empty file first.
                Err(_) => match OpenOptions::new().write(true).create_new(true).open(&path).await {
                    Ok(_) => {
                        tokio::fs::rename(&self.path, &path).await?;
                        return Ok(path);
                    }
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    Err(error) => return Err(error),
                },
            }
        }
        Err(io::ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        if !self.keep {
            // Nothing can be done about one that cannot be removed.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
