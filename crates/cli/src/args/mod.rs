//! The command line.

mod common;
mod record;
mod streams;
mod tool;

pub(crate) use common::{CommonArgs, RelayArgs, TlsArgs, TransportArg};
pub(crate) use record::RecordArgs;
pub(crate) use streams::StreamArgs;
pub(crate) use tool::ToolArgs;

use clap::{Args, Parser, Subcommand, ValueEnum};
use offhook::{DeviceChoice, DeviceOptions, DtmfMethod, SrtpPolicy};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

const EXIT_CODES: &str = "\
Exit codes:
   0  the call was established and has ended; registered and unregistered; the message arrived, OPTIONS was
      answered; the subscription or publication stood and has ended
   1  internal error
   2  wrong command line
  10  wrong URI or account
  11  unknown codec
  12  a file to send cannot be read; nor one to play, or it is no wave file
  13  the recording cannot be written, or --dir is no folder
  14  cannot listen: the port is busy, the address is not ours, or a certificate cannot be used
  15  nobody can be reached: the name does not resolve, or no answer from the host
  16  a sound device cannot be opened, or this build knows no sound cards
  20  declined by the other side
  21  busy (486, 600)
  22  not answered in time, or given up while ringing
  23  credentials missing or refused (401, 403, 407)
  24  a message or a file was not delivered
  25  a desktop was not seen: the VNC server or viewer is not there, or has left
  26  the MSRP relay gives no place
  30  registration failed
  31  subscription failed
  32  publication failed

Several at once on `answer`: the code of the first call that was not as asked for.";

/// What may be ordered of one session.
macro_rules! long_orders {
    () => {
        "  accept [audio] [chat] [files] [share] [view] [tool]
                            take what is proposed: all that can be, or these; files go to --dir, our desktop is shared only
                            where it is named
  reject [CODE]             refuse it, with 603 unless told otherwise
  add audio|chat|share|view|tool
                            propose to add streams: a desktop by --vnc or --viewer, the media of --tool
  remove audio|chat|files|share|view|tool
                            remove one
  remove files NAME         remove one file, by its name or its number, from 1, in the order in which they came
  cancel                    take back what we propose to add
  send FILE                 send a file
  say TEXT                  write a message in its chat
  join, leave               take part in the conference of all who have joined, or no longer
  hold, resume, dtmf DIGITS, codecs LIST, hangup
  record [FILE.wav], stop-recording
  transfer URI              let the other side call somebody else"
    };
}

const LONG_CALL: &str = concat!(
    "Call somebody: `offhook call sip:alice@example.org --play hello.wav`\n\n",
    "While the call runs, lines of standard input are orders:\n\n",
    long_orders!(),
);

const LONG_ANSWER: &str = concat!(
    "Wait for calls and answer them: `offhook answer --auto-answer --record heard.wav --calls 1`\n\n",
    "Without --auto-answer an empty line of standard input, y, a or `accept` answers, with sound alone unless streams are named; \
     `reject CODE` refuses, and any other line declines. With it, streams that are proposed later are taken as well, where that is \
     possible. While a call runs, lines of standard input are orders:\n\n",
    long_orders!(),
);

const LONG_SESSION: &str = concat!(
    "\
Hold any number of sessions with calls, chats, files and desktops: `offhook session --dir inbox`

Sessions have numbers, from 1. Lines of standard input are orders:

  call URI [audio] [chat] [tool] [share] [view]
                            call somebody, with audio unless told otherwise
  list                      say which sessions there are
  use N                     what follows is for session N; the newest one is in use
  out, in                   leave the conference to the others, and come back
  quit                      end everything

and for the session in use, or for the one whose number comes first (`2 hold`):

  transfer to N             connect it with the other side of session N, and leave both
",
    long_orders!(),
    "\n\nExit code 0 when it was told to leave: what becomes of each session is told by its events.",
);

