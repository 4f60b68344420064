//! What an application says of an audio stream before it is offered or accepted.

use super::{AudioStream, Device};
use crate::media::Attachment;
use offhook_audio_mixer::{AudioPort, DeviceOptions, WaveFile};
use offhook_rtp_media::SilenceDetection;
use offhook_rtp_media::codec::{AudioCodec, UnknownCodec};
use offhook_rtp_media::jitter::JitterConfig;
use offhook_rtp_media::srtp::SrtpPolicy;
use offhook_sdp::OpusParameters;
use std::time::Duration;

impl AudioStream {
    /// The same stream with other codecs, in order of preference. An empty list changes nothing.
    #[must_use]
    pub fn with_codecs(mut self, codecs: &[AudioCodec]) -> Self {
        if !codecs.is_empty() {
            self.codecs = Some(codecs.to_vec());
        }
        self
    }

    /// The same stream that answers with all codecs which it shares with the offer, instead of with the first of them: the
    /// other side may change between them without a word. Peers that want one codec at a time may offer anew.
    #[must_use]
    pub fn with_all_codecs_answered(mut self) -> Self {
        self.all_codecs = true;
        self
    }

    /// The same stream with other wishes of what the peer's Opus is to be (RFC 7587 §6.1): narrower, slower, with or without
    /// redundancy.
    #[must_use]
    pub fn with_opus(mut self, wishes: OpusParameters) -> Self {
        self.opus = Some(wishes);
        self
    }

    /// The same stream with codecs by name, as in settings.
    ///
    /// # Errors
    /// The first name that no built-in codec has.
    pub fn with_codec_names<S: AsRef<str>>(self, names: &[S]) -> Result<Self, UnknownCodec> {
        let codecs: Result<Vec<AudioCodec>, _> = names.iter().map(|name| name.as_ref().parse()).collect();
        Ok(self.with_codecs(&codecs?))
    }

    /// The same stream with a port that is connected as soon as the stream runs: a wave player that talks, a recorder
    /// that listens, a sound device that does both.
    #[must_use]
    pub fn with_port(mut self, attachment: Attachment, port: impl AudioPort + 'static) -> Self {
        let id = self.next_port();
        self.waiting.push((id, attachment, Box::new(port)));
        self
    }

    /// The same stream with another time without packets after which it says so.
    #[must_use]
    pub fn with_rtp_timeout(mut self, timeout: Duration) -> Self {
        self.rtp_timeout = Some(timeout);
        self
    }

    /// The same stream with another answer to whether it is encrypted (keys by RFC 4568).
    #[must_use]
    pub fn with_srtp(mut self, policy: SrtpPolicy) -> Self {
        self.srtp = Some(policy);
        self
    }

    /// The same stream with another answer to whether it is encrypted by DTLS-SRTP (RFC 5763).
    #[must_use]
    pub fn with_dtls_srtp(mut self, policy: SrtpPolicy) -> Self {
        self.dtls_srtp = Some(policy);
        self
    }

    /// The same stream that does not send silence, whatever the [`StreamSettings`](crate::StreamSettings) say.
    #[must_use]
    pub fn with_silence_detection(mut self, detection: SilenceDetection) -> Self {
        self.silence = Some(detection);
        self
    }

    /// The same stream with other bounds of the delay that smoothes arrivals: longer ones for a recorder that nobody waits
    /// for, or for a machine whose threads are late. Default: what a conversation needs.
    #[must_use]
    pub fn with_jitter(mut self, bounds: JitterConfig) -> Self {
        self.jitter = bounds;
        self
    }

    /// The same stream without a sound card: what comes is dropped, what goes is silence, unless a port is attached.
    #[must_use]
    pub fn without_device(mut self) -> Self {
        self.device = Device::No;
        self
    }

    /// The same stream that plays this, without end, to the other side while we hold it. Default: what the
    /// [`StreamSettings`](crate::StreamSettings) say.
    #[must_use]
    pub fn with_hold_music(mut self, music: WaveFile) -> Self {
        self.hold_music = Some(music);
        self
    }

    /// The same stream spoken and heard on devices of its own, whatever else is attached: another card, or files.
    #[must_use]
    pub fn with_device(mut self, options: DeviceOptions) -> Self {
        self.device = Device::These(options);
        self
    }

    /// The same stream spoken and heard on the device that all streams share ([`VoiceCommand`](crate::media::VoiceCommand)), whatever else is attached.
    #[must_use]
    pub fn with_voice_device(mut self) -> Self {
        self.device = Device::Shared;
        self
    }

    /// Whether the stream is to be spoken and heard on the shared device: when it was told so, or when nothing else is
    /// attached and nobody said no.
    pub fn wants_voice_device(&self) -> bool {
        match &self.device {
            Device::No | Device::These(_) => false,
            Device::Shared => true,
            Device::IfNothingElse => self.waiting.is_empty(),
        }
    }

    /// The devices of its own on which the stream is to be spoken and heard, if any were chosen.
    pub fn own_device(&self) -> Option<&DeviceOptions> {
        match &self.device {
            Device::These(options) => Some(options),
            _ => None,
        }
    }
}
