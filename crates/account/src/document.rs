//! From TOML to settings and back.

use crate::{Document, Storage, StorageError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Settings could not be read or stored.
#[non_exhaustive]
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The storage failed.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// A document is not what it should be: bad TOML, an unknown key, or a value that cannot be.
    #[error("{document}, line {line}: {reason}")]
    Broken {
        /// Where it is kept: the path of a file.
        document: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        reason: String,
    },
    /// The settings cannot be written as TOML.
    #[error("{document} cannot be written: {reason}")]
    Unwritable {
        /// Where it would be kept.
        document: String,
        /// Why not.
        reason: String,
    },
}

pub(crate) fn load<T: DeserializeOwned>(
    storage: &dyn Storage,
    document: &Document,
) -> Result<Option<T>, SettingsError> {
    let Some(text) = storage.load(document)? else {
        return Ok(None);
    };
    toml::from_str(&text).map(Some).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start));
        SettingsError::Broken {
            document: storage.place(document),
            line: 1 + before.unwrap_or_default().matches('\n').count(),
            reason: match document {
                // The parser quotes values that it does not like: here, perhaps, a password without its quotes.
                Document::Secrets(_) => "expected password = \"...\" and nothing else".to_owned(),
                _ => error.message().trim().replace('\n', " "),
            },
        }
    })
}

pub(crate) fn store<T: Serialize>(
    storage: &mut dyn Storage,
    document: &Document,
    value: &T,
) -> Result<(), SettingsError> {
    let text = toml::to_string(value).map_err(|error| SettingsError::Unwritable {
        document: storage.place(document),
        reason: error.to_string(),
    })?;
    storage.store(document, &text)?;
    Ok(())
}
