//! Sound cards, on machines with and without one.
#![cfg(feature = "device")]

use offhook_audio_mixer::{
    AudioDevice, AudioMixer, AudioPort, DeviceChoice, DeviceError, DeviceOptions, Direction, LastingDevice,
    LastingEvent, MixerConfig, devices,
};
use std::thread;
use std::time::{Duration, Instant};

#[test]
fn a_device_that_is_not_there_is_refused_by_name() {
    let options = DeviceOptions {
        input: DeviceChoice::Named("no such microphone".into()),
        output: DeviceChoice::Off,
        ..DeviceOptions::default()
    };
    let name = "no such microphone".to_owned();
    let direction = Direction::Input;
    assert_eq!(
        AudioDevice::open(&options).err(),
        Some(DeviceError::NotFound { direction, name })
    );
}

#[test]
fn a_mixer_ticks_on_while_its_device_is_absent_and_is_told_why() {
    let name = "no such microphone".to_owned();
    let options = DeviceOptions {
        input: DeviceChoice::Named(name.clone()),
        output: DeviceChoice::Off,
        ..DeviceOptions::default()
    };
    let config = MixerConfig::default();
    let (port, mut handle) =
        LastingDevice::start(options, config.sample_rate, config.tick).expect("the mixer's own rate");
    let mut mixer: AudioMixer = AudioMixer::new(config).expect("the default");
    let slot = mixer.add_port(Box::new(port)).expect("the mixer's own rate");
    let hall = mixer.add_bridge().expect("one bridge");
    mixer.join(hall, slot).expect("both exist");
    let patience = Instant::now() + Duration::from_secs(30);
    let event = loop {
        mixer.tick(Instant::now());
        if let Some(event) = handle.poll_event() {
            break event;
        }
        assert!(Instant::now() < patience, "nothing was told");
        thread::sleep(Duration::from_millis(5));
    };
    let direction = Direction::Input;
    assert_eq!(
        event,
        LastingEvent::Lost(DeviceError::NotFound { direction, name })
    );
    assert_eq!(mixer.level(slot).expect("still there").peak(), 0);
}

#[test]
fn neither_direction_is_a_port_that_does_nothing() {
    let options = DeviceOptions {
        input: DeviceChoice::Off,
        output: DeviceChoice::Off,
        ..DeviceOptions::default()
    };
    let (port, mut handle) = AudioDevice::open(&options).expect("nothing to fail");
    assert!(!port.role().producer && !port.role().consumer);
    assert_eq!(handle.poll_event(), None);
}

#[test]
fn devices_are_listed_with_rates_only_for_the_directions_that_they_have() {
    for device in devices().unwrap_or_default() {
        assert!(device.input || device.input_rates.is_empty(), "{device:?}");
        assert!(device.output || device.output_rates.is_empty(), "{device:?}");
        let ascending = |rates: &[u32]| rates.is_sorted_by(|a, b| a < b);
        assert!(
            ascending(&device.input_rates) && ascending(&device.output_rates),
            "{device:?}"
        );
    }
}

/// Opens whatever the machine has: on one without a sound card that is an error with a name, never a panic.
#[test]
fn each_device_of_the_machine_opens_or_says_why_not() {
    let Ok(devices) = devices() else { return };
    for choice in devices
        .into_iter()
        .filter(|d| d.output)
        .map(|d| DeviceChoice::Named(d.name))
        .chain([DeviceChoice::Default])
    {
        let options = DeviceOptions {
            input: DeviceChoice::Off,
            output: choice.clone(),
            ..DeviceOptions::default()
        };
        match AudioDevice::open(&options) {
            // Nothing that was never open can be lost.
            Err(error) => assert!(
                !matches!(error, DeviceError::Lost { .. }),
                "{choice:?}: {error:?}"
            ),
            Ok((port, mut handle)) => {
                let config = MixerConfig::default();
                let mut mixer: AudioMixer = AudioMixer::new(config).expect("the default");
                let slot = mixer.add_port(Box::new(port)).expect("a usual rate");
                let hall = mixer.add_bridge().expect("one bridge");
                mixer.join(hall, slot).expect("both exist");
                for _ in 0..5 {
                    mixer.tick(Instant::now());
                    thread::sleep(Duration::from_millis(5));
                }
                while handle.poll_event().is_some() {}
            }
        }
    }
}
