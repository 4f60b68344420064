//! Streams that hear each other (`AudioBridge` of the documents, as a conference has one).

use super::command::{PortId, StreamId};
use super::port::MediaPort;
use super::voice::{Voice, taken};
use offhook_audio_mixer::{AudioMixer, AudioPort, BridgeId, MixerError, Slot};
use std::fmt;

/// Names a bridge between streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamBridgeId(pub u32);

/// What concerns one bridge between streams. All commands but [`Open`](Self::Open) are for one that is open.
pub enum BridgeCommand {
    /// Make it, empty, with the voice device in it.
    Open,
    /// Let a stream hear all others in it, and be heard by them. It may start later. While it is in a bridge it does not hear
    /// the voice device but through the bridge.
    AddStream(StreamId),
    /// Let it go: it is spoken and heard on the voice device again, if it was before.
    RemoveStream(StreamId),
    /// Let a port be heard by all, and hear all: a player, a recorder.
    AddPort {
        /// The port's name, unique in its bridge.
        port: PortId,
        /// The port itself. It comes back with [`MediaEvent::Released`](super::MediaEvent::Released).
        audio: Box<dyn AudioPort>,
    },
    /// Take such a port away.
    RemovePort(PortId),
    /// Whether the voice device takes part.
    SetDevice(bool),
    /// Let all go.
    Close,
}

impl fmt::Debug for BridgeCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("Open"),
            Self::AddStream(stream) => write!(f, "AddStream({stream:?})"),
            Self::RemoveStream(stream) => write!(f, "RemoveStream({stream:?})"),
            Self::AddPort { port, .. } => write!(f, "AddPort({port:?})"),
            Self::RemovePort(port) => write!(f, "RemovePort({port:?})"),
            Self::SetDevice(takes_part) => write!(f, "SetDevice({takes_part})"),
            Self::Close => f.write_str("Close"),
        }
    }
}

/// The bridges of an engine. Few at a time.
#[derive(Default)]
pub(super) struct Bridges {
    open: Vec<StreamBridge>,
}

struct StreamBridge {
    id: StreamBridgeId,
    /// Its place in the mixer, where running streams and ports are members.
    bridge: BridgeId,
    /// Those that have not started, too.
    streams: Vec<StreamId>,
    ports: Vec<(PortId, Slot)>,
}

type Mixer = AudioMixer<MediaPort>;

impl Bridges {
    /// Whether something is in a bridge that needs the clock without any stream.
    pub(super) fn is_busy(&self) -> bool {
        self.open.iter().any(|bridge| !bridge.ports.is_empty())
    }

    /// Whether a stream is in a bridge.
    pub(super) fn has(&self, stream: StreamId) -> bool {
        self.open.iter().any(|bridge| bridge.streams.contains(&stream))
    }

    pub(super) fn open(
        &mut self,
        mixer: &mut Mixer,
        voice: &mut Voice,
        id: StreamBridgeId,
    ) -> Result<(), MixerError> {
        if self.of(id).is_some() {
            return Ok(());
        }
        let bridge = mixer.add_bridge()?;
        voice.enter(mixer, bridge);
        self.open.push(StreamBridge {
            id,
            bridge,
            streams: Vec::new(),
            ports: Vec::new(),
        });
        Ok(())
    }

    /// Adds a stream, whose far end is here if it runs already. It leaves the bridge that it was in. False when the new one is
    /// not there.
    pub(super) fn add_stream(
        &mut self,
        mixer: &mut Mixer,
        id: StreamBridgeId,
        stream: StreamId,
        remote: Option<Slot>,
    ) -> bool {
        self.remove_stream(mixer, stream, remote);
        let Some(bridge) = self.of(id) else {
            return false;
        };
        bridge.streams.push(stream);
        if let Some(remote) = remote {
            let _ = mixer.join(bridge.bridge, remote); // both are there
        }
        true
    }

    /// Takes a stream out of the bridge that it is in, if any.
    pub(super) fn remove_stream(&mut self, mixer: &mut Mixer, stream: StreamId, remote: Option<Slot>) {
        let Some(bridge) = self.bridge_of(stream) else {
            return;
        };
        bridge.streams.retain(|&member| member != stream);
        if let Some(remote) = remote {
            let _ = mixer.leave(bridge.bridge, remote); // gone is as good
        }
    }

    /// A stream has started: if it is in a bridge, its far end joins.
    pub(super) fn started(&mut self, mixer: &mut Mixer, stream: StreamId, remote: Slot) {
        if let Some(bridge) = self.bridge_of(stream) {
            let _ = mixer.join(bridge.bridge, remote); // both are there
        }
    }

    pub(super) fn add_port(
        &mut self,
        mixer: &mut Mixer,
        id: StreamBridgeId,
        port: PortId,
        audio: Box<dyn AudioPort>,
    ) -> Result<Option<Box<dyn AudioPort>>, MixerError> {
        let Some(bridge) = self.of(id) else {
            return Ok(Some(audio));
        };
        let slot = mixer.add_port(MediaPort::Attached(audio))?;
        let _ = mixer.join(bridge.bridge, slot); // both are there
        bridge.ports.push((port, slot));
        Ok(None)
    }

    pub(super) fn remove_port(
        &mut self,
        mixer: &mut Mixer,
        id: StreamBridgeId,
        port: PortId,
    ) -> Option<Box<dyn AudioPort>> {
        let ports = &mut self.of(id)?.ports;
        let place = ports.iter().position(|(added, _)| *added == port)?;
        taken(mixer, ports.swap_remove(place).1)
    }

    /// A port has left by itself.
    pub(super) fn lose(&mut self, gone: Slot) {
        for bridge in &mut self.open {
            bridge.ports.retain(|(_, slot)| *slot != gone);
        }
    }

    pub(super) fn set_device(
        &mut self,
        mixer: &mut Mixer,
        voice: &mut Voice,
        id: StreamBridgeId,
        takes_part: bool,
    ) {
        let Some(bridge) = self.of(id) else { return };
        if takes_part {
            voice.enter(mixer, bridge.bridge);
        } else {
            voice.leave(mixer, bridge.bridge);
        }
    }

    /// Closes a bridge; gives the streams that were in it, and its ports.
    pub(super) fn close(
        &mut self,
        mixer: &mut Mixer,
        voice: &mut Voice,
        id: StreamBridgeId,
    ) -> (Vec<StreamId>, Vec<Box<dyn AudioPort>>) {
        let Some(place) = self.open.iter().position(|bridge| bridge.id == id) else {
            return Default::default();
        };
        let closed = self.open.swap_remove(place);
        voice.leave(mixer, closed.bridge);
        let _ = mixer.remove_bridge(closed.bridge); // it is there
        let ports = closed.ports.into_iter();
        let ports = ports.filter_map(|(_, slot)| taken(mixer, slot));
        (closed.streams, ports.collect())
    }

    fn of(&mut self, id: StreamBridgeId) -> Option<&mut StreamBridge> {
        self.open.iter_mut().find(|bridge| bridge.id == id)
    }

    fn bridge_of(&mut self, stream: StreamId) -> Option<&mut StreamBridge> {
        let mut open = self.open.iter_mut();
        open.find(|bridge| bridge.streams.contains(&stream))
    }
}
