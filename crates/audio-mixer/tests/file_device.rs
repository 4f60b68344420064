//! Files and pipes as devices, alone and behind a `LastingDevice`; and devices that come and go from a list.

mod folder;
mod patience;
mod recorded;

use folder::Folder;
use hound::{WavSpec, WavWriter};
use offhook_audio_mixer::{
    AudioMixer, AudioPort, DeviceChoice, DeviceError, DeviceEvent, DeviceMixer, DeviceOptions, DeviceSource,
    DeviceWatcher, DevicesChange, Direction, FileDevice, FileHandle, Gain, LastingDevice, LastingEvent,
    Level, MixerConfig, OpenDevice, Produced, Role, SamplesPlayer,
};
use patience::{Metronome, wait_for};
use recorded::{samples_of, tick};
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

fn wave(folder: &Folder, name: &str, samples: &[i16]) -> PathBuf {
    let path = folder.file(name);
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

fn pipe(folder: &Folder, name: &str) -> PathBuf {
    let path = folder.file(name);
    let made = Command::new("mkfifo").arg(&path).status();
    assert!(made.expect("mkfifo is there").success());
    path
}

#[test]
fn a_device_of_two_files_says_the_one_and_writes_the_other() {
    let folder = Folder::new("waves");
    let spoken: Vec<i16> = (0..400).collect();
    let (input, output) = (wave(&folder, "in.wav", &spoken), folder.file("deep/out.wav"));
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
    let (input, output) = (pipe(&folder, "in"), pipe(&folder, "out"));
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

/// Lets a device say 1 until something happens to it.
fn next_event(device: &mut FileDevice, handle: &mut FileHandle, what: &str) -> DeviceEvent {
    let mut index = 0;
    wait_for(what, || {
        device.consume(&tick(index), &[1; 160]);
        index += 1;
        handle.poll_event()
    })
}

#[test]
fn a_pipe_whose_reader_goes_away_waits_for_the_next_while_the_other_direction_goes_on() {
    let folder = Folder::new("gone");
    let (output, input) = (pipe(&folder, "out"), wave(&folder, "in.wav", &[500; 8_000]));
    let reader = output.clone();
    let reader = thread::spawn(move || drop(fs::File::open(reader)));
    let (mut device, mut handle) =
        FileDevice::open(Some(&input), Some(&output), 8_000).expect("a pipe and a file");
    reader.join().expect("it went");
    let loss = next_event(&mut device, &mut handle, "the loss is never told");
    assert!(
        matches!(
            &loss,
            DeviceEvent::Interrupted(DeviceError::System {
                direction: Direction::Output,
                ..
            })
        ),
        "{loss:?}"
    );
    let mut frame = [0; 160];
    assert_eq!(device.produce(&tick(0), &mut frame), Produced::Audio);
    assert_eq!(frame, [500; 160]);
    assert_eq!(handle.poll_event(), None, "nobody is there yet");
    let reader = output.clone();
    let reader = thread::spawn(move || {
        let mut bytes = [0; 320];
        let mut pipe = fs::File::open(reader).expect("the device writes");
        pipe.read_exact(&mut bytes).expect("the device writes");
        bytes
    });
    let back = next_event(&mut device, &mut handle, "the next reader is never told");
    assert_eq!(back, DeviceEvent::Resumed(Direction::Output));
    let heard = reader.join().expect("it hears");
    assert!(heard.chunks(2).all(|sample| sample == [1, 0]));
}

#[test]
fn a_pipe_is_read_from_one_program_after_the_other() {
    let folder = Folder::new("writers");
    let input = pipe(&folder, "in");
    let (mut device, mut handle) = FileDevice::open(Some(&input), None, 8_000).expect("a pipe");
    for said in [300_i16, 700] {
        let writer = input.clone();
        let writer = thread::spawn(move || {
            let bytes: Vec<u8> = [said; 4_000].iter().flat_map(|s| s.to_le_bytes()).collect();
            fs::write(writer, bytes).expect("the device reads");
        });
        wait_for("the program is never heard", || {
            let mut frame = [0; 160];
            let produced = device.produce(&tick(0), &mut frame);
            (produced == Produced::Audio && frame[159] == said).then_some(())
        });
        while device.produce(&tick(0), &mut [0; 160]) == Produced::Audio {}
        writer.join().expect("it said all");
    }
    assert_eq!(handle.poll_event(), None);
}

#[test]
fn files_that_cannot_be_used_say_which_and_why() {
    let folder = Folder::new("wrong");
    let no_wave = folder.file("no.wav");
    fs::write(&no_wave, "not a wave").expect("writable");
    for (input, output) in [
        (Some(folder.file("missing.wav")), None),
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
fn a_file_that_was_cut_off_is_told_when_it_ends() {
    let folder = Folder::new("cut");
    let input = wave(&folder, "in.wav", &[500; 8_000]);
    let file = fs::OpenOptions::new()
        .write(true)
        .open(&input)
        .expect("it is there");
    file.set_len(44 + 320).expect("it is there");
    let (mut device, mut handle) = FileDevice::open(Some(&input), None, 8_000).expect("a file");
    assert_eq!(handle.poll_event(), None);
    for index in 0..2 {
        device.produce(&tick(index), &mut [0; 160]);
    }
    let event = handle.poll_event();
    let Some(DeviceEvent::Interrupted(cause)) = event else {
        panic!("{event:?}")
    };
    let cause = cause.to_string();
    assert!(cause.contains("in.wav is cut off: 0.98 s"), "{cause}");
    assert_eq!(handle.poll_event(), None, "once");
}

#[test]
fn options_may_mix_files_with_nothing() {
    let folder = Folder::new("mixed");
    let input = wave(&folder, "in.wav", &[500; 160]);
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

/// The older sound is not lost to a call that never was; nor does a second device write over the first.
#[test]
fn a_file_is_replaced_when_its_device_is_closed_and_heard_something() {
    let folder = Folder::new("older");
    let path = wave(&folder, "out.wav", &[7; 80]);
    drop(FileDevice::open(None, Some(&path), 8_000).expect("a file"));
    assert_eq!(samples_of(&path), [7; 80], "nothing was heard");
    let (mut device, handle) = FileDevice::open(None, Some(&path), 8_000).expect("a file");
    let second = FileDevice::open(None, Some(&path), 8_000).map(drop);
    let refused = second.expect_err("one file, two devices").to_string();
    assert!(refused.contains("another recording"), "{refused}");
    device.consume(&tick(0), &[9; 160]);
    assert_eq!(samples_of(&path), [7; 80], "until it is closed");
    drop(handle);
    assert_eq!(samples_of(&path), [9; 160]);
    let left: Vec<_> = fs::read_dir(&folder.0).expect("a folder").collect();
    assert_eq!(left.len(), 1, "nothing is left beside it: {left:?}");
}

/// The whole way: a device of a file, lost because the file is removed, in a mixer that never notices; it is not begun anew, and
/// the microphone beside it goes on. Then another one.
#[test]
fn a_mixer_goes_on_while_its_device_is_lost_and_replaced() {
    let folder = Folder::new("lasting");
    let (first, second) = (folder.file("first.wav"), folder.file("second.wav"));
    let spoken = wave(&folder, "in.wav", &vec![300; 8_000 * 60]);
    let to = |path: &Path| DeviceOptions {
        sample_rate: 8_000,
        input: DeviceChoice::File(spoken.clone()),
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
    fs::remove_file(first.with_extension("wav.part")).expect("it was made");
    let lost = next_event(&mut mixer, &mut handle);
    assert!(
        matches!(&lost, LastingEvent::Lost(DeviceError::System { .. })),
        "{lost:?}"
    );
    let later = Instant::now() + LastingDevice::RETRY + Duration::from_millis(500);
    while Instant::now() < later {
        mixer.tick(Instant::now());
        assert_eq!(handle.poll_event(), None, "nothing is found again");
        thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(mixer.level(device).map(Level::peak), Some(300));
    assert!(!first.exists());
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
            .recv_timeout(Duration::from_secs(30))
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
    let (first, second) = (folder.file("first.wav"), folder.file("second.wav"));
    let to = |path: &Path| DeviceOptions {
        sample_rate: 8_000,
        input: DeviceChoice::Off,
        output: DeviceChoice::File(path.into()),
    };
    let (told, events) = std::sync::mpsc::channel();
    let tell = move |event| drop(told.send(event));
    let alert = DeviceMixer::start(to(&first), MixerConfig::at_rate(8_000), tell).expect("a usual rate");
    let next = || events.recv_timeout(Duration::from_secs(30)).expect("it is told");
    assert_eq!(next(), LastingEvent::Found);
    let bell = |level: i16| SamplesPlayer::new(8_000, vec![level; 8_000 * 60]);
    let slot = alert.add(bell(900)).expect("its own rate");
    let (bridge, device) = (alert.bridge(), alert.device());
    let members = alert.mixer().call(move |mixer| {
        let bridge = mixer.bridge(bridge).expect("it is always there");
        (bridge.contains(device), bridge.members().len(), mixer.clock())
    });
    assert_eq!(members.expect("it runs"), (true, 2, Some(device)));
    let metronome = Metronome::default();
    alert.add(metronome.clone()).expect("its own rate");
    metronome.wait(10);
    alert.set_output_volume(Gain::from_percent(50)).expect("it runs");
    metronome.wait(10);
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
    metronome.wait(10);
    drop(alert);
    let heard = samples_of(&second);
    // The mute glides over one tick.
    let last = &heard[heard.len() - 160..];
    assert!(heard.len() >= 320 && last.iter().all(|&sample| sample == 0));
}