/// Real-time communication from a terminal or a script: SIP calls with wideband audio.
#[derive(Debug, Parser)]
#[command(name = "offhook", version, after_help = EXIT_CODES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Call somebody: `offhook call sip:alice@example.org --play hello.wav`
    #[command(after_help = EXIT_CODES, long_about = LONG_CALL)]
    Call(CallArgs),
    /// Wait for calls and answer them: `offhook answer --auto-answer --record heard.wav --calls 1`
    #[command(after_help = EXIT_CODES, long_about = LONG_ANSWER)]
    Answer(AnswerArgs),
    /// Hold any number of sessions with calls, chats and files, and join calls to a conference: `offhook session --dir inbox`
    #[command(after_help = EXIT_CODES, long_about = LONG_SESSION)]
    Session(SessionArgs),
    /// Chat: lines typed here are messages there. Without a URI, wait for chats: `echo hello | offhook chat sip:bob@host`
    #[command(after_help = EXIT_CODES)]
    Chat(ChatArgs),
    /// Send files, 64 at most: `offhook send-file sip:bob@host report.pdf photo.jpg`
    #[command(after_help = EXIT_CODES)]
    SendFile(SendFileArgs),
    /// Receive the files that others send, one sender at a time: `offhook receive-files --dir inbox`. Who comes meanwhile hears that
    /// we are busy
    #[command(after_help = EXIT_CODES)]
    ReceiveFiles(ReceiveFilesArgs),
    /// Let others see a desktop: `offhook share-desktop sip:bob@host --vnc localhost:5900`. Without a URI, wait for those who want to
    #[command(after_help = EXIT_CODES)]
    ShareDesktop(ShareDesktopArgs),
    /// See a desktop of others: `offhook view-desktop sip:bob@host --viewer 127.0.0.1:5901`. Without a URI, wait for those who share
    #[command(after_help = EXIT_CODES)]
    ViewDesktop(ViewDesktopArgs),
    /// List the sound devices with their sample rates
    #[command(after_help = EXIT_CODES)]
    Devices(DevicesArgs),
    /// Register an account with its provider and stay until interrupted
    #[command(after_help = EXIT_CODES)]
    Register(RegisterArgs),
    /// Send a message: `offhook message sip:alice@example.org "On my way"`
    #[command(after_help = EXIT_CODES)]
    Message(MessageArgs),
    /// Ask what somebody can do
    #[command(after_help = EXIT_CODES)]
    Options(OptionsArgs),
    /// Subscribe to somebody's state and print what is told until interrupted
    #[command(after_help = EXIT_CODES)]
    Subscribe(SubscribeArgs),
    /// Publish state of an account and keep it published until interrupted
    #[command(after_help = EXIT_CODES)]
    Publish(PublishArgs),
}

#[derive(Debug, Args)]
pub(crate) struct MessageArgs {
    /// To whom: `sip:user@host`; `sip:` may be left out
    pub(crate) uri: String,
    /// What
    pub(crate) text: String,
    /// The kind of text
    #[arg(long, value_name = "TYPE", default_value = "text/plain;charset=utf-8")]
    pub(crate) content_type: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct OptionsArgs {
    /// Whom to ask: `sip:user@host`; `sip:` may be left out
    pub(crate) uri: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SubscribeArgs {
    /// Whose state: `sip:user@host`; `sip:` may be left out
    pub(crate) uri: String,
    /// The event package: conference, message-summary, presence, presence.winfo, refer or xcap-diff
    #[arg(long, value_name = "NAME", default_value = "presence")]
    pub(crate) event: String,
    /// For how long a subscription is asked for, in seconds; it is refreshed before. 0 asks for the state once
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    pub(crate) expires: u32,
    /// Unsubscribe and leave after this long [default: stay until interrupted]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<f64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PublishArgs {
    /// The document to publish
    pub(crate) file: PathBuf,
    /// The kind of document
    #[arg(long, value_name = "TYPE", default_value = "application/pidf+xml")]
    pub(crate) content_type: String,
    /// The event package
    #[arg(long, value_name = "NAME", default_value = "presence")]
    pub(crate) event: String,
    /// For how long it shall stand, in seconds; it is refreshed before
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expires: u32,
    /// Take it back and leave after this long [default: stay until interrupted]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<f64>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
}

/// What all who hold calls may say of them.
#[derive(Debug, Args)]
pub(crate) struct CallingArgs {
    #[command(flatten)]
    pub(crate) relay: RelayArgs,
    #[command(flatten)]
    pub(crate) media: MediaArgs,
    #[command(flatten)]
    pub(crate) streams: StreamArgs,
}

/// What all who hold sessions without sound may say of them.
#[derive(Debug, Args)]
pub(crate) struct MessagingArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) relay: RelayArgs,
    /// End each session this long after it is established
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<f64>,
}

