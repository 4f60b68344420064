//! The folder that receives files: each is written under a name of its own while it arrives, and gets its last name when it is
//! complete.

use offhook_msrp::SessionEvent;
use offhook_msrp::chunk::Head;
use offhook_msrp::session::IncomingId;
use std::collections::HashMap;
use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How far a piece may be ahead of the ones before it. Relays reorder a few chunks; a Byte-Range that claims more would
/// only make a file that pretends to be large.
pub(crate) const GAP: u64 = 1024 * 1024;
/// How many files may have the same name.
const NAMESAKES: u32 = 1000;

pub(crate) struct Received {
    directory: PathBuf,
    files: HashMap<IncomingId, Arriving>,
    /// Messages that were given up and may end all the same: what their senders have to hear is in the head.
    given_up: HashMap<IncomingId, Head>,
}

/// A file on its way in. What is not complete is removed.
struct Arriving {
    head: Head,
    file: File,
    part: PathBuf,
    stem: String,
}

impl Arriving {
    fn write(&mut self, at: u64, data: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(at))?;
        self.file.write_all(data)
    }
}

impl Drop for Arriving {
    fn drop(&mut self) {
        // When it cannot be removed, its ending says that it is no file.
        let _ = std::fs::remove_file(&self.part);
    }
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
    /// A piece could not be written: its message is to be refused.
    Unwritten(IncomingId, io::Error),
    /// A message has ended that is not stored: its sender is to hear of it. Without an error it was told before why.
    Lost {
        head: Box<Head>,
        size: u64,
        error: Option<io::Error>,
    },
}

impl Received {
    /// The directory has to be there, and to take files.
    pub(crate) fn new(directory: &Path) -> Result<Self, Box<dyn Error>> {
        let name = directory.display();
        let told = |error| format!("--directory {name}: {error}");
        if !std::fs::metadata(directory).map_err(told)?.is_dir() {
            return Err(format!("--directory {name} is no directory").into());
        }
        let received = Self {
            directory: directory.to_owned(),
            files: HashMap::new(),
            given_up: HashMap::new(),
        };
        let (trial, _) = received.create("trial").map_err(told)?;
        std::fs::remove_file(trial).map_err(told)?;
        Ok(received)
    }

    pub(crate) fn take(&mut self, event: &SessionEvent) -> Outcome {
        match event {
            SessionEvent::MessageBegan { message, head, .. } => match self.begin(head) {
                Ok(arriving) => {
                    self.files.insert(*message, arriving);
                }
                Err(error) => {
                    self.given_up.insert(*message, head.clone());
                    return Outcome::Unwritten(*message, error);
                }
            },
            SessionEvent::MessageData { message, at, data } => {
                return self.write(*message, *at, data);
            }
            SessionEvent::MessageEnded { message, size } => {
                return self.finish(*message, *size);
            }
            SessionEvent::MessageAborted { message, .. } => {
                self.files.remove(message);
                self.given_up.remove(message);
            }
            _ => {}
        }
        Outcome::Nothing
    }

    fn write(&mut self, message: IncomingId, at: u64, data: &[u8]) -> Outcome {
        let Some(arriving) = self.files.get_mut(&message) else {
            return Outcome::Nothing;
        };
        let Err(error) = arriving.write(at, data) else {
            return Outcome::Nothing;
        };
        if let Some(arriving) = self.files.remove(&message) {
            self.given_up.insert(message, arriving.head.clone());
        }
        Outcome::Unwritten(message, error)
    }

    fn create(&self, stem: &str) -> io::Result<(PathBuf, File)> {
        self.under_free_name(stem, "part", |path| {
            OpenOptions::new().write(true).create_new(true).open(path)
        })
    }

    fn begin(&self, head: &Head) -> io::Result<Arriving> {
        let id = head.message_id().unwrap_or_default();
        let stem: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
        let (part, file) = self.create(&stem)?;
        Ok(Arriving {
            head: head.clone(),
            file,
            part,
            stem,
        })
    }

    fn finish(&mut self, message: IncomingId, size: u64) -> Outcome {
        let Some(arriving) = self.files.remove(&message) else {
            let Some(head) = self.given_up.remove(&message) else {
                return Outcome::Nothing;
            };
            let head = Box::new(head);
            return Outcome::Lost {
                head,
                size,
                error: None,
            };
        };
        let head = Box::new(arriving.head.clone());
        match self.put_in_place(&arriving) {
            Ok(path) => Outcome::Stored { path, head, size },
            Err(error) => {
                let error = Some(error);
                Outcome::Lost { head, size, error }
            }
        }
    }

    fn put_in_place(&self, arriving: &Arriving) -> io::Result<PathBuf> {
        arriving.file.sync_all()?;
        // A link, unlike a rename, never replaces what is there.
        let (path, ()) = self.under_free_name(&arriving.stem, "received", |path| {
            std::fs::hard_link(&arriving.part, path)
        })?;
        Ok(path)
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
