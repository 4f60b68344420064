//! The driver: documents as files.

use crate::{AccountId, Document, Storage, StorageError};
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

/// Documents as files of one folder: `config.toml`, `accounts/<id>.toml`, `secrets/<id>.toml`.
///
/// Files are readable and writable by their owner alone (mode 0600, folders 0700, on Unix). A file is replaced by
/// renaming a complete one over it: after a crash there is the old text or the new one.
#[derive(Clone, Debug)]
pub struct FileStorage {
    folder: PathBuf,
}

impl FileStorage {
    /// A storage in this folder, which is made if it is not there.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(folder: impl Into<PathBuf>) -> Result<Self, StorageError> {
        let folder = folder.into();
        for folder in [folder.clone(), folder.join(ACCOUNTS), folder.join(SECRETS)] {
            create_folder(&folder).map_err(|source| failed("create", &folder, source))?;
        }
        Ok(Self { folder })
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    fn path(&self, document: &Document) -> PathBuf {
        match document {
            Document::Settings => self.folder.join("config.toml"),
            Document::Account(id) => self.folder.join(ACCOUNTS).join(file_name(id)),
            Document::Secrets(id) => self.folder.join(SECRETS).join(file_name(id)),
        }
    }
}

const ACCOUNTS: &str = "accounts";
const SECRETS: &str = "secrets";

impl Storage for FileStorage {
    fn load(&self, document: &Document) -> Result<Option<String>, StorageError> {
        let path = self.path(document);
        match fs::read_to_string(&path) {
            Ok(text) => {
                if matches!(document, Document::Secrets(_)) {
                    warn_if_others_can_read(&path);
                }
                Ok(Some(text))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(failed("read", &path, error)),
        }
    }

    fn store(&mut self, document: &Document, text: &str) -> Result<(), StorageError> {
        let path = self.path(document);
        replace(&path, text).map_err(|source| failed("write", &path, source))
    }

    fn remove(&mut self, document: &Document) -> Result<(), StorageError> {
        let path = self.path(document);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(failed("remove", &path, error)),
            _ => Ok(()),
        }
    }

    fn accounts(&self) -> Result<Vec<AccountId>, StorageError> {
        let folder = self.folder.join(ACCOUNTS);
        let list = |source| failed("list", &folder, source);
        let mut ids = Vec::new();
        for entry in fs::read_dir(&folder).map_err(list)? {
            let path = entry.map_err(list)?.path();
            // What an interrupted write left behind, and files of editors, end otherwise.
            if path.extension().is_some_and(|extension| extension == "toml") {
                let stem = path.file_stem().and_then(|stem| stem.to_str());
                match stem.and_then(account_of) {
                    Some(id) => ids.push(id),
                    None => return Err(StorageError::NotAnAccount { path }),
                }
            }
        }
        ids.sort();
        Ok(ids)
    }

    fn place(&self, document: &Document) -> String {
        self.path(document).display().to_string()
    }
}

/// The file of an account: its id, with `%` and two digits for all but letters, digits and `@.+-_`. No id can thus
/// name a file elsewhere.
fn file_name(id: &AccountId) -> String {
    let mut name = String::new();
    for byte in id.as_str().bytes() {
        match byte {
            b'.' if name.is_empty() => name.push_str("%2E"),
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'@' | b'.' | b'+' | b'-' | b'_' => {
                name.push(char::from(byte));
            }
            _ => {
                let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
                name.extend(['%', digit(byte >> 4), digit(byte & 15)]);
            }
        }
    }
    name + ".toml"
}

/// The account that a file without its `.toml` is named after.
fn account_of(stem: &str) -> Option<AccountId> {
    let mut bytes = Vec::new();
    let mut parts = stem.split('%');
    bytes.extend(parts.next()?.bytes());
    for part in parts {
        bytes.push(u8::from_str_radix(part.get(..2)?, 16).ok()?);
        bytes.extend(part[2..].bytes());
    }
    let id: AccountId = String::from_utf8(bytes).ok()?.parse().ok()?;
    // Only the name that we would write: two files shall not be one account.
    (file_name(&id).strip_suffix(".toml") == Some(stem)).then_some(id)
}

/// Writes a complete file beside the place, then renames it into the place.
fn replace(path: &Path, text: &str) -> io::Result<()> {
    let aside = path.with_extension("toml.new");
    // A file left from an interrupted write could have any mode: a new one is made.
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = private(OpenOptions::new().write(true).create_new(true)).open(&aside)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    drop(file);
    fs::rename(&aside, path)
}

#[cfg(unix)]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    use std::os::unix::fs::OpenOptionsExt;
    options.mode(0o600)
}

#[cfg(not(unix))]
fn private(options: &mut OpenOptions) -> &mut OpenOptions {
    options // the folder's rights hold
}

#[cfg(unix)]
fn create_folder(folder: &Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

#[cfg(not(unix))]
fn create_folder(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)
}

#[cfg(unix)]
fn warn_if_others_can_read(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path).map(|metadata| metadata.permissions().mode());
    if let Ok(mode) = mode
        && mode & 0o077 != 0
    {
        tracing::warn!(path = %path.display(), mode = format!("{:o}", mode & 0o777), "others can read a password");
    }
}

#[cfg(not(unix))]
fn warn_if_others_can_read(_path: &Path) {}

fn failed(action: &'static str, path: &Path, source: io::Error) -> StorageError {
    let path = path.to_owned();
    StorageError::Io { action, path, source }
}
