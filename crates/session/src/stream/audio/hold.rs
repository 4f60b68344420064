//! What who is held hears.

use super::AudioStream;
use crate::media::{Attachment, MediaCommand, StreamId};
use crate::stream::StreamContext;
use offhook_audio_mixer::{PlayerOptions, WavePlayer};

impl AudioStream {
    /// Lets the media side do what we wish: nobody hears the other side while we hold it, and it hears music or nothing.
    pub(super) fn hold_media(&mut self, cx: &mut StreamContext<'_>, stream: StreamId) {
        let on_hold = self.on_hold_by_local;
        cx.plane.send(MediaCommand::SetHeld { stream, on_hold });
        match (on_hold, self.music) {
            (true, None) => self.play_music(cx, stream),
            (false, Some(port)) => {
                cx.plane.send(MediaCommand::Detach { stream, port });
                self.music = None;
            }
            // It is as it is wished already.
            (true, Some(_)) | (false, None) => {}
        }
    }

    fn play_music(&mut self, cx: &mut StreamContext<'_>, stream: StreamId) {
        let Some(music) = self.hold_music.clone() else {
            return;
        };
        let endless = PlayerOptions {
            loop_count: 0,
            ..PlayerOptions::default()
        };
        let mut player = WavePlayer::new(music, endless);
        player.start();
        let port = self.next_port();
        cx.plane.send(MediaCommand::Attach {
            stream,
            port,
            attachment: Attachment::Announces,
            audio: Box::new(player),
        });
        self.music = Some(port);
    }
}
