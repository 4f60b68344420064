//! A port that stays in its mixer while somebody wants it.

use crate::pace::ClockReading;
use crate::port::{AudioPort, Produced, Role, Tick};
use std::fmt;
use std::sync::{Arc, Weak};

/// A port with a [`Lease`]: when that is dropped, the port falls silent within one tick, without a click, and leaves its mixer by itself
/// ([`AudioPort::is_over`]). Whoever put it in need not know the mixer any more.
///
/// ```
/// use offhook_audio_mixer::{AudioMixer, Leased, MixerConfig, SamplesPlayer};
/// use std::time::Instant;
///
/// let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(16_000))?;
/// let (port, lease) = Leased::new(SamplesPlayer::new(16_000, vec![1000; 16_000]));
/// let voice = mixer.add_port(Box::new(port))?;
/// mixer.tick(Instant::now());
/// assert_eq!(mixer.ports(), 1);
///
/// drop(lease);
/// mixer.tick(Instant::now()); // It fades out,
/// mixer.tick(Instant::now()); // and is gone.
/// assert!(mixer.port(voice).is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Leased<P> {
    port: P,
    lease: Weak<()>,
}

/// Keeps a [`Leased`] port in its mixer, until this and all its clones are dropped.
#[derive(Clone)]
pub struct Lease(#[expect(dead_code, reason = "it is counted")] Arc<()>);

impl<P: AudioPort> Leased<P> {
    /// A port, and what keeps it in a mixer.
    pub fn new(port: P) -> (Self, Lease) {
        let lease = Arc::new(());
        let leased = Self {
            port,
            lease: Arc::downgrade(&lease),
        };
        (leased, Lease(lease))
    }

    /// The port.
    pub fn port(&self) -> &P {
        &self.port
    }

    /// The port, to command it.
    pub fn port_mut(&mut self) -> &mut P {
        &mut self.port
    }

    /// The port itself, to use it elsewhere.
    pub fn into_port(self) -> P {
        self.port
    }

    fn has_run_out(&self) -> bool {
        self.lease.strong_count() == 0
    }
}

impl<P: AudioPort> AudioPort for Leased<P> {
    fn sample_rate(&self) -> u32 {
        self.port.sample_rate()
    }

    fn role(&self) -> Role {
        self.port.role()
    }

    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        if self.has_run_out() {
            return Produced::Missing;
        }
        self.port.produce(tick, frame)
    }

    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        self.port.consume(tick, frame);
    }

    fn is_over(&self) -> bool {
        self.has_run_out() || self.port.is_over()
    }

    fn clock(&self) -> Option<ClockReading> {
        self.port.clock()
    }
}

impl<P: fmt::Debug> fmt::Debug for Leased<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leased")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").finish_non_exhaustive()
    }
}
