//! The codecs beside the reference libraries of the system, a frame of 20 ms of a generated voice at a time.
//!
//! The libraries are opened at run time: whoever has none sees ours alone. On Debian they are `libspandsp2`, `libgsm1` and
//! `libopus0`.

use crate::table::{self, Contender};
use libloading::Library;
use offhook_rtp_media::codec::{AudioCodec, IlbcMode};
use std::ffi::{c_int, c_void};
use std::hint::black_box;
use std::ptr;

/// A voice and its payloads go round in so many frames.
const FRAMES: usize = 50;
/// The longest payload of 20 ms.
const PAYLOAD: usize = 1275;

pub fn print() {
    for (codec, name, reference) in [
        (AudioCodec::Pcmu, "PCMU", Some(Reference::SPANDSP_U_LAW)),
        (AudioCodec::Pcma, "PCMA", Some(Reference::SPANDSP_A_LAW)),
        (AudioCodec::G722, "G.722", Some(Reference::SPANDSP_G722)),
        (AudioCodec::Gsm, "GSM", Some(Reference::GSM)),
        (AudioCodec::Ilbc(IlbcMode::Ms20), "iLBC", None),
        (AudioCodec::Opus, "Opus", Some(Reference::OPUS)),
    ] {
        compare(codec, name, reference.and_then(|reference| reference.open()));
    }
}

fn compare(codec: AudioCodec, name: &str, reference: Option<Open>) {
    let spec = codec.spec();
    let frame = spec.sample_rate as usize / 50;
    let voice = voice(spec.sample_rate, frame * FRAMES);
    let frames: Vec<&[i16]> = voice.chunks_exact(frame).collect();
    let mut encoder = codec.encoder("").expect("built in");
    let payloads: Vec<Vec<u8>> = frames
        .iter()
        .map(|frame| {
            let mut payload = [0; PAYLOAD];
            let len = encoder.encode(frame, &mut payload).expect("a frame of 20 ms");
            payload[..len].to_vec()
        })
        .collect();
    let mut decoder = codec.decoder().expect("built in");

    let (mut next, mut payload) = (Round::default(), [0; PAYLOAD]);
    let mut encoding = vec![Contender::new("offhook", || {
        black_box(encoder.encode(black_box(frames[next.step()]), &mut payload).expect("as before"));
    })];
    let (mut at, mut heard) = (Round::default(), vec![0; frame]);
    let mut decoding = vec![Contender::new("offhook", || {
        black_box(decoder.decode(black_box(&payloads[at.step()]), &mut heard).expect("of our own"));
    })];
    if let Some(Open { name, mut encode, mut decode }) = reference {
        let (frames, payloads) = (&frames, &payloads);
        let (mut next, mut payload) = (Round::default(), [0; PAYLOAD]);
        encoding.push(Contender::new(name, move || encode(black_box(frames[next.step()]), &mut payload)));
        let (mut at, mut heard) = (Round::default(), vec![0; frame]);
        decoding.push(Contender::new(name, move || decode(black_box(&payloads[at.step()]), &mut heard)));
    }
    table::print(&format!("{name}: encode 20 ms"), encoding);
    table::print(&format!("{name}: decode 20 ms"), decoding);
}

/// One frame after the other, again and again.
#[derive(Default)]
struct Round(usize);

impl Round {
    fn step(&mut self) -> usize {
        self.0 = (self.0 + 1) % FRAMES;
        self.0
    }
}

/// Harmonics that swell and fade, and some noise.
fn voice(rate: u32, samples: usize) -> Vec<i16> {
    let mut noise = 1_u32;
    (0..samples)
        .map(|n| {
            let t = n as f32 / rate as f32;
            let wave: f32 =
                (1..8).map(|nth| (t * 150.0 * nth as f32 * std::f32::consts::TAU).sin() / nth as f32).sum();
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (wave * 6000.0 * (t * 4.0).sin().abs()) as i16 + ((noise >> 25) as i16 - 64)
        })
        .collect()
}

type Encode = Box<dyn FnMut(&[i16], &mut [u8])>;
type Decode = Box<dyn FnMut(&[u8], &mut [i16])>;

/// A reference library with an encoder and a decoder of one codec. They last as long as the program.
struct Open {
    name: &'static str,
    encode: Encode,
    decode: Decode,
}

/// Where a reference is found, and how it is set up.
struct Reference {
    name: &'static str,
    file: &'static str,
    /// # Safety
    /// The library must be the one of that file.
    set_up: unsafe fn(&'static Library) -> Result<(Encode, Decode), libloading::Error>,
}

impl Reference {
    const SPANDSP_U_LAW: Self = Self { name: "spandsp", file: "libspandsp.so.2", set_up: spandsp_g711::<1> };
    const SPANDSP_A_LAW: Self = Self { name: "spandsp", file: "libspandsp.so.2", set_up: spandsp_g711::<0> };
    const SPANDSP_G722: Self = Self { name: "spandsp", file: "libspandsp.so.2", set_up: spandsp_g722 };
    const GSM: Self = Self { name: "libgsm", file: "libgsm.so.1", set_up: libgsm };
    const OPUS: Self = Self { name: "libopus", file: "libopus.so.0", set_up: libopus };

