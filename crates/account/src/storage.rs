//! Where documents are kept.

use crate::AccountId;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

/// Names a document of a [`Storage`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Document {
    /// The general settings.
    Settings,
    /// The settings of an account.
    Account(AccountId),
    /// The secrets of an account: to be kept where others cannot read.
    Secrets(AccountId),
}

/// A place for named TOML documents.
///
/// The calls are short and block: an application that keeps settings far away loads them first into a
/// [`MemoryStorage`].
pub trait Storage {
    /// The text of a document; `None` when there is none.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn load(&self, document: &Document) -> Result<Option<String>, StorageError>;

    /// Puts a document in place of the one before, wholly or not at all.
    ///
    /// # Errors
    /// When the place cannot be written; the document before is then still there.
    fn store(&mut self, document: &Document, text: &str) -> Result<(), StorageError>;

    /// Removes a document; does nothing when there is none.
    ///
    /// # Errors
    /// When the place cannot be written.
    fn remove(&mut self, document: &Document) -> Result<(), StorageError>;

    /// The accounts that are stored, in the order of their ids.
    ///
    /// # Errors
    /// When the place cannot be read.
    fn accounts(&self) -> Result<Vec<AccountId>, StorageError>;

    /// Where a document is kept, for people: the path of a file.
    fn place(&self, document: &Document) -> String;
}

/// The system failed, or holds what is not ours.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// A file operation failed.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: `read`, `write`, `remove`, `list` or `create`.
        action: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file among the accounts is not named like one.
    #[error("{} is not named after an account, like alice@example.com.toml", path.display())]
    NotAnAccount {
        /// The file.
        path: PathBuf,
    },
}

/// Documents in memory: for tests, and for applications that keep settings in a way of their own.
#[derive(Clone, Default)]
pub struct MemoryStorage {
    documents: BTreeMap<Document, String>,
}

impl MemoryStorage {
    /// An empty storage.
    pub fn new() -> Self {
        Self::default()
    }
}

impl Storage for MemoryStorage {
    fn load(&self, document: &Document) -> Result<Option<String>, StorageError> {
        Ok(self.documents.get(document).cloned())
    }

    fn store(&mut self, document: &Document, text: &str) -> Result<(), StorageError> {
        self.documents.insert(document.clone(), text.to_owned());
        Ok(())
    }

    fn remove(&mut self, document: &Document) -> Result<(), StorageError> {
        self.documents.remove(document);
        Ok(())
    }

    fn accounts(&self) -> Result<Vec<AccountId>, StorageError> {
        let ids = self.documents.keys().filter_map(|document| match document {
            Document::Account(id) => Some(id.clone()),
            _ => None,
        });
        Ok(ids.collect())
    }

    fn place(&self, document: &Document) -> String {
        match document {
            Document::Settings => "the settings in memory".to_owned(),
            Document::Account(id) => format!("account {id} in memory"),
            Document::Secrets(id) => format!("the secrets of {id} in memory"),
        }
    }
}

impl std::fmt::Debug for MemoryStorage {
    /// Names the documents; their text holds passwords.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.documents.keys()).finish()
    }
}
