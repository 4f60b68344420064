//! Names that one mixer gave are nothing to another: it says so, and nothing happens.

use offhook_audio_mixer::{
    AudioMixer, BridgeError, BridgeId, Gain, MixerConfig, MixerError, NullDevice, Slot,
};

const RATE: u32 = 8_000;

/// A mixer with two ports and a bridge that the first of them is in.
fn mixer() -> (AudioMixer, [Slot; 2], BridgeId) {
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let ports = [(); 2].map(|()| {
        mixer
            .add_port(Box::new(NullDevice::new(RATE)))
            .expect("a usual rate")
    });
    let hall = mixer.add_bridge().expect("the first");
    assert_eq!(mixer.join(hall, ports[0]), Ok(true));
    (mixer, ports, hall)
}

#[test]
fn slots_of_another_mixer_are_refused_and_told_apart_from_old_ones() {
    let (_other, [theirs, _], _) = mixer();
    let (mut mixer, [ours, gone], hall) = mixer();
    assert_ne!(ours, theirs, "the same place in two mixers");
    let foreign = Err(MixerError::ForeignSlot(theirs));
    assert_eq!(mixer.connect(theirs, ours, Gain::UNITY), foreign);
    assert_eq!(mixer.connect(ours, theirs, Gain::UNITY), foreign);
    assert_eq!(mixer.announce(theirs, ours, Gain::UNITY), foreign);
    assert_eq!(mixer.disconnect(theirs, ours), foreign);
    assert_eq!(mixer.disconnect(ours, theirs), foreign);
    assert_eq!(mixer.overhear(theirs, ours), foreign);
    assert_eq!(mixer.overhear(ours, theirs), foreign);
    assert_eq!(mixer.set_clock(Some(theirs)), foreign);
    assert_eq!(mixer.set_input_gain(theirs, Gain::UNITY), foreign);
    assert_eq!(mixer.set_output_muted(theirs, true), foreign);
    assert_eq!(mixer.port_did_change(theirs).map(drop), foreign);
    assert_eq!(mixer.join(hall, theirs), Err(BridgeError::ForeignSlot(theirs)));
    assert_eq!(mixer.leave(hall, theirs), Err(BridgeError::ForeignSlot(theirs)));
    assert!(mixer.port(theirs).is_none() && mixer.port_mut(theirs).is_none());
    assert_eq!(mixer.connection(theirs, ours), None);
    assert_eq!((mixer.role(theirs), mixer.level(theirs)), (None, None));
    assert!(mixer.remove_port(theirs).is_none());
    assert_eq!(mixer.ports(), 2);
    assert_eq!(mixer.bridge(hall).map(|hall| hall.members().len()), Some(1));
    let told = MixerError::ForeignSlot(theirs).to_string();
    assert_eq!(told, "slot 0 is one of another mixer");

    assert!(mixer.remove_port(gone).is_some());
    let no_more = Err(MixerError::NoSlot(gone));
    assert_eq!(mixer.connect(ours, gone, Gain::UNITY), no_more);
}

#[test]
fn bridges_of_another_mixer_are_refused_and_told_apart_from_old_ones() {
    let (_other, _, theirs) = mixer();
    let (mut mixer, [_, ours], hall) = mixer();
    assert_ne!(hall, theirs, "the first bridges of two mixers");
    let foreign = BridgeError::ForeignBridge(theirs);
    assert_eq!(mixer.join(theirs, ours), Err(foreign));
    assert_eq!(mixer.leave(theirs, ours), Err(foreign));
    assert_eq!(mixer.nest(theirs, hall), Err(foreign));
    assert_eq!(mixer.nest(hall, theirs), Err(foreign));
    assert_eq!(mixer.unnest(theirs, hall), Err(foreign));
    assert_eq!(mixer.unnest(hall, theirs), Err(foreign));
    assert_eq!(mixer.remove_bridge(theirs), Err(foreign));
    assert!(mixer.bridge(theirs).is_none());
    assert_eq!(foreign.to_string(), "bridge 0 is one of another mixer");

    let gone = mixer.add_bridge().expect("below the limit");
    assert_eq!(mixer.remove_bridge(gone), Ok(()));
    let no_more = Err(BridgeError::NoBridge(gone));
    assert_eq!(mixer.nest(hall, gone), no_more);
    assert_eq!(mixer.unnest(hall, gone), no_more.map(drop));
}
