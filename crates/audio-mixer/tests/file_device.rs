//! Files and pipes as devices, alone and behind a `LastingDevice`; and devices that come and go from a list.

use hound::{WavReader, WavSpec, WavWriter};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, DeviceChoice, DeviceError, DeviceEvent, DeviceMixer, DeviceOptions, DeviceSource,
    DeviceWatcher, DevicesChange, Direction, FileDevice, Gain, LastingDevice, LastingEvent, MixerConfig,
    OpenDevice, Produced, Role, SamplesPlayer, Tick,
};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("offhook-file-device-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).expect("the temporary folder is writable");
        Self(path)
    }

    fn wave(&self, name: &str, samples: &[i16]) -> PathBuf {
        let path = self.0.join(name);
        let spec = WavSpec {
            channels: 1,
            sample_rate: 8_000,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut writer = WavWriter::create(&path, spec).expect("writable");
        for &sample in samples {
            writer.write_sample(sample).expect("writable");
        }
        writer.finalize().expect("writable");
        path
    }

    fn pipe(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        let made = Command::new("mkfifo").arg(&path).status();
        assert!(made.expect("mkfifo is there").success());
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn tick(index: u64) -> Tick {
    Tick {
        now: Instant::now(),
        index,
        duration: Duration::from_millis(20),
    }
}

fn samples_of(path: &Path) -> Vec<i16> {
    let mut reader = WavReader::open(path).expect("a wave file");
    reader.samples().map(|s| s.expect("whole")).collect()
}

/// Waits for what another thread does, within bounds.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        if let Some(seen) = look() {
            return seen;
        }
        assert!(Instant::now() < patience, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_device_of_two_files_says_the_one_and_writes_the_other() {
    let folder = Folder::new("waves");
    let spoken: Vec<i16> = (0..400).collect();
    let (input, output) = (folder.wave("in.wav", &spoken), folder.0.join("deep/out.wav"));
    let (mut device, handle) =
        FileDevice::open(Some(&input), Some(&output), 8_000).expect("both can be used");
    assert_eq!(device.role(), Role::BOTH);
    let mut heard = Vec::new();
    for index in 0..4 {
        let mut frame = [0; 160];
        let produced = device.produce(&tick(index), &mut frame);
        assert_eq!(produced == Produced::Audio, index < 3, "tick {index}");
        heard.extend(frame);
        device.consume(&tick(index), &[index as i16; 160]);
    }
    assert_eq!(heard[..400], spoken);
    drop(handle);
    let due: Vec<i16> = (0..4).flat_map(|n| [n; 160]).collect();
    assert_eq!(
        samples_of(&output),
        due,
        "the file is complete when the handle is gone"
    );
}

#[test]
fn pipes_carry_raw_samples_both_ways() {
    let folder = Folder::new("pipes");
    let (input, output) = (folder.pipe("in"), folder.pipe("out"));
    let spoken: Vec<i16> = (0..8_000).map(|n| (n % 100) * 50).collect();
    let bytes: Vec<u8> = spoken.iter().flat_map(|s| s.to_le_bytes()).collect();
    let (writer, reader) = (input.clone(), output.clone());
    let writer = thread::spawn(move || {
        let mut pipe = fs::OpenOptions::new()
            .write(true)
            .open(writer)
            .expect("the device reads");
        // An odd number at a time: samples are cut in two.
        bytes
            .chunks(1_001)
            .for_each(|part| pipe.write_all(part).expect("the device reads"));
    });
    let reader = thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut pipe = fs::File::open(reader).expect("the device writes");
        pipe.read_to_end(&mut bytes).expect("the device writes");
        bytes
    });
    let (mut device, mut handle) =
        FileDevice::open(Some(&input), Some(&output), 8_000).expect("both can be used");
    let mut heard = Vec::new();
    let mut index = 0;
    wait_for("the pipe is never heard to its end", || {
        let mut frame = [0; 160];
        if device.produce(&tick(index), &mut frame) == Produced::Audio {
            heard.extend(frame);
        }
        device.consume(&tick(index), &[index as i16; 160]);
        index += 1;
        assert_eq!(handle.poll_event(), None);
        (heard.len() >= spoken.len()).then_some(())
    });
    writer.join().expect("all was written");
    drop(device);
    let written = reader.join().expect("all was read");
    assert_eq!(written.len() as u64, index * 320);
    assert!(
        written
            .chunks(320)
            .enumerate()
            .all(|(n, part)| part[..2] == (n as i16).to_le_bytes())
    );
    // The beginning fades in.
    let from = heard.iter().position(|&s| s != 0).expect("it was loud");
    assert!(
        heard[from + 64..].starts_with(&spoken[65 + from % 100..4_000])
            || heard[64..4_000] == spoken[64..4_000]
    );
}

