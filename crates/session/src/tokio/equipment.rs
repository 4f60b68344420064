//! What streams are given before they are offered or accepted.

use super::CommandError;
use super::device::equip_all;
use super::file_transfer::find_parts;
use super::relay::Relayer;
use super::voice::VoiceDevice;
use crate::stream::MediaStream;
use offhook_sdp::SessionDescription;

/// Sound devices for those that are spoken and heard, places at our relay for those over MSRP, what is here already for files.
#[derive(Clone)]
pub(super) struct Equipment {
    pub(super) voice: VoiceDevice,
    pub(super) relayer: Relayer,
    /// Samples a second of the mixer, for what is recorded.
    pub(super) mixer_rate: u32,
}

impl Equipment {
    /// Equips streams that are to be offered; or that are to answer what the other side proposes, by its description.
    ///
    /// # Errors
    /// When a sound device or a place at the relay cannot be had.
    pub(super) async fn equip(
        &self,
        streams: Vec<Box<dyn MediaStream>>,
        proposed: Option<&SessionDescription>,
    ) -> Result<Vec<Box<dyn MediaStream>>, CommandError> {
        let mut streams = equip_all(streams, &self.voice).await?;
        find_parts(&mut streams, proposed).await;
        self.relayer.set_reach(&mut streams, proposed).await?;
        Ok(streams)
    }
}
