//! A file that is not complete yet.

use crate::media::FileToReceive;
use crate::stream::numbered;
use bytes::{Bytes, BytesMut};
use offhook_sdp::attribute::{FileHash, HashFunction};
use sha1::Digest as _;
use std::fs::TryLockError;
use std::io::{self, SeekFrom};
use std::path::{Path, PathBuf};
use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};
use tokio::task::spawn_blocking;

/// Files of one name that are kept side by side in one folder.
const MOST_OF_A_NAME: u32 = 10_000;

/// How much is read from the disk at a time.
const PIECE: usize = 256 * 1024;

/// A file that is not complete yet: under another name, and gone when it is dropped unless it is kept for another try.
pub(super) struct Partial {
    file: File,
    pub(super) path: PathBuf,
    /// Whether another try finds it again: it has the file's hash in its name.
    can_resume: bool,
    /// Up to here the bytes came in order, and are hashed.
    hashed: u64,
    in_order: bool,
    sha1: sha1::Sha1,
    sha256: sha2::Sha256,
    position: u64,
    keep: bool,
}

impl Partial {
    /// Opens the part that is here already, as far as the sender was told; or makes a new one.
    pub(super) async fn open(wanted: &FileToReceive) -> io::Result<Self> {
        let part = part_of(wanted).filter(|_| wanted.can_resume);
        let Some(path) = part else {
            return Self::create(wanted).await;
        };
        let (start, claimed) = (wanted.start, path.clone());
        let claim = spawn_blocking(move || claim(&claimed, start)).await;
        match claim.map_err(io::Error::other)? {
            Ok(file) => {
                let mut partial = Self::new(File::from_std(file), path, true);
                partial.in_order = start == 0;
                // Where the file stands is not known: the first write seeks.
                partial.position = u64::MAX;
                Ok(partial)
            }
            // Somebody sends the same file at this moment, or something else lies there.
            Err(_) if start == 0 => Self::create(wanted).await,
            Err(error) => Err(error),
        }
    }

    /// Makes a new file beside the final one: on the same disk, and never through a link that lies there already.
    async fn create(wanted: &FileToReceive) -> io::Result<Self> {
        let mut tries = 0;
        loop {
            let path = wanted.directory.join(format!(".{}.{tries}.part", wanted.name));
            let mut options = OpenOptions::new();
            options.read(true).write(true).create_new(true);
            match options.open(&path).await {
                Ok(file) => return Ok(Self::new(file, path, false)),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && tries < MOST_OF_A_NAME => {
                    tries += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn new(file: File, path: PathBuf, can_resume: bool) -> Self {
        Self {
            file,
            path,
            can_resume,
            hashed: 0,
            in_order: true,
            sha1: sha1::Sha1::new(),
            sha256: sha2::Sha256::new(),
            position: 0,
            keep: false,
        }
    }

    /// Forgets what was there: the sender sends all of it.
    pub(super) async fn restart(&mut self) -> io::Result<()> {
        self.file.set_len(0).await?;
        self.in_order = true;
        Ok(())
    }

    pub(super) async fn write(&mut self, at: u64, data: Bytes) -> io::Result<()> {
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

    /// Leaves what came for another try, where that would find it; gives how much it is.
    ///
    /// # Errors
    /// When the disk refuses what came last: nothing is left then.
    pub(super) async fn keep_for_another_try(mut self) -> io::Result<Option<u64>> {
        self.file.flush().await?;
        let held = self.file.metadata().await?.len();
        self.keep = self.can_resume && held > 0;
        Ok(self.keep.then_some(held))
    }

    /// Checks the hash and gives the file its name: the one that was told, or with a number where that is taken.
    pub(super) async fn complete(mut self, wanted: &FileToReceive) -> Result<PathBuf, String> {
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

/// How much of a file is here from a transfer that broke off, and not being received at this moment.
pub(super) fn held(wanted: &FileToReceive) -> u64 {
    let Some(path) = part_of(wanted) else { return 0 };
    let there = std::fs::symlink_metadata(&path).is_ok_and(|part| part.is_file() && part.len() > 0);
    if !there {
        return 0;
    }
    let (Ok(part), Some(size)) = (claim_as_it_is(&path), wanted.size) else {
        return 0;
    };
    // Of a file that is all here one byte is asked for, so that there is something to send.
    let len = part.metadata().map_or(0, |part| part.len());
    len.min(size.saturating_sub(1))
}

/// Where the part of a file lies that another try continues. Only where the file can be known again: by its size and hash, of which
/// so much is in the name that files of one name do not meet.
fn part_of(wanted: &FileToReceive) -> Option<PathBuf> {
    let known = |wanted_hash| {
        let mut hashes = wanted.hashes.iter();
        hashes.find(|FileHash { hash, .. }| *hash == wanted_hash)
    };
    let hash = known(HashFunction::Sha256).or_else(|| known(HashFunction::Sha1))?;
    let start = u64::from_be_bytes(*hash.digest.first_chunk()?);
    wanted.size?;
    Some(
        wanted
            .directory
            .join(format!(".{}.{start:016x}.part", wanted.name)),
    )
}

/// Opens the part at a path, or a new one, for us alone; cut to so many bytes, which it must have.
fn claim(path: &Path, start: u64) -> io::Result<std::fs::File> {
    let file = match new_file(path) {
        Ok(file) => {
            lock(&file)?;
            file
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => claim_as_it_is(path)?,
        Err(error) => return Err(error),
    };
    if file.metadata()?.len() < start {
        return Err(io::Error::new(
            io::ErrorKind::UnexpectedEof,
            "the part that was here is gone",
        ));
    }
    file.set_len(start)?;
    Ok(file)
}

fn new_file(path: &Path) -> io::Result<std::fs::File> {
    let mut options = std::fs::OpenOptions::new();
    options.read(true).write(true).create_new(true).open(path)
}

/// Opens what lies there, if it is a file and nobody else's at this moment. No link is followed.
fn claim_as_it_is(path: &Path) -> io::Result<std::fs::File> {
    let is_file = |path| Ok::<_, io::Error>(std::fs::symlink_metadata(path)?.is_file());
    if !is_file(path)? {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a file"));
    }
    let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
    lock(&file)?;
    if is_still(path, &file)? {
        Ok(file)
    } else {
        // It became complete, and got its own name, while we looked.
        Err(io::ErrorKind::WouldBlock.into())
    }
}

/// [`io::ErrorKind::WouldBlock`] where somebody else has it. Where files cannot be locked nobody is kept out.
fn lock(file: &std::fs::File) -> io::Result<()> {
    match file.try_lock() {
        Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
        Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
    }
}

/// Whether the file that was opened is what lies at the path.
#[cfg(unix)]
fn is_still(path: &Path, file: &std::fs::File) -> io::Result<bool> {
    use std::os::unix::fs::MetadataExt;
    let (there, opened) = (std::fs::symlink_metadata(path)?, file.metadata()?);
    Ok((there.dev(), there.ino()) == (opened.dev(), opened.ino()))
}

#[cfg(not(unix))]
fn is_still(path: &Path, _: &std::fs::File) -> io::Result<bool> {
    path.try_exists()
}
