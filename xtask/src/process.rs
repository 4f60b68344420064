//! Running other programs, with their command line in every error.

use std::path::Path;
use std::process::{Command, Stdio};

/// Why a chore failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChoreError {
    #[error("cannot start `{program}`: {cause}")]
    Start { program: String, cause: std::io::Error },
    #[error("`{command}` failed ({status})")]
    Failed {
        command: String,
        status: std::process::ExitStatus,
    },
    #[error("{path}: {cause}")]
    File { path: String, cause: std::io::Error },
    #[error("{0}")]
    Found(String),
}

impl ChoreError {
    pub(crate) fn file(path: &Path, cause: std::io::Error) -> Self {
        Self::File {
            path: path.display().to_string(),
            cause,
        }
    }
}

/// A cargo command in the workspace root, with the toolchain that runs this program.
pub(crate) fn cargo(root: &Path, args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(args).current_dir(root);
    command
}

/// Runs a command to its end with our own standard streams.
pub(crate) fn run(command: &mut Command) -> Result<(), ChoreError> {
    let status = command
        .stdin(Stdio::null())
        .status()
        .map_err(|cause| ChoreError::Start {
            program: program_of(command),
            cause,
        })?;
    if status.success() {
        return Ok(());
    }
    let args: Vec<_> = command
        .get_args()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    Err(ChoreError::Failed {
        command: format!("{} {}", program_of(command), args.join(" ")),
        status,
    })
}

/// True when a program of this name lies on the search path.
pub(crate) fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|path| std::env::split_paths(&path).any(|folder| folder.join(program).is_file()))
}

fn program_of(command: &Command) -> String {
    let path = Path::new(command.get_program());
    path.file_name()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned()
}
