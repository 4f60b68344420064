//! What one scenario has for itself: a folder, ports, a deadline, and the program under test.

use super::disagreement::Disagreement;
use super::ports::PortBlock;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// A scenario's own surroundings.
#[derive(Debug)]
pub(super) struct Stage<'run> {
    folder: PathBuf,
    ports: PortBlock,
    deadline: Instant,
    programs: Programs<'run>,
    assets: &'run Path,
}

/// What we wrote, as built.
#[derive(Clone, Copy, Debug)]
pub(super) struct Programs<'run> {
    pub(super) offhook: &'run Path,
    /// The folder of the examples.
    pub(super) examples: &'run Path,
}

impl<'run> Stage<'run> {
    /// Empties the folder: what lies in it afterwards comes from this run.
    pub(super) fn set(
        folder: PathBuf,
        ports: PortBlock,
        deadline: Instant,
        programs: Programs<'run>,
        assets: &'run Path,
    ) -> Result<Self, Disagreement> {
        if folder.exists() {
            std::fs::remove_dir_all(&folder).map_err(|cause| Disagreement::file(&folder, cause))?;
        }
        std::fs::create_dir_all(&folder).map_err(|cause| Disagreement::file(&folder, cause))?;
        Ok(Self {
            folder,
            ports,
            deadline,
            programs,
            assets,
        })
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(super) fn ports(&self) -> PortBlock {
        self.ports
    }

    /// When the scenario as a whole is out of time.
    pub(super) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// The program under test.
    pub(super) fn offhook(&self) -> &Path {
        self.programs.offhook
    }

    /// One of the examples.
    pub(super) fn example(&self, name: &str) -> PathBuf {
        self.programs.examples.join(name)
    }

    /// A file that is committed with the harness, for example a `SIPp` scenario.
    pub(super) fn asset(&self, name: &str) -> PathBuf {
        self.assets.join(name)
    }
}
