//! A program of somebody else that sends and receives media in our sessions.

use super::SrtpArg;
use clap::{Args, ValueEnum};
use offhook::{ExternalMediaStream, MediaDirection, MediaKind, RtpFormat, SrtpPolicy, ToolCommand};
use std::net::SocketAddrV4;

/// Routers that a packet to a group may pass: it stays in this network.
const GROUP_TTL: u8 = 1;

#[derive(Debug, Args)]
pub(crate) struct ToolArgs {
    /// Let this program send and receive the media of `tool`, a stream that is called for, added and accepted by that name. It is
    /// started with what was agreed upon in place of `{remote_ip}`, `{remote_port}`, `{local_ip}`, `{local_port}`,
    /// `{payload_type}` and others in its command line, has the session description of what it receives at its standard input,
    /// and ends with the stream
    #[arg(long, value_name = "COMMAND", value_parser = |line: &str| line.parse::<ToolCommand>())]
    pub(crate) tool: Option<ToolCommand>,
    /// What it speaks, with the number of the format in RTP
    #[arg(long, value_name = "KIND/ENCODING/CLOCK/NUMBER", default_value = "video/VP8/90000/96", value_parser = format)]
    pub(crate) tool_format: ToolFormat,
    /// Whether it sends, receives, or both
    #[arg(long, value_enum, default_value_t = ToolDirection::Sendrecv)]
    pub(crate) tool_direction: ToolDirection,
    /// Whether the tool encrypts, with keys in the session description: `{srtp_suite}` and `{srtp_local_key}` in its command line,
    /// and those of the other side at its standard input. Everybody on this machine may see its command line
    #[arg(long, value_enum, default_value_t = SrtpArg::Off, requires = "tool")]
    pub(crate) tool_srtp: SrtpArg,
    /// Offer this multicast group, in which both sides send and receive
    #[arg(long, value_name = "ADDR:PORT", requires = "tool")]
    pub(crate) tool_group: Option<SocketAddrV4>,
}

/// What a tool speaks.
#[derive(Clone, Debug)]
pub(crate) struct ToolFormat {
    kind: MediaKind,
    format: RtpFormat,
}

/// What a tool does, seen from here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ToolDirection {
    Sendrecv,
    Sendonly,
    Recvonly,
}

/// A tool that was named, and how it is used.
#[derive(Clone)]
pub(crate) struct Tool {
    command: ToolCommand,
    format: ToolFormat,
    direction: MediaDirection,
    srtp: SrtpPolicy,
    group: Option<SocketAddrV4>,
}

impl ToolArgs {
    /// The tool; `None` where none was named.
    pub(crate) fn named(&self) -> Option<Tool> {
        Some(Tool {
            command: self.tool.clone()?,
            format: self.tool_format.clone(),
            direction: match self.tool_direction {
                ToolDirection::Sendrecv => MediaDirection::SendRecv,
                ToolDirection::Sendonly => MediaDirection::SendOnly,
                ToolDirection::Recvonly => MediaDirection::RecvOnly,
            },
            srtp: self.tool_srtp.into(),
            group: self.tool_group,
        })
    }
}

impl Tool {
    /// A stream of its media.
    pub(crate) fn stream(&self) -> ExternalMediaStream {
        let ToolFormat { kind, format } = self.format.clone();
        let stream = ExternalMediaStream::new(kind, [format], self.command.clone())
            .with_direction(self.direction)
            .with_srtp(self.srtp);
        match self.group {
            Some(group) => stream.with_group(group, GROUP_TTL),
            None => stream,
        }
    }
}

/// `video/VP8/90000/96`.
fn format(text: &str) -> Result<ToolFormat, String> {
    let wrong =
        || "expected a kind, an encoding, its clock and its number, such as video/VP8/90000/96".to_owned();
    let [kind, encoding, clock, number] = text.split('/').collect::<Vec<_>>()[..] else {
        return Err(wrong());
    };
    let kind = match kind {
        "audio" => MediaKind::Audio,
        "video" => MediaKind::Video,
        "application" => MediaKind::Application,
        _ => return Err("a tool speaks audio, video or application".to_owned()),
    };
    let clock = clock.parse().ok().filter(|clock| *clock > 0);
    let number = number.parse().ok().filter(|number| *number < 128);
    let (Some(clock), Some(number), false) = (clock, number, encoding.is_empty()) else {
        return Err(wrong());
    };
    let format = RtpFormat::new(number, encoding, clock, 1);
    Ok(ToolFormat { kind, format })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_has_four_parts() {
        let read = format("video/VP8/90000/96").unwrap();
        assert_eq!(read.format, RtpFormat::new(96, "VP8", 90_000, 1));
        assert_eq!(read.kind, MediaKind::Video);
        for wrong in [
            "",
            "video",
            "text/x/1/96",
            "video/VP8/0/96",
            "video/VP8/90000/128",
            "video//90000/96",
        ] {
            assert!(format(wrong).is_err(), "{wrong}");
        }
    }
}
