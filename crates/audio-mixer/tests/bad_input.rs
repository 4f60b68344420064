//! All that can go wrong with files and devices, in one mixer: each is told with its cause, and the clock goes on.

mod folder;
mod patience;

use folder::Folder;
use offhook_audio_mixer::{
    AudioMixer, AudioPort, DeviceError, DeviceEvent, DeviceOptions, DeviceSource, LastingDevice,
    LastingEvent, MixerConfig, MixerError, MixerThread, OpenDevice, PlayerEvent, PlayerOptions, Produced,
    RecordError, RecorderEvent, Role, Slot, Tick, TickLength, WaveError, WaveFile, WavePlayer, WaveRecorder,
};
use patience::{Metronome, wait_for};
use std::fs;
use std::path::Path;

const RATE: u32 = 8_000;

/// Kept with its type, so that the player can be asked.
enum Port {
    Player(WavePlayer),
    Other(Box<dyn AudioPort>),
}

impl AudioPort for Port {
    fn sample_rate(&self) -> u32 {
        match self {
            Self::Player(port) => port.sample_rate(),
            Self::Other(port) => port.sample_rate(),
        }
    }
    fn role(&self) -> Role {
        match self {
            Self::Player(port) => port.role(),
            Self::Other(port) => port.role(),
        }
    }
    fn produce(&mut self, tick: &Tick, frame: &mut [i16]) -> Produced {
        match self {
            Self::Player(port) => port.produce(tick, frame),
            Self::Other(port) => port.produce(tick, frame),
        }
    }
    fn consume(&mut self, tick: &Tick, frame: &[i16]) {
        if let Self::Other(port) = self {
            port.consume(tick, frame);
        }
    }
}

/// The header of a wave file of 16-bit samples, and one sample.
fn wave(channels: u16, rate: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\x26\0\0\0WAVEfmt \x10\0\0\0\x01\0".to_vec();
    bytes.extend(channels.to_le_bytes());
    bytes.extend(rate.to_le_bytes());
    bytes.extend(rate.wrapping_mul(2).to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data\x02\0\0\0\x07\0");
    bytes
}

type Thread = MixerThread<Port>;

/// Lets a player start, and gives what became of it.
fn play(mixer: &Thread, path: &Path) -> PlayerEvent {
    let mut player = WavePlayer::from_path(path, RATE, PlayerOptions::default());
    assert_eq!(player.path(), Some(path));
    player.start();
    let slot = mixer.call(|mixer| mixer.add_port(Port::Player(player)));
    let slot: Slot = slot.expect("it runs").expect("room");
    wait_for("nothing is told of the file", || {
        let poll = move |mixer: &mut AudioMixer<Port>| match mixer.port_mut(slot) {
            Some(Port::Player(player)) => player.poll_event(),
            _ => None,
        };
        mixer.call(poll).expect("it runs")
    })
}

/// A card that opens and never calls.
struct Dead;

impl DeviceSource for Dead {
    type Open = Self;
    fn open(&mut self) -> Result<(Box<dyn AudioPort>, Self), DeviceError> {
        Ok((Box::new(offhook_audio_mixer::NullDevice::new(RATE)), Self))
    }
}

impl OpenDevice for Dead {
    fn poll_event(&mut self) -> Option<DeviceEvent> {
        None
    }
    fn progress(&self) -> u64 {
        0
    }
}

#[test]
fn whatever_breaks_is_told_with_its_cause_and_the_clock_goes_on() {
    let folder = Folder::new("bad-input");
    let file = |name: &str, bytes: &[u8]| {
        let path = folder.file(name);
        fs::write(&path, bytes).expect("writable");
        path
    };
    let mixer: AudioMixer<Port> = AudioMixer::new(MixerConfig::at_rate(RATE)).expect("a usual rate");
    let mixer = MixerThread::start(mixer).expect("a thread");
    let add = |port: Box<dyn AudioPort>| {
        let slot = mixer.call(|mixer| mixer.add_port(Port::Other(port)));
        slot.expect("it runs").expect("room")
    };
    let metronome = Metronome::default();
    add(Box::new(metronome.clone()));

    // Files to play.
    let whole = file("whole.wav", &wave(1, RATE));
    assert!(matches!(play(&mixer, &whole), PlayerEvent::DidStart { .. }));
    for (name, bytes) in [
        ("no-channels.wav", wave(0, RATE)),
        ("rate-0.wav", wave(1, 0)),
        ("rate-4-thousand-million.wav", wave(1, u32::MAX)),
        ("cut-in-the-header.wav", wave(1, RATE)[..30].to_vec()),
        ("no-wave.wav", b"OggS and what not".to_vec()),
        ("empty.wav", Vec::new()),
    ] {
        let path = file(name, &bytes);
        let PlayerEvent::DidFail { error, .. } = play(&mixer, &path) else {
            panic!("{name} is played")
        };
        assert!(error.to_string().contains(name), "{error}");
    }
    let gone = folder.file("gone.wav");
    let PlayerEvent::DidFail { error, .. } = play(&mixer, &gone) else {
        panic!("what is not there is played")
    };
    assert!(matches!(*error, WaveError::Missing { .. }), "{error}");

    // A file that is removed while it is recorded to.
    let take = folder.file("take.wav");
    let (recorder, mut recording) = WaveRecorder::start(&take, RATE).expect("writable");
    let ear = add(Box::new(recorder));
    let hall = mixer.call(move |mixer| {
        let hall = mixer.add_bridge().expect("room");
        mixer.join(hall, ear).map(|_| hall)
    });
    hall.expect("it runs").expect("both exist");
    fs::remove_file(&take).expect("it was made");
    let event = wait_for("the removed file is not told", || recording.poll_event());
    let RecorderEvent::DidFail(error) = event else {
        panic!("{event:?}")
    };
    assert!(matches!(*error, RecordError::Write { .. }), "{error}");

    // A device that stops calling.
    let (device, mut handle) =
        LastingDevice::start(Dead, RATE, MixerConfig::default().tick).expect("a usual rate");
    add(Box::new(device));
    let mut told = |what| wait_for(what, || handle.poll_event());
    assert_eq!(told("it is not found"), LastingEvent::Found);
    let lost = told("that it is dead is not told");
    assert!(
        matches!(lost, LastingEvent::Lost(DeviceError::Lost { .. })),
        "{lost:?}"
    );

    metronome.wait(5);
    assert!(mixer.stop().is_ok());
}

#[test]
fn absurd_rates_are_refused_by_all_that_take_one() {
    let tick = TickLength::Ms20;
    for rate in [0, 50, 100, 7_950, 192_050, 1_000_000] {
        let device = LastingDevice::start(DeviceOptions::default(), rate, tick);
        assert!(matches!(device, Err(MixerError::PortRate { .. })), "{rate}");
        let read = WaveFile::read("silence", &[][..], rate);
        assert!(matches!(read, Err(WaveError::Rate { .. })), "{rate}: {read:?}");
        #[cfg(feature = "voice")]
        {
            use offhook_audio_mixer::{NullDevice, VoiceOptions, VoiceProcessor};
            let voice = VoiceProcessor::new(NullDevice::new(rate), tick, VoiceOptions::default());
            assert!(voice.is_err(), "{rate}");
        }
    }
}
