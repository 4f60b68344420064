//! The file that is sent, piece by piece.

use bytes::{Bytes, BytesMut};
use std::error::Error;
use std::path::{Path, PathBuf};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

type Failure = Box<dyn Error>;

/// How much is read at a time, in bytes.
const PIECE: usize = 1024 * 1024;

pub(crate) struct Sent {
    path: PathBuf,
    file: File,
    /// As it was when the file was opened: that is what the receiver is told.
    size: u64,
    read: u64,
}

impl Sent {
    /// Opens a regular file: of nothing else the size is known.
    pub(crate) fn open(path: &Path) -> Result<Self, Failure> {
        let name = path.display();
        let told = |error| format!("{name}: {error}");
        // Asked before: to open a pipe would wait for its writer.
        let metadata = std::fs::metadata(path).map_err(told)?;
        if metadata.is_dir() {
            return Err(format!("{name} is a directory, and a file is wanted").into());
        }
        if !metadata.is_file() {
            return Err(format!("{name} is no regular file: its size is not known before it is sent").into());
        }
        Ok(Self {
            path: path.to_owned(),
            file: File::from_std(std::fs::File::open(path).map_err(told)?),
            size: metadata.len(),
            read: 0,
        })
    }

    pub(crate) fn size(&self) -> u64 {
        self.size
    }

    /// The next bytes, of which there are some. What was added to the file since it was opened is left out.
    pub(crate) async fn piece(&mut self) -> Result<Bytes, Failure> {
        let mut piece = BytesMut::with_capacity(PIECE);
        let mut rest = (&mut self.file).take((self.size - self.read).min(PIECE as u64));
        let name = self.path.display();
        while rest
            .read_buf(&mut piece)
            .await
            .map_err(|error| format!("{name}: {error}"))?
            > 0
        {}
        self.read += piece.len() as u64;
        if piece.is_empty() {
            let (read, size) = (self.read, self.size);
            return Err(format!("{name} was cut while it was sent: {read} of {size} bytes are left").into());
        }
        Ok(piece.freeze())
    }
}