#[test]
fn a_pipe_whose_reader_goes_away_is_a_lost_device() {
    let folder = Folder::new("gone");
    let output = folder.pipe("out");
    let reader = output.clone();
    let reader = thread::spawn(move || drop(fs::File::open(reader)));
    let (mut device, mut handle) = FileDevice::open(None, Some(&output), 8_000).expect("a pipe");
    reader.join().expect("it went");
    let mut index = 0;
    let loss = wait_for("the loss is never told", || {
        device.consume(&tick(index), &[1; 160]);
        index += 1;
        handle.poll_event()
    });
    assert_eq!(direction_of(&loss), Direction::Output);
}

fn direction_of(event: &DeviceEvent) -> Direction {
    match event {
        DeviceEvent::Failed(DeviceError::System { direction, .. }) => *direction,
        other => panic!("{other:?}"),
    }
}

#[test]
fn files_that_cannot_be_used_say_which_and_why() {
    let folder = Folder::new("wrong");
    let no_wave = folder.0.join("no.wav");
    fs::write(&no_wave, "not a wave").expect("writable");
    for (input, output) in [
        (Some(folder.0.join("missing.wav")), None),
        (Some(no_wave), None),
        (None, Some(folder.0.clone())),
        (Some(folder.0.clone()), None),
    ] {
        let path = input
            .as_ref()
            .or(output.as_ref())
            .expect("one of them")
            .display()
            .to_string();
        let error = FileDevice::open(input.as_deref(), output.as_deref(), 8_000).map(drop);
        let error = error.expect_err("it cannot be used").to_string();
        assert!(error.contains(&path), "{error} does not name {path}");
    }
}

#[test]
fn options_may_mix_files_with_nothing() {
    let folder = Folder::new("mixed");
    let input = folder.wave("in.wav", &[500; 160]);
    let mut options = DeviceOptions {
        sample_rate: 8_000,
        input: DeviceChoice::File(input),
        output: DeviceChoice::Off,
    };
    let (mut port, mut open) = options.open().expect("a file");
    assert_eq!((port.sample_rate(), port.role()), (8_000, Role::PRODUCER));
    let mut frame = [0; 160];
    assert_eq!(port.produce(&tick(0), &mut frame), Produced::Audio);
    assert_eq!((frame, open.poll_event()), ([500; 160], None));
    assert!(open.progress() < open.progress(), "a file never stalls");
}

/// What a `LastingDevice` does after a full disk: nothing that was heard is written over, and nothing said twice.
#[test]
fn a_file_is_opened_once_and_a_pipe_as_often_as_it_is_lost() {
    let folder = Folder::new("once");
    let (spoken, heard) = (folder.wave("in.wav", &[500; 160]), folder.0.join("out.wav"));
    let mut options = DeviceOptions {
        sample_rate: 8_000,
        input: DeviceChoice::File(spoken),
        output: DeviceChoice::File(heard.clone()),
    };
    let (mut port, open) = options.open().expect("two files");
    port.consume(&tick(0), &[700; 160]);
    drop((port, open));
    wait_for("it is never written", || {
        fs::metadata(&heard).ok().filter(|written| written.len() > 300)
    });
    let before = samples_of(&heard);
    let (mut port, open) = options.open().expect("silence");
    assert_eq!(port.role(), Role::NONE);
    port.consume(&tick(1), &[900; 160]);
    drop((port, open));
    assert_eq!(samples_of(&heard), before);

    let pipe = folder.pipe("pipe");
    let mut options = DeviceOptions {
        sample_rate: 8_000,
        input: DeviceChoice::Off,
        output: DeviceChoice::File(pipe),
    };
    for _ in 0..2 {
        let (port, _open) = options.open().expect("a pipe");
        assert_eq!(port.role(), Role::CONSUMER);
    }
}

