//! Conferences at an end-point: calls that hear each other.
//!
//! An [`AudioConference`] joins the audio streams of any sessions of one user agent in a full mesh, with the voice device as one
//! more party. The mixing is done where all media of the user agent is: in the engine of `offhook-session`.
//!
//! ```no_run
//! use offhook_conference::AudioConference;
//! use offhook_session::tokio::{Session, UserAgent};
//!
//! async fn join(agent: &UserAgent, calls: &[Session]) -> Result<AudioConference, Box<dyn std::error::Error>> {
//!     let conference = AudioConference::new(agent).await?;
//!     for call in calls {
//!         conference.add(call.audio_stream().await?).await?;
//!     }
//!     Ok(conference)
//! }
//! ```
//!
//! # Standards
//!
//! | RFC | what | state |
//! |---|---|---|
//! | 4353, 4579 | conferences with a focus that others call | no: the parties of an [`AudioConference`] know nothing of each other |
//! | 4575 | who is in a conference, told to its parties | no |

mod audio;

pub use audio::{AudioConference, ConferenceError};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