    fn open(&self) -> Option<Open> {
        // SAFETY: these libraries do nothing when they are loaded.
        let opened = unsafe { Library::new(self.file) };
        let library = opened.inspect_err(|error| eprintln!("without {}: {error}", self.name)).ok()?;
        // SAFETY: the functions are declared as in the headers of that library's version.
        let set_up = unsafe { (self.set_up)(Box::leak(Box::new(library))) };
        let (encode, decode) = set_up.inspect_err(|error| eprintln!("without {}: {error}", self.name)).ok()?;
        Some(Open { name: self.name, encode, decode })
    }
}

/// Encodes or decodes `len` samples or bytes: what spandsp's codecs have in common.
type Convert<From, To> = unsafe extern "C" fn(*mut c_void, *mut To, *const From, c_int) -> c_int;

/// G.711 of spandsp: law 0 is A, 1 is mu.
unsafe fn spandsp_g711<const LAW: c_int>(library: &'static Library) -> Result<(Encode, Decode), libloading::Error> {
    // SAFETY: as spandsp/g711.h declares them. A state that is made of nothing is allocated.
    unsafe {
        let init = library.get::<unsafe extern "C" fn(*mut c_void, c_int) -> *mut c_void>("g711_init")?;
        let states = [init(ptr::null_mut(), LAW), init(ptr::null_mut(), LAW)];
        spandsp(library, states, ["g711_encode", "g711_decode"])
    }
}

/// G.722 of spandsp at 64 kbit/s.
unsafe fn spandsp_g722(library: &'static Library) -> Result<(Encode, Decode), libloading::Error> {
    // SAFETY: as spandsp/g722.h declares them. A state that is made of nothing is allocated.
    unsafe {
        type Init = unsafe extern "C" fn(*mut c_void, c_int, c_int) -> *mut c_void;
        let states = [
            library.get::<Init>("g722_encode_init")?(ptr::null_mut(), 64_000, 0),
            library.get::<Init>("g722_decode_init")?(ptr::null_mut(), 64_000, 0),
        ];
        spandsp(library, states, ["g722_encode", "g722_decode"])
    }
}

unsafe fn spandsp(
    library: &'static Library,
    [coding, decoding]: [*mut c_void; 2],
    [encode, decode]: [&str; 2],
) -> Result<(Encode, Decode), libloading::Error> {
    // SAFETY: both convert as many samples or bytes as they are told, into room for as many and more.
    unsafe {
        let encode = library.get::<Convert<i16, u8>>(encode)?;
        let decode = library.get::<Convert<u8, i16>>(decode)?;
        Ok((
            Box::new(move |pcm, payload| {
                black_box(encode(coding, payload.as_mut_ptr(), pcm.as_ptr(), pcm.len() as c_int));
            }),
            Box::new(move |payload, pcm| {
                black_box(decode(decoding, pcm.as_mut_ptr(), payload.as_ptr(), payload.len() as c_int));
            }),
        ))
    }
}

unsafe fn libgsm(library: &'static Library) -> Result<(Encode, Decode), libloading::Error> {
    // SAFETY: as gsm.h declares them: frames of 160 samples and 33 bytes.
    unsafe {
        let create = library.get::<unsafe extern "C" fn() -> *mut c_void>("gsm_create")?;
        let (coding, decoding) = (create(), create());
        let encode = library.get::<unsafe extern "C" fn(*mut c_void, *const i16, *mut u8)>("gsm_encode")?;
        let decode = library.get::<unsafe extern "C" fn(*mut c_void, *const u8, *mut i16) -> c_int>("gsm_decode")?;
        Ok((
            Box::new(move |pcm, payload| encode(coding, pcm.as_ptr(), payload.as_mut_ptr())),
            Box::new(move |payload, pcm| {
                black_box(decode(decoding, payload.as_ptr(), pcm.as_mut_ptr()));
            }),
        ))
    }
}

/// With the settings that ours has (docs/decisions/0002-opus.md): a voice at 32 kbit/s, complexity 5.
unsafe fn libopus(library: &'static Library) -> Result<(Encode, Decode), libloading::Error> {
    const RATE: i32 = 48_000;
    const VOICE: c_int = 2048;
    const BIT_RATE: (c_int, c_int) = (4002, 32_000);
    const COMPLEXITY: (c_int, c_int) = (4010, 5);
    // SAFETY: as opus.h declares them: one channel, frames of 960 samples, room for the longest payload.
    unsafe {
        type MakeEncoder = unsafe extern "C" fn(i32, c_int, c_int, *mut c_int) -> *mut c_void;
        type MakeDecoder = unsafe extern "C" fn(i32, c_int, *mut c_int) -> *mut c_void;
        type Encodes = unsafe extern "C" fn(*mut c_void, *const i16, c_int, *mut u8, i32) -> i32;
        type Decodes = unsafe extern "C" fn(*mut c_void, *const u8, i32, *mut i16, c_int, c_int) -> c_int;
        type Set = unsafe extern "C" fn(*mut c_void, c_int, ...) -> c_int;
        let coding = library.get::<MakeEncoder>("opus_encoder_create")?(RATE, 1, VOICE, ptr::null_mut());
        let decoding = library.get::<MakeDecoder>("opus_decoder_create")?(RATE, 1, ptr::null_mut());
        let set = library.get::<Set>("opus_encoder_ctl")?;
        for (what, value) in [BIT_RATE, COMPLEXITY] {
            set(coding, what, value);
        }
        let encode = library.get::<Encodes>("opus_encode")?;
        let decode = library.get::<Decodes>("opus_decode")?;
        Ok((
            Box::new(move |pcm, payload| {
                let room = payload.len() as i32;
                black_box(encode(coding, pcm.as_ptr(), pcm.len() as c_int, payload.as_mut_ptr(), room));
            }),
            Box::new(move |payload, pcm| {
                let len = payload.len() as i32;
                black_box(decode(decoding, payload.as_ptr(), len, pcm.as_mut_ptr(), pcm.len() as c_int, 0));
            }),
        ))
    }
}