impl MessagingArgs {
    /// How long a session may last.
    pub(crate) fn limit(&self) -> Option<Duration> {
        self.duration.map(Duration::from_secs_f64)
    }
}

#[derive(Debug, Args)]
pub(crate) struct CallArgs {
    /// Whom to call: `sip:user@host`, with a port where it is not 5060; `sip:` may be left out
    pub(crate) uri: String,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) calling: CallingArgs,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct AnswerArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) calling: CallingArgs,
    /// Answer without asking, after ringing for this long [default when given without a value: 0]
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "0", value_parser = seconds)]
    pub(crate) auto_answer: Option<f64>,
    /// Reject every call with this SIP status code, such as 486 (busy) or 603 (decline)
    #[arg(long, value_name = "CODE", conflicts_with = "auto_answer", value_parser = clap::value_parser!(u16).range(400..=699))]
    pub(crate) reject: Option<u16>,
    /// Ring on this device while a call waits: a name of `offhook devices`, `default`, or the path of a wave file to write, which
    /// holds the last ringing, or a pipe, with a slash in it [default: no ringing]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub(crate) alert_device: Option<DeviceChoice>,
    /// Leave after this many calls [default: stay until interrupted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) calls: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct SessionArgs {
    /// Whom to call at once: `sip:user@host` [default: nobody]
    pub(crate) uri: Option<String>,
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    #[command(flatten)]
    pub(crate) calling: CallingArgs,
    /// Accept all that is proposed without asking
    #[arg(long)]
    pub(crate) auto_answer: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Whom to chat with: `sip:user@host` [default: wait for chats at port 5060]
    pub(crate) uri: Option<String>,
    #[command(flatten)]
    pub(crate) messaging: MessagingArgs,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
    /// Without a URI: leave after this many chats [default: stay until interrupted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "uri")]
    pub(crate) chats: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct SendFileArgs {
    /// Whom to send to: `sip:user@host`
    pub(crate) uri: String,
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) messaging: MessagingArgs,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ReceiveFilesArgs {
    /// The folder for what comes. Names are made safe, and what lies there is never replaced
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    #[command(flatten)]
    pub(crate) messaging: MessagingArgs,
    /// Leave after this many senders [default: stay until interrupted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) sessions: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct ShareDesktopArgs {
    #[command(flatten)]
    pub(crate) desktop: DesktopArgs,
    /// The VNC server that shows the desktop
    #[arg(long, value_name = "HOST:PORT", value_parser = host_and_port)]
    pub(crate) vnc: String,
    /// How long it may take to be connected, once the other side has accepted
    #[arg(long, value_name = "SECONDS", default_value_t = 3.0, value_parser = seconds)]
    pub(crate) vnc_timeout: f64,
    /// Without a URI: let whoever calls see the desktop, without asking
    #[arg(long, conflicts_with = "uri")]
    pub(crate) auto_answer: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ViewDesktopArgs {
    #[command(flatten)]
    pub(crate) desktop: DesktopArgs,
    /// Where a VNC viewer may connect, once; port 0 for a free one, which is told. Whoever reaches it sees the desktop
    #[arg(long, value_name = "ADDR:PORT", default_value = "127.0.0.1:0")]
    pub(crate) viewer: SocketAddr,
    /// How long the viewer may take to connect, once the other side has accepted
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = seconds)]
    pub(crate) viewer_timeout: f64,
}

