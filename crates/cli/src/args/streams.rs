//! What the streams of a session are made of, besides sound and text.

use super::{ToolArgs, host_and_port};
use crate::exit::{Code, Failure};
use clap::Args;
use offhook::{DesktopSharingHandler, ExternalMediaStream, StreamKind};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// How long a VNC viewer may take to connect, once the other side has accepted.
const VIEWER_TIMEOUT: Duration = Duration::from_mins(1);

#[derive(Debug, Args)]
pub(crate) struct StreamArgs {
    #[command(flatten)]
    tool: ToolArgs,
    /// Take files that others send, and put them into this folder. Names are made safe, and what lies there is never replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: Option<PathBuf>,
    /// Let the other side see the desktop that this VNC server shows, as the stream `share`
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    vnc: Option<String>,
    /// Let a VNC viewer connect here, once for each desktop of the other side, to see it as the stream `view`. Whoever reaches it
    /// sees the desktop
    #[arg(long, value_name = "ADDR:PORT")]
    viewer: Option<SocketAddr>,
}

impl StreamArgs {
    /// Checks what can be checked before a session.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        match self.dir.as_ref().filter(|dir| !dir.is_dir()) {
            Some(dir) => {
                let message = format!("{} is no folder", dir.display());
                Err(Failure::new(Code::Record, message))
            }
            None => Ok(()),
        }
    }

    /// The tool's kind of stream, so that what only the tool can take is told. It takes what it speaks before others do.
    pub(crate) fn tool_kind(&self) -> Option<StreamKind> {
        let tool = self.tool.named()?;
        Some(StreamKind::of("tool", 3, move || tool.stream()))
    }

    /// A stream of the tool.
    pub(crate) fn tool(&self) -> Result<ExternalMediaStream, Failure> {
        let tool = self.tool.named().ok_or_else(|| missing("tool", "--tool"))?;
        Ok(tool.stream())
    }

    /// What shows our desktop.
    pub(crate) fn server(&self) -> Result<DesktopSharingHandler, Failure> {
        let vnc = self.vnc.clone().ok_or_else(|| missing("VNC server", "--vnc"))?;
        Ok(DesktopSharingHandler::external_server(vnc))
    }

    /// What shows the other side's.
    pub(crate) fn viewer(&self) -> Result<DesktopSharingHandler, Failure> {
        let address = self
            .viewer
            .ok_or_else(|| missing("place for a VNC viewer", "--viewer"))?;
        Ok(DesktopSharingHandler::ExternalViewer {
            address,
            connect_timeout: VIEWER_TIMEOUT,
        })
    }
}

fn missing(what: &str, option: &str) -> Failure {
    Failure::new(Code::Usage, format!("no {what} was named: start with {option}"))
}
