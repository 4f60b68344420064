//! Where a recording is written, and how it comes to its name.

use super::recorder::Shared;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

/// Where a recording is written, and what the file is called in the end.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) written: PathBuf,
    pub(super) name: PathBuf,
}

impl Place {
    /// By its name from the start. The program may change its folder while this runs; a path that cannot be made whole cannot
    /// be opened either.
    pub(super) fn at(path: PathBuf) -> Self {
        let name = std::path::absolute(&path).unwrap_or(path);
        Self {
            written: name.clone(),
            name,
        }
    }

    /// Beside it: then the file only needs another name.
    pub(super) fn aside(path: PathBuf) -> Self {
        let Self { name, .. } = Self::at(path);
        let mut part = name.file_name().unwrap_or_default().to_owned();
        part.push(".part");
        Self {
            written: name.with_file_name(part),
            name,
        }
    }

    /// Whether the file can have its name, and one that is written aside take the place of the one that has it.
    pub(super) fn check(&self) -> io::Result<()> {
        if self.name.file_name().is_none() {
            let cause = "the path names no file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, cause));
        }
        if !self.is_aside() || !self.name.exists() {
            return Ok(());
        }
        ordinary(&self.name)?;
        OpenOptions::new().write(true).open(&self.name).map(drop)
    }

    /// A file aside that ended because its ports were dropped gets its name when its owner has finished or discarded it, or
    /// let go of it: a call that never stood drops its ports first.
    pub(super) fn await_decision(&self, shared: &Arc<Shared>) {
        while self.is_aside() && !shared.finish.load(Ordering::Acquire) && Arc::strong_count(shared) > WRITERS
        {
            thread::park_timeout(DECISION);
        }
    }

    /// Gives the file its name if it is wanted, and `whole` or nobody has the name.
    pub(super) fn settle(&self, wanted: bool, whole: bool) -> io::Result<()> {
        if !wanted || (self.is_aside() && !whole && self.name.exists()) {
            fs::remove_file(&self.written)
        } else if self.is_aside() {
            fs::rename(&self.written, &self.name)
        } else {
            Ok(())
        }
    }

    fn is_aside(&self) -> bool {
        self.written != self.name
    }
}

/// Only such a file can be gone back in, to its header.
pub(super) fn ordinary(path: &Path) -> io::Result<()> {
    if fs::metadata(path)?.is_file() {
        return Ok(());
    }
    let cause = "it is no ordinary file";
    Err(io::Error::new(io::ErrorKind::InvalidInput, cause))
}

/// How often the writer itself has hold of what it shares with its ports and its owner.
const WRITERS: usize = 2;
/// How often it looks whether its owner is still there.
const DECISION: Duration = Duration::from_millis(50);