#[derive(Debug, Args)]
pub(crate) struct DesktopArgs {
    /// Whom to call: `sip:user@host` [default: wait for calls at port 5060]
    pub(crate) uri: Option<String>,
    #[command(flatten)]
    pub(crate) messaging: MessagingArgs,
    #[command(flatten)]
    pub(crate) ring: RingArgs,
    /// Without a URI: leave after this many sessions [default: stay until interrupted]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..), conflicts_with = "uri")]
    pub(crate) sessions: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct RegisterArgs {
    #[command(flatten)]
    pub(crate) common: CommonArgs,
    /// For how long a registration is asked for, in seconds; it is refreshed before
    #[arg(long, value_name = "SECONDS", default_value_t = 600, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) expires: u32,
    /// Unregister and leave after this long [default: stay until interrupted]
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<f64>,
}

#[derive(Debug, Args)]
pub(crate) struct MediaArgs {
    /// Codecs in order of preference, such as opus,G722,PCMU,PCMA,iLBC,GSM [default: all of these]; linear audio is L16/16000, L16/44100/2
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub(crate) codec: Vec<String>,
    /// Play this wave file to the other side, once; the call goes on in silence
    #[arg(long, value_name = "FILE.wav")]
    pub(crate) play: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) recording: RecordArgs,
    /// Play this wave file, without end, to the other side while we hold it [default: silence]
    #[arg(long, value_name = "FILE.wav")]
    pub(crate) hold_music: Option<PathBuf>,
    /// Hang up this long after the call is established
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(crate) duration: Option<f64>,
    /// Encrypt the audio (SRTP with keys in the session description): `optional` where the other side can, `required` or no
    /// call. Whoever reads the SIP messages can read the keys
    #[arg(long, value_enum, default_value_t = SrtpArg::Off)]
    pub(crate) srtp: SrtpArg,
    /// Encrypt the audio with keys that only the two ends know (DTLS-SRTP). `required` here and not in --srtp keeps keys out of
    /// the SIP messages
    #[arg(long, value_enum, default_value_t = SrtpArg::Off)]
    pub(crate) dtls_srtp: SrtpArg,
    /// How digits are sent: with the sound, or with the signalling (INFO), as some gateways want it
    #[arg(long, value_enum, default_value_t = DtmfArg::Rtp)]
    pub(crate) dtmf: DtmfArg,
    /// Call whom the other side sends us to (REFER). That can cost money: allow it only where you trust the other side
    #[arg(long)]
    pub(crate) follow_transfers: bool,
    /// Open no sound card (none is opened with --play or --record either, unless one is chosen)
    #[arg(long, conflicts_with_all = ["input_device", "output_device"])]
    pub(crate) no_device: bool,
    /// Speak through this: a name of `offhook devices`, `default`, `null`, or the path of a wave file or pipe (raw 16-bit
    /// samples at 48 kHz) with a slash in it, such as ./hello.wav [default: default, or null beside --output-device]
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub(crate) input_device: Option<DeviceChoice>,
    /// Hear through this, likewise; a wave file is written as --record writes it, further calls to FILE-2.wav, FILE-3.wav, ...
    #[arg(long, value_name = "DEVICE", value_parser = device)]
    pub(crate) output_device: Option<DeviceChoice>,
}

impl MediaArgs {
    /// Whether the call may be spoken and heard on the system's sound card.
    pub(crate) fn wants_device(&self) -> bool {
        !self.no_device && self.play.is_none() && self.recording.record.is_none()
    }

