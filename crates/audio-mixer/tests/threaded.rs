//! Ports that work on threads of their own: commanded, and broken.

mod patience;

use offhook_audio_mixer::{AudioMixer, AudioPort, MixerConfig, PortGone, Produced, Role, ThreadedPort, Tick};
use patience::wait_for;
use std::time::{Duration, Instant};

const RATE: u32 = 8_000;

/// Says a number, until it is to break.
struct Voice {
    says: i16,
    muted: bool,
    breaks: bool,
}

const VOICE: Voice = Voice {
    says: 1,
    muted: false,
    breaks: false,
};

impl AudioPort for Voice {
    fn sample_rate(&self) -> u32 {
        RATE
    }
    fn role(&self) -> Role {
        Role {
            producer: !self.muted,
            consumer: true,
        }
    }
    fn produce(&mut self, _: &Tick, frame: &mut [i16]) -> Produced {
        assert!(!self.breaks, "as the test wants it");
        frame.fill(self.says);
        Produced::Audio
    }
}

/// Ticks a port in real time.
struct Clock(u64);

impl Clock {
    fn next(&mut self, port: &mut ThreadedPort) -> (Produced, i16) {
        std::thread::sleep(Duration::from_millis(20));
        let tick = Tick {
            now: Instant::now(),
            index: self.0,
            duration: Duration::from_millis(20),
        };
        self.0 += 1;
        let mut frame = [0; RATE as usize / 50];
        (port.produce(&tick, &mut frame), frame[0])
    }
}

#[test]
fn a_port_is_commanded_while_its_thread_works() {
    let (mut port, handle) = ThreadedPort::start_commanded(VOICE).expect("a thread");
    assert_eq!(handle.call(|voice| std::mem::replace(&mut voice.says, 2)), Ok(1));
    let mut clock = Clock(0);
    wait_for("it says something else", || {
        (clock.next(&mut port) == (Produced::Audio, 2)).then_some(())
    });
    drop(port);
    assert_eq!(handle.call(|voice| voice.says), Err(PortGone));
}

#[test]
fn a_port_that_changes_its_role_on_its_thread_says_so() {
    let (port, handle) = ThreadedPort::start_commanded(VOICE).expect("a thread");
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let slot = mixer.add_port(Box::new(port)).expect("a usual rate");
    for muted in [true, false] {
        assert_eq!(handle.call(move |voice| voice.muted = muted), Ok(()));
        let change = mixer.port_did_change(slot).expect("it is there");
        assert!(change.producer_slot_changed());
        assert_eq!(change.new_producer_slot.is_none(), muted);
    }
}

#[test]
fn a_port_that_panicked_on_its_thread_says_so_and_is_missing() {
    let (mut port, handle) = ThreadedPort::start_commanded(VOICE).expect("a thread");
    let mut clock = Clock(0);
    wait_for("it speaks", || {
        (clock.next(&mut port).0 == Produced::Audio).then_some(())
    });
    assert!(!port.has_panicked());
    assert_eq!(handle.call(|voice| voice.breaks = true), Ok(()));
    wait_for("it breaks", || {
        clock.next(&mut port);
        port.has_panicked().then_some(())
    });
    wait_for("what it made before is over", || {
        (clock.next(&mut port).0 == Produced::Missing).then_some(())
    });
    assert_eq!(handle.call(|voice| voice.says), Err(PortGone));

    let (port, handle) = ThreadedPort::start_commanded(VOICE).expect("a thread");
    assert_eq!(
        handle.call(|_| panic!("as the test wants it")),
        Err::<(), _>(PortGone)
    );
    wait_for("a command breaks it too", || port.has_panicked().then_some(()));
}

/// The canceller of a device that is muted, and that learns how long its echo is, while both are in a mixer.
#[cfg(feature = "voice")]
#[test]
fn the_options_of_a_canceller_and_the_mutes_of_its_device_are_within_reach() {
    use offhook_audio_mixer::{
        DeviceChoice, DeviceOptions, LastingDevice, TickLength, VoiceOptions, VoiceProcessor,
    };
    let devices = |sample_rate| DeviceOptions {
        sample_rate,
        input: DeviceChoice::Off,
        output: DeviceChoice::Off,
    };
    let (device, devices_handle) =
        LastingDevice::start(devices(RATE), RATE, TickLength::Ms20).expect("a usual rate");
    let voice = VoiceProcessor::new(device, TickLength::Ms20, VoiceOptions::default()).expect("a usual rate");
    let (port, handle) = ThreadedPort::start_commanded(voice).expect("a thread");
    let mut mixer: AudioMixer = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let slot = mixer.add_port(Box::new(port)).expect("a usual rate");
    devices_handle.set_sound_devices(devices(RATE));
    let longer = VoiceOptions {
        tail_length: Duration::from_millis(120),
        ..VoiceOptions::default()
    };
    let set = handle.call(move |voice| {
        voice.set_options(longer);
        voice.port_mut().set_input_muted(true);
        voice.options().tail_length
    });
    assert_eq!(set, Ok(longer.tail_length));
    let change = mixer.port_did_change(slot).expect("it is there");
    assert_eq!(change.new_producer_slot, None);
}

/// The `set_sound_devices` of the SIP SIMPLE documents: which devices, and how long their room echoes.
#[cfg(feature = "voice")]
#[test]
fn devices_and_the_length_of_their_echo_are_set_in_one_call() {
    use offhook_audio_mixer::{
        DeviceChoice, DeviceMixer, DeviceMixerError, DeviceOptions, LastingEvent, VoiceOptions,
    };
    use std::sync::mpsc;

    let folder = std::env::temp_dir();
    let paths =
        ["first", "second"].map(|name| folder.join(format!("offhook-{name}-{}.wav", std::process::id())));
    let to = |path: &std::path::Path| DeviceOptions {
        sample_rate: RATE,
        input: DeviceChoice::Off,
        output: DeviceChoice::File(path.into()),
    };
    let config = MixerConfig::at_rate(RATE);
    let (told, events) = mpsc::channel();
    let tell = move |event| drop(told.send(event));
    let tail = |mixer: &DeviceMixer| {
        let voice = mixer.voice().expect("there is a canceller");
        voice.call(|voice| voice.options().tail_length).expect("it lives")
    };
    let next = || events.recv_timeout(Duration::from_secs(30));
    let mixer = DeviceMixer::start_with_voice(to(&paths[0]), config, VoiceOptions::default(), tell);
    let mixer = mixer.expect("a usual rate");
    assert_eq!(next(), Ok(LastingEvent::Found));
    assert_eq!(tail(&mixer), Duration::from_millis(50));
    mixer
        .set_sound_devices_and_tail(to(&paths[1]), Duration::from_millis(120))
        .expect("its threads live");
    assert_eq!(next(), Ok(LastingEvent::Found));
    assert_eq!(tail(&mixer), Duration::from_millis(120));
    mixer.set_sound_devices(to(&paths[0]));
    assert_eq!(next(), Ok(LastingEvent::Found));
    assert_eq!(tail(&mixer), Duration::from_millis(120), "it stays");
    drop(mixer);
    for path in paths {
        std::fs::remove_file(path).expect("each was opened");
    }

    let plain = DeviceMixer::start(DeviceOptions::default(), config, |_| ()).expect("a usual rate");
    let refused = plain.set_sound_devices_and_tail(DeviceOptions::default(), Duration::ZERO);
    assert!(matches!(refused, Err(DeviceMixerError::NoVoice)), "{refused:?}");
}
