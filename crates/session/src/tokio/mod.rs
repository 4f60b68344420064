//! The driver of sessions on Tokio: signalling in a task, media on a thread of its own, async handles for both.

mod device;
mod event_queue;
mod media_ports;
mod media_thread;
mod registration;
mod session;
mod user_agent;

pub use registration::Registration;
pub use session::Session;
pub use user_agent::{CommandError, StartError, UserAgent, UserAgentConfig, UserAgentEvent, UserAgentEvents};