    /// The devices that were chosen, if any.
    pub(crate) fn chosen_devices(&self) -> Option<DeviceOptions> {
        if self.input_device.is_none() && self.output_device.is_none() {
            return None;
        }
        let choice = |chosen: &Option<DeviceChoice>| chosen.clone().unwrap_or(DeviceChoice::Off);
        Some(DeviceOptions {
            input: choice(&self.input_device),
            output: choice(&self.output_device),
            ..DeviceOptions::default()
        })
    }
}

#[derive(Debug, Args)]
pub(crate) struct DevicesArgs {
    /// Print one device a line as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RingArgs {
    /// Give up when nobody answers for this long
    #[arg(long, value_name = "SECONDS", default_value_t = 90.0, value_parser = seconds)]
    ring_timeout: f64,
}

impl RingArgs {
    pub(crate) fn timeout(&self) -> Duration {
        Duration::from_secs_f64(self.ring_timeout)
    }
}

/// Names of devices have no slash; what is written with one is a file.
fn device(text: &str) -> Result<DeviceChoice, String> {
    Ok(match text {
        "" => return Err("expected a device: see `offhook devices`".to_owned()),
        "null" => DeviceChoice::Off,
        "default" => DeviceChoice::Default,
        path if path.contains('/') => DeviceChoice::File(path.into()),
        name => DeviceChoice::Named(name.to_owned()),
    })
}

/// Whether audio is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum SrtpArg {
    Off,
    Optional,
    Required,
}

impl From<SrtpArg> for SrtpPolicy {
    fn from(arg: SrtpArg) -> Self {
        match arg {
            SrtpArg::Off => Self::Off,
            SrtpArg::Optional => Self::Optional,
            SrtpArg::Required => Self::Required,
        }
    }
}

/// How digits are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DtmfArg {
    Rtp,
    Info,
}

impl From<DtmfArg> for DtmfMethod {
    fn from(arg: DtmfArg) -> Self {
        match arg {
            DtmfArg::Rtp => Self::Rtp,
            DtmfArg::Info => Self::Info,
        }
    }
}

fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && (0.0..=31_536_000.0).contains(&value) => Ok(value),
        _ => Err("expected a number of seconds, such as 5 or 0.5".to_owned()),
    }
}

/// The host is looked up when it is needed, and may be a name.
fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0) => {
            Ok(text.to_owned())
        }
        _ => Err("expected a host and a port, such as localhost:5900".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn auto_answer_works_with_and_without_a_value() {
        let parse = |args: &[&str]| {
            let Command::Answer(args) = Cli::parse_from(args).command else {
                panic!("not an answer")
            };
            args.auto_answer
        };
        assert_eq!(parse(&["offhook", "answer"]), None);
        assert_eq!(parse(&["offhook", "answer", "--auto-answer"]), Some(0.0));
        assert_eq!(parse(&["offhook", "answer", "--auto-answer", "2.5"]), Some(2.5));
        assert_eq!(
            parse(&["offhook", "answer", "--auto-answer", "--calls", "1"]),
            Some(0.0)
        );
    }

    #[test]
    fn a_device_is_nothing_a_file_or_a_name() {
        for (text, choice) in [
            ("null", DeviceChoice::Off),
            ("default", DeviceChoice::Default),
            ("./a.wav", DeviceChoice::File("./a.wav".into())),
            ("hw:CARD=0", DeviceChoice::Named("hw:CARD=0".into())),
        ] {
            assert_eq!(device(text), Ok(choice));
        }
        assert!(device("").is_err());
    }

    #[test]
    fn a_vnc_server_has_a_host_and_a_port() {
        for text in ["localhost:5900", "192.0.2.1:5901", "[::1]:5900"] {
            assert_eq!(host_and_port(text).as_deref(), Ok(text));
        }
        for text in [
            "localhost",
            ":5900",
            "localhost:0",
            "localhost:65536",
            "localhost:vnc",
            "",
        ] {
            assert!(host_and_port(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_that_are_no_durations_are_refused() {
        for text in ["-1", "nan", "inf", "soon", "1e300"] {
            assert!(seconds(text).is_err(), "{text}");
        }
    }
}
