//! The folder that receives files: each is written under a name of its own while it arrives, and gets its last name when it is
//! complete.

use offhook_msrp::SessionEvent;
use offhook_msrp::chunk::Head;
use offhook_msrp::session::IncomingId;
use std::collections::HashMap;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How far a piece may be ahead of the ones before it. Relays reorder a few chunks; a Byte-Range that claims more would
/// only make a file that pretends to be large.
const GAP: u64 = 1024 * 1024;
/// How many files may have the same name.
const NAMESAKES: u32 = 1000;

pub(crate) struct Received {
    directory: PathBuf,
    files: HashMap<IncomingId, Arriving>,
}

/// A file on its way in.
struct Arriving {
    head: Head,
    file: File,
    part: PathBuf,
    stem: String,
    /// What was written, gaps included.
    end: u64,
}

/// What became of an event.
pub(crate) enum Outcome {
    Nothing,
    /// A file is complete and in its place: now its sender may hear of it.
    Stored {
        path: PathBuf,
        head: Box<Head>,
        size: u64,
    },
    /// A piece claims a place that it cannot have: its message is to be refused.
    Absurd(IncomingId),
}

impl Received {
    pub(crate) fn new(directory: &Path) -> Self {
        Self {
            directory: directory.to_owned(),
            files: HashMap::new(),
        }
    }

    pub(crate) fn take(&mut self, event: &SessionEvent) -> io::Result<Outcome> {
        match event {
            SessionEvent::MessageBegan { message, head, .. } => {
                let arriving = self.begin(head)?;
                self.files.insert(*message, arriving);
            }
            SessionEvent::MessageData { message, at, data } => {
                let Some(arriving) = self.files.get_mut(message) else {
                    return Ok(Outcome::Nothing);
                };
                if *at > arriving.end.saturating_add(GAP) {
                    return Ok(Outcome::Absurd(*message));
                }
                arriving.file.seek(SeekFrom::Start(*at))?;
                arriving.file.write_all(data)?;
                arriving.end = arriving.end.max(at + data.len() as u64);
            }
            SessionEvent::MessageEnded { message, size } => {
                if let Some(arriving) = self.files.remove(message) {
                    return self.finish(arriving, *size);
                }
            }
            SessionEvent::MessageAborted { message, .. } => {
                if let Some(arriving) = self.files.remove(message) {
                    std::fs::remove_file(arriving.part)?;
                }
            }
            _ => {}
        }
        Ok(Outcome::Nothing)
    }

    fn begin(&self, head: &Head) -> io::Result<Arriving> {
        let id = head.message_id().unwrap_or_default();
        let stem: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let (part, file) = self.under_free_name(&stem, "part", |path| {
            OpenOptions::new().write(true).create_new(true).open(path)
        })?;
        Ok(Arriving {
            head: head.clone(),
            file,
            part,
            stem,
            end: 0,
        })
    }

    fn finish(&self, arriving: Arriving, size: u64) -> io::Result<Outcome> {
        arriving.file.sync_all()?;
        // A link, unlike a rename, never replaces what is there.
        let (path, ()) = self.under_free_name(&arriving.stem, "received", |path| {
            std::fs::hard_link(&arriving.part, path)
        })?;
        std::fs::remove_file(&arriving.part)?;
        let head = Box::new(arriving.head);
        Ok(Outcome::Stored { path, head, size })
    }

    /// Messages of different identifiers may have the same name, and one may come again.
    fn under_free_name<T>(
        &self,
        stem: &str,
        ending: &str,
        make: impl Fn(&Path) -> io::Result<T>,
    ) -> io::Result<(PathBuf, T)> {
        for number in 1..NAMESAKES {
            let name = match number {
                1 => format!("{stem}.{ending}"),
                _ => format!("{stem}-{number}.{ending}"),
            };
            let path = self.directory.join(name);
            match make(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                made => return Ok((path, made?)),
            }
        }
        Err(ErrorKind::AlreadyExists.into())
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        for arriving in self.files.values() {
            // What is not complete is no file; when it cannot be removed, its ending says so.
            let _ = std::fs::remove_file(&arriving.part);
        }
    }
}
