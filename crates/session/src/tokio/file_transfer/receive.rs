//! A file that comes.

use super::partial::{Partial, held};
use super::{Progress, ended};
use crate::media::{FileToReceive, MsrpCommand, MsrpEvent};
use crate::stream::{FileSelector, FileTransferStream, MediaStream};
use crate::tokio::msrp_streams::{GOODBYE, Teller, finish};
use offhook_msrp::chunk::{ByteRange, Head, StatusCode};
use offhook_msrp::session::{AbortReason, Delivery, SessionEvent};
use offhook_msrp::tokio::MsrpConnection;
use offhook_msrp::{MsrpSession, SessionConfig};
use offhook_sdp::SessionDescription;
use std::any::Any;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep, sleep_until};
use tracing::debug;

/// How far ahead of all that is there a piece may begin, in bytes: far more than is on the way at a time, and not so far that a
/// peer could make the file long with little.
const GAP: u64 = 64 * 1024 * 1024;

/// How long what the sender was told that we have is still taken in once the session has ended. Usually its end of the connection
/// closes before.
const LAST_PIECES: Duration = Duration::from_secs(2);

/// However the other side takes its leave after that.
const SESSION_ENDED: &str = "the session ended";

/// Pieces go to the disk as they come, however many there are.
pub(in crate::tokio) fn configure(config: &mut SessionConfig, file: &FileToReceive) {
    config.delivery = Delivery::Pieces;
    config.message_limits.bytes = file.size.unwrap_or(u64::MAX);
    config.message_limits.gap = GAP;
}

/// Receives a file over its connection.
pub(in crate::tokio) async fn receive_file(
    teller: &Teller,
    mut connection: MsrpConnection,
    mut commands: mpsc::Receiver<MsrpCommand>,
    file: FileToReceive,
) {
    let mut began = None;
    let received = pull(teller, &mut connection, &mut commands, &file, &mut began).await;
    let is_kept = received.is_ok();
    let (told, status) = match received {
        Ok(path) => (MsrpEvent::FileDone { path }, StatusCode::OK),
        Err(reason) => (MsrpEvent::FileFailed { reason }, StatusCode::STOP_SENDING),
    };
    teller.tell(told).await;
    let mut unreported = began.map(|message| (message.head, ByteRange::whole(message.size)));
    // Who sends a file that is not kept ends its transfer when it hears of it, or else we do.
    let mut goodbye = None;
    let mut is_open = true;
    loop {
        tokio::select! {
            // Events that nobody takes would keep the responses to the last chunks back.
            event = connection.next_event(), if is_open => match event {
                // Nothing could be written from the beginning: the sender hears of it by this.
                Some(SessionEvent::MessageBegan { message, .. }) => {
                    let _ = connection.handle().reject(message).await;
                }
                event => is_open = event.is_some(),
            },
            command = commands.recv() => {
                if command.is_none() {
                    break;
                }
                if let Some((head, all)) = unreported.take() {
                    report(&connection, head, all, status).await;
                }
                goodbye = (!is_kept).then(|| Instant::now() + GOODBYE);
            }
            () = until(goodbye, is_open), if goodbye.is_some() => {
                goodbye = None;
                let reason = "the file is not kept".to_owned();
                teller.tell(MsrpEvent::Closed { reason }).await;
            }
        }
    }
    finish(connection).await;
}

/// Waits until then, while the connection is open.
async fn until(then: Option<Instant>, is_open: bool) {
    if let Some(then) = then.filter(|_| is_open) {
        sleep_until(then).await;
    }
}

async fn report(connection: &MsrpConnection, head: Head, range: ByteRange, status: StatusCode) {
    let report = move |session: &mut MsrpSession| session.report(&head, range, status);
    if connection.handle().with(report).await.is_err() {
        debug!("the sender of a file is gone");
    }
}

/// The message that carries the file, or what lacks of it.
struct Began {
    head: Head,
    /// How much it is, as far as that is known.
    size: u64,
}

/// Why a file is not there.
enum Broken {
    /// What came is worth nothing.
    Refused(String),
    /// The connection, the session or the other side's patience ended: another try can go on from here.
    Lost(String),
}

impl From<String> for Broken {
    fn from(reason: String) -> Self {
        Self::Refused(reason)
    }
}

/// Takes the file in and gives where it lies.
async fn pull(
    teller: &Teller,
    connection: &mut MsrpConnection,
    commands: &mut mpsc::Receiver<MsrpCommand>,
    file: &FileToReceive,
    began: &mut Option<Began>,
) -> Result<PathBuf, String> {
    let closed = |error| format!("cannot write into {}: {error}", file.directory.display());
    let mut partial = Partial::open(file).await.map_err(closed)?;
    match take_in(teller, connection, commands, file, (&mut partial, began)).await {
        // From here on the end of the session changes nothing.
        Ok(()) => partial.complete(file).await,
        Err(Broken::Refused(reason)) => Err(reason),
        Err(Broken::Lost(reason)) => {
            let path = partial.path.clone();
            let reason = if commands.is_closed() {
                SESSION_ENDED.to_owned()
            } else {
                reason
            };
            Err(match partial.keep_for_another_try().await {
                Ok(Some(held)) => {
                    format!("{reason}; the first {held} bytes are kept, another try goes on from there")
                }
                Ok(None) => reason,
                Err(error) => unwritable(&path, &error),
            })
        }
    }
}

