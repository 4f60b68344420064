//! What is played, where it lies, and what is left of it after a codec.

use crate::judge::Fault;
use crate::options::Options;
use offhook::{AudioCodec, PlayerOptions, WaveFile, WavePlayer};
use offhook_testkit::audio::{dbfs, tune};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Silence before the sound. A receiver drops the first packet of a source that has not proved itself (RFC 3550 A.1) and
/// fills its jitter buffer; whoever speaks at once is not heard at once.
pub(crate) const LEAD: Duration = Duration::from_millis(400);

/// Below this a file is silent, and nothing can be measured with it.
const AUDIBLE_DBFS: f64 = -55.0;

/// Sound below this length lies at too many places alike.
const SHORTEST: Duration = Duration::from_millis(500);

/// What each side plays, at the codec's rate.
pub(crate) struct Played {
    rate: u32,
    pub(crate) by_caller: Vec<i16>,
    pub(crate) by_agent: Vec<i16>,
}

impl Played {
    /// How long the longer of the two is.
    pub(crate) fn duration(&self) -> Duration {
        let samples = self.by_caller.len().max(self.by_agent.len());
        Duration::from_secs_f64(samples as f64 / f64::from(self.rate))
    }
}

/// Writes what will be played into the folder.
pub(crate) fn prepare(options: &Options, folder: &Folder) -> Result<Played, Fault> {
    let rate = options.codec().spec().sample_rate;
    let most = usize::from(options.seconds) * rate as usize;
    // One melody, cut in two: each side plays a part that the other does not, so that an echo or a swap shows.
    let melody = tune(rate, 2.0 * f64::from(options.seconds));
    let (first, second) = melody.split_at(most.min(melody.len()));
    let by_caller = match &options.play {
        Some(path) => from_file(path, rate, most)?,
        None => first.to_vec(),
    };
    Folder::write(&folder.caller_played(), &by_caller, rate)?;
    Folder::write(&folder.agent_played(), second, rate)?;
    Ok(Played {
        rate,
        by_caller,
        by_agent: second.to_vec(),
    })
}

fn from_file(path: &Path, rate: u32, most: usize) -> Result<Vec<i16>, Fault> {
    let file = WaveFile::load(path, rate)?;
    let samples = &file.samples()[..file.samples().len().min(most)];
    let length = samples.len() as f64 / f64::from(rate);
    if length < SHORTEST.as_secs_f64() || dbfs(samples) < AUDIBLE_DBFS {
        return Err(Fault::NothingToPlay {
            path: path.to_owned(),
            level: dbfs(samples),
            length,
        });
    }
    Ok(samples.to_vec())
}

/// A player of one of the files, ready to be attached to a stream.
pub(crate) fn player(path: &Path, rate: u32) -> Result<WavePlayer, Fault> {
    let options = PlayerOptions {
        initial_play: false,
        pause_time: LEAD,
        ..PlayerOptions::default()
    };
    let mut player = WavePlayer::new(WaveFile::load(path, rate)?, options);
    player.start();
    Ok(player)
}

/// What a recording is compared with: for G.711 the sound as companding leaves it, so that the comparison shows what the
/// call did and not what the codec always does; else the sound itself.
pub(crate) fn reference(codec: AudioCodec, played: &[i16]) -> Vec<i16> {
    match codec {
        AudioCodec::Pcmu | AudioCodec::Pcma => companded(codec, played),
        _ => played.to_vec(),
    }
}

fn companded(codec: AudioCodec, played: &[i16]) -> Vec<i16> {
    let mut encoder = codec.encoder("").expect("G.711 has no parameters");
    let mut decoder = codec.decoder().expect("G.711 has no parameters");
    let (mut octets, mut samples) = (vec![0; played.len()], vec![0; played.len()]);
    let len = encoder.encode(played, &mut octets).expect("an octet a sample");
    let len = decoder
        .decode(&octets[..len], &mut samples)
        .expect("a sample an octet");
    samples.truncate(len);
    samples
}

/// The folder that everything is left in.
#[derive(Clone)]
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn create(path: &Path) -> Result<Self, Fault> {
        let folder = Self(path.to_owned());
        std::fs::create_dir_all(path).map_err(|cause| Fault::file(path, cause))?;
        // What an earlier run left must not be taken for what this one heard.
        for old in [folder.agent_heard(), folder.caller_heard(), folder.picture()] {
            if old.exists() {
                std::fs::remove_file(&old).map_err(|cause| Fault::file(&old, cause))?;
            }
        }
        Ok(folder)
    }

    pub(crate) fn caller_played(&self) -> PathBuf {
        self.0.join("caller-played.wav")
    }

    pub(crate) fn agent_played(&self) -> PathBuf {
        self.0.join("agent-played.wav")
    }

    pub(crate) fn caller_heard(&self) -> PathBuf {
        self.0.join("caller-heard.wav")
    }

    pub(crate) fn agent_heard(&self) -> PathBuf {
        self.0.join("agent-heard.wav")
    }

    pub(crate) fn picture(&self) -> PathBuf {
        self.0.join("quality.svg")
    }

    /// The samples of a recording, as they were written.
    pub(crate) fn load(path: &Path) -> Result<Vec<i16>, Fault> {
        let broken = |cause| Fault::file(path, std::io::Error::other::<hound::Error>(cause));
        let mut reader = hound::WavReader::open(path).map_err(broken)?;
        reader.samples().collect::<Result<_, _>>().map_err(broken)
    }

    fn write(path: &Path, samples: &[i16], rate: u32) -> Result<(), Fault> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let broken = |cause| Fault::file(path, std::io::Error::other::<hound::Error>(cause));
        let mut writer = hound::WavWriter::create(path, spec).map_err(broken)?;
        samples
            .iter()
            .try_for_each(|&sample| writer.write_sample(sample))
            .map_err(broken)?;
        writer.finalize().map_err(broken)
    }
}
