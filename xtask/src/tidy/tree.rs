//! The files that the rules look at, held in memory so that tests can write their own.

use crate::process::ChoreError;
use std::collections::BTreeMap;
use std::path::Path;

/// Folders that hold build output or data, not our text.
const SKIPPED: &[&str] = &["target", ".git", "corpus", "artifacts", "coverage", "demo-out"];

/// The workspace's files: path from the root with forward slashes, and text. Other files are present with no text.
#[derive(Default)]
pub(super) struct Tree {
    files: BTreeMap<String, String>,
}

impl Tree {
    /// Reads everything below a folder.
    pub(super) fn read(root: &Path) -> Result<Self, ChoreError> {
        let mut tree = Self::default();
        tree.read_folder(root, "")?;
        Ok(tree)
    }

    /// A tree of a test's own.
    #[cfg(test)]
    pub(super) fn of(files: &[(&str, &str)]) -> Self {
        Self {
            files: files
                .iter()
                .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
                .collect(),
        }
    }

    fn read_folder(&mut self, folder: &Path, prefix: &str) -> Result<(), ChoreError> {
        let entries = std::fs::read_dir(folder).map_err(|cause| ChoreError::file(folder, cause))?;
        for entry in entries.flatten() {
            let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
            if path.is_dir() {
                if !SKIPPED
                    .iter()
                    .any(|skipped| name == *skipped || name.starts_with("target-"))
                {
                    self.read_folder(&path, &format!("{prefix}{name}/"))?;
                }
                continue;
            }
            let is_text = [".rs", ".toml", ".md"]
                .iter()
                .any(|ending| name.ends_with(ending));
            let text = if is_text {
                std::fs::read_to_string(&path).map_err(|cause| ChoreError::file(&path, cause))?
            } else {
                String::new()
            };
            self.files.insert(format!("{prefix}{name}"), text);
        }
        Ok(())
    }

    pub(super) fn get(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// True for a file, or a folder that holds one.
    pub(super) fn exists(&self, path: &str) -> bool {
        let folder = format!("{}/", path.trim_end_matches('/'));
        self.files.contains_key(path) || self.files.keys().any(|file| file.starts_with(&folder))
    }

    /// All Rust files.
    pub(super) fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files
            .iter()
            .filter(|(path, _)| Path::new(path).extension().is_some_and(|ending| ending == "rs"))
            .map(|(path, text)| (path.as_str(), text.as_str()))
    }

    /// The Rust files of the crates' libraries, with the crate's folder name and the path below it.
    pub(super) fn library_sources(&self) -> impl Iterator<Item = (&str, Source<'_>)> {
        self.rust().filter_map(|(path, text)| {
            let (layer, below) = path.strip_prefix("crates/")?.split_once('/')?;
            let is_test = below.ends_with("/tests.rs") || below.contains("/tests/");
            (below.starts_with("src/") && !is_test).then_some((path, Source { layer, below, text }))
        })
    }

    /// The manifests of the crates, and that of the pages in `docs/`, by folder name.
    pub(super) fn manifests(&self) -> impl Iterator<Item = (&str, &str, &str)> {
        self.files.iter().filter_map(|(path, text)| {
            let folder = path.strip_suffix("/Cargo.toml")?;
            let layer = folder
                .strip_prefix("crates/")
                .or((folder == "docs").then_some(folder))?;
            (!layer.contains('/')).then_some((layer, path.as_str(), text.as_str()))
        })
    }
}

/// One file of a crate's library.
pub(super) struct Source<'a> {
    /// The crate's folder name.
    pub(super) layer: &'a str,
    /// The path below the crate's folder.
    pub(super) below: &'a str,
    pub(super) text: &'a str,
}