/// Takes all bytes in.
async fn take_in(
    teller: &Teller,
    connection: &mut MsrpConnection,
    commands: &mut mpsc::Receiver<MsrpCommand>,
    file: &FileToReceive,
    (partial, began): (&mut Partial, &mut Option<Began>),
) -> Result<(), Broken> {
    let mut progress = Progress {
        size: file.size,
        told_at: None,
    };
    // Where in the file the message begins.
    let mut start = 0;
    let session_end = async {
        ended(commands).await;
        sleep(LAST_PIECES).await;
    };
    tokio::pin!(session_end);
    loop {
        let event = tokio::select! {
            event = connection.next_event() => event,
            () = &mut session_end => return Err(Broken::Lost(SESSION_ENDED.to_owned())),
        };
        match event {
            Some(SessionEvent::MessageBegan { size, message, head }) => {
                start = match start_of(file, size) {
                    Ok(start) => start,
                    Err(reason) => {
                        let _ = connection.handle().reject(message).await;
                        return Err(reason.into());
                    }
                };
                let size = size.or(file.size).unwrap_or_default();
                *began = Some(Began { head, size });
                if start > 0 {
                    teller.tell(MsrpEvent::FileResumed { at: start }).await;
                } else if file.start > 0 {
                    partial
                        .restart()
                        .await
                        .map_err(|error| unwritable(&partial.path, &error))?;
                }
            }
            Some(SessionEvent::MessageData { message, at, data }) => {
                let (at, end) = (start + at, start + at + data.len() as u64);
                if file.size.is_some_and(|size| end > size) {
                    let _ = connection.handle().reject(message).await;
                    return Err("more comes than was announced".to_owned().into());
                }
                if let Err(error) = partial.write(at, data).await {
                    let _ = connection.handle().reject(message).await;
                    return Err(unwritable(&partial.path, &error).into());
                }
                progress.tell(teller, end).await;
            }
            Some(SessionEvent::MessageEnded { size, .. }) => {
                let all = start + size;
                if file.size.is_some_and(|told| told != all) {
                    return Err(format!("{all} bytes came instead of those that were announced").into());
                }
                if let Some(began) = began {
                    began.size = size;
                }
                progress.told_at = None;
                progress.tell(teller, all).await;
                return Ok(());
            }
            Some(SessionEvent::MessageAborted { reason, .. }) => match reason {
                AbortReason::SessionEnded => {} // why is told next
                // Its session may have ended before its connection did.
                AbortReason::BySender => return Err(Broken::Lost("the other side gave up".to_owned())),
                _ => {
                    let reason = "more of the file comes than was announced, or parts of it from nowhere";
                    return Err(reason.to_owned().into());
                }
            },
            Some(SessionEvent::Closed(reason)) => return Err(Broken::Lost(teller.why(&reason))),
            Some(_) => {}
            None => return Err(Broken::Lost("the connection ended".to_owned())),
        }
    }
}

/// Where in the file a message of that size begins. Who sends only what lacks sends so much less; who does not know how sends all.
fn start_of(file: &FileToReceive, size: Option<u64>) -> Result<u64, String> {
    match (file.size, size) {
        (Some(told), Some(size)) if told - file.start.min(told) == size => Ok(file.start),
        (Some(told), Some(size)) if told != size => Err(format!(
            "{size} bytes come instead of the {told} that were announced"
        )),
        _ => Ok(0),
    }
}

fn unwritable(path: &Path, error: &io::Error) -> String {
    format!("cannot write {}: {error}", path.display())
}

/// Says to each stream that receives what is here already of its file, from a transfer that broke off. Without a description of
/// the other side's it is we who ask for the file.
pub(in crate::tokio) async fn find_parts(
    streams: &mut [Box<dyn MediaStream>],
    proposed: Option<&SessionDescription>,
) {
    // Each stream gets the first section that it takes and no other has; and each part goes on once.
    let (mut sections, mut promised) = (Vec::new(), Vec::new());
    for stream in streams {
        let any: &mut dyn Any = &mut **stream;
        let Some(stream) = any.downcast_mut::<FileTransferStream>() else {
            continue;
        };
        let selector = match proposed {
            None => Some(stream.selector().clone()),
            Some(offer) => {
                let mut free = (0..offer.media.len()).filter(|index| !sections.contains(index));
                let section = free.find(|index| stream.takes(offer, *index));
                sections.extend(section);
                section.and_then(|index| offer.media[index].attributes.get::<FileSelector>().ok()?)
            }
        };
        let Some(selector) = selector else { continue };
        if promised.contains(&selector) {
            stream.go_alone();
            continue;
        }
        let Some(mut file) = stream.to_receive(&selector) else {
            continue;
        };
        let looking = spawn_blocking(move || {
            file.start = held(&file);
            file
        });
        match looking.await {
            Ok(file) if file.start > 0 => {
                promised.push(selector.clone());
                stream.go_on_with(selector, file);
            }
            Ok(_) => {}
            Err(error) => debug!(%error, "nobody looked for the part of a file"),
        }
    }
}
