//! The driver of sessions on Tokio: signalling in a task, media on a thread of its own, async handles for both.

mod bridge;
mod desktop_sharing;
mod device;
mod equipment;
mod event_queue;
mod external_tools;
mod file_transfer;
mod listeners;
mod locals;
mod media_ports;
mod media_thread;
mod msrp_streams;
mod plane;
mod recording;
mod registration;
mod relay;
mod session;
mod usages;
mod user_agent;
mod voice;

pub use bridge::StreamBridge;
pub use file_transfer::select_file;
pub use locals::LocalError;
pub use offhook_msrp::tokio::MsrpRelaySettings;
pub use recording::RecordingOptions;
pub use registration::Registration;
pub use relay::{MsrpRelay, RelayUsage};
pub use session::Session;
pub use usages::{Publication, Subscription};
pub use user_agent::{CommandError, StartError, UserAgent, UserAgentConfig, UserAgentEvent, UserAgentEvents};
pub use voice::VoiceDevice;