/// The whole way: a device of a file, lost because the file is removed, in a mixer that never notices; then another one.
#[test]
fn a_mixer_goes_on_while_its_device_is_lost_and_replaced() {
    let folder = Folder::new("lasting");
    let (first, second) = (folder.0.join("first.wav"), folder.0.join("second.wav"));
    let to = |path: &Path| DeviceOptions {
        sample_rate: 8_000,
        input: DeviceChoice::Off,
        output: DeviceChoice::File(path.into()),
    };
    let config = MixerConfig::at_rate(8_000);
    let (port, mut handle) = LastingDevice::start(to(&first), 8_000, config.tick).expect("a usual rate");
    let mut mixer: AudioMixer = AudioMixer::new(config).expect("a usual rate");
    let device = mixer.add_port(Box::new(port)).expect("its own rate");
    let voice = SamplesPlayer::new(8_000, vec![700; 8_000 * 600]);
    let voice = mixer.add_port(Box::new(voice)).expect("its own rate");
    mixer.connect(voice, device, Gain::UNITY).expect("both exist");
    let next_event = |mixer: &mut AudioMixer, handle: &mut offhook_audio_mixer::LastingHandle| {
        wait_for("nothing was told", || {
            mixer.tick(Instant::now());
            handle.poll_event()
        })
    };
    assert_eq!(next_event(&mut mixer, &mut handle), LastingEvent::Found);
    fs::remove_file(&first).expect("it was made");
    let lost = next_event(&mut mixer, &mut handle);
    assert!(
        matches!(&lost, LastingEvent::Lost(DeviceError::System { .. })),
        "{lost:?}"
    );
    handle.set_sound_devices(to(&second));
    assert_eq!(next_event(&mut mixer, &mut handle), LastingEvent::Found);
    for _ in 0..50 {
        mixer.tick(Instant::now());
        thread::sleep(Duration::from_millis(1));
    }
    drop(handle);
    let heard = samples_of(&second);
    assert!(
        heard.len() > 160 && heard[160..].iter().all(|&s| s == 700),
        "{} samples",
        heard.len()
    );
}

#[test]
fn what_is_plugged_in_and_pulled_out_is_told() {
    let world = Arc::new(Mutex::new(Some(vec!["card".to_owned(), "headset".to_owned()])));
    let list = Arc::clone(&world);
    let (looks, looked) = std::sync::mpsc::channel();
    let list = move || {
        let _ = looks.send(());
        list.lock().expect("no test panicked").clone()
    };
    let mut watcher = DeviceWatcher::of(list, Duration::from_millis(1)).expect("a thread");
    let look = || {
        looked
            .recv_timeout(Duration::from_secs(10))
            .expect("it looks again and again");
    };
    look();
    look();
    assert_eq!(watcher.poll_event(), None, "nothing has changed");
    *world.lock().expect("no test panicked") = None;
    (0..3).for_each(|_| look());
    *world.lock().expect("no test panicked") = Some(vec!["card".into(), "speaker".into()]);
    let change = wait_for("the change is never told", || watcher.poll_event());
    let due = DevicesChange {
        added: vec!["speaker".into()],
        removed: vec!["headset".into()],
    };
    assert_eq!(change, due);
}

/// The alert device: a mixer whose device is always in the bridge.
#[test]
fn a_mixer_with_a_device_plays_what_is_put_in_its_bridge() {
    let folder = Folder::new("alert");
    let (first, second) = (folder.0.join("first.wav"), folder.0.join("second.wav"));
    let to = |path: &Path| DeviceOptions {
        sample_rate: 8_000,
        input: DeviceChoice::Off,
        output: DeviceChoice::File(path.into()),
    };
    let (told, events) = std::sync::mpsc::channel();
    let tell = move |event| drop(told.send(event));
    let alert = DeviceMixer::start(to(&first), MixerConfig::at_rate(8_000), tell).expect("a usual rate");
    let next = || events.recv_timeout(Duration::from_secs(10)).expect("it is told");
    assert_eq!(next(), LastingEvent::Found);
    let bell = |level: i16| SamplesPlayer::new(8_000, vec![level; 8_000 * 60]);
    let slot = alert.add(bell(900)).expect("its own rate");
    let (bridge, device) = (alert.bridge(), alert.device());
    let members = alert.mixer().call(move |mixer| {
        let bridge = mixer.bridge(bridge).expect("it is always there");
        (bridge.contains(device), bridge.members().len(), mixer.clock())
    });
    assert_eq!(members.expect("it runs"), (true, 2, Some(device)));
    thread::sleep(Duration::from_millis(300));
    alert.set_output_volume(Gain::from_percent(50)).expect("it runs");
    thread::sleep(Duration::from_millis(300));
    assert!(alert.remove(slot).expect("it runs").is_some());
    alert.set_sound_devices(to(&second));
    assert_eq!(next(), LastingEvent::Found);
    let heard = samples_of(&first);
    assert!(
        heard.contains(&900) && heard.contains(&450),
        "{} samples",
        heard.len()
    );
    alert.add(bell(700)).expect("its own rate");
    alert.set_output_muted(true).expect("it runs");
    thread::sleep(Duration::from_millis(300));
    drop(alert);
    let heard = samples_of(&second);
    // The mute glides over one tick.
    let last = &heard[heard.len() - 160..];
    assert!(heard.len() >= 320 && last.iter().all(|&sample| sample == 0));
}
