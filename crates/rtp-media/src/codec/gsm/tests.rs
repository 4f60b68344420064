//! Against the reference program, bit for bit.

use super::*;

const FRAMES: usize = 100;
const CODED: &[u8] = include_bytes!("reference/signal.gsm");
const DECODED: &[u8] = include_bytes!("reference/signal.s16");

/// Two seconds that pass through all branches: a gliding buzz with noise, noise, a buzz at full scale, near silence, and
/// a square wave that clips.
fn signal() -> Vec<i16> {
    let (mut noise, mut phase) = (12_345_u32, 0_i32);
    let sample = |place: usize| {
        noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let hiss = (noise >> 16) as i32 - 32_768;
        let period = 160 - (place / 80 % 120) as i32;
        phase = (phase + 65_536 / period) % 65_536;
        let buzz = if phase < 32_768 {
            phase - 32_768
        } else {
            32_768 - phase
        };
        let value = match place / 1600 % 5 {
            0 => (buzz >> 1) + (hiss >> 5),
            1 => hiss >> 2,
            2 => buzz,
            3 => hiss >> 9,
            _ if phase < 32_768 => 32_767,
            _ => -32_768,
        };
        value.clamp(-32_768, 32_767) as i16
    };
    (0..FRAMES * FRAME).map(sample).collect()
}

#[test]
fn frames_are_those_of_the_reference_program() {
    let mut coded = vec![0; FRAMES * FRAME_LEN];
    let len = encoder().encode(&signal(), &mut coded);
    assert_eq!(len, Ok(coded.len()));
    for (number, (ours, theirs)) in coded.chunks(FRAME_LEN).zip(CODED.chunks(FRAME_LEN)).enumerate() {
        assert_eq!(ours, theirs, "frame {number}");
    }
}

#[test]
fn sound_is_that_of_the_reference_program() {
    let mut heard = vec![0; FRAMES * FRAME];
    assert_eq!(decoder().decode(CODED, &mut heard), Ok(heard.len()));
    let theirs = DECODED
        .chunks(2)
        .map(|pair| i16::from_le_bytes([pair[0], pair[1]]));
    for (place, (ours, theirs)) in heard.iter().zip(theirs).enumerate() {
        assert_eq!(*ours, theirs, "sample {place}");
    }
}

#[test]
fn any_frame_with_the_signature_is_decoded_and_nothing_else() {
    let mut noise = 1_u32;
    let mut decoder = decoder();
    let mut pcm = [0; FRAME];
    for _ in 0..2000 {
        let mut octets: [u8; FRAME_LEN] = std::array::from_fn(|_| {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (noise >> 24) as u8
        });
        octets[0] = SIGNATURE << 4 | octets[0] & 0xf;
        assert_eq!(decoder.decode(&octets, &mut pcm), Ok(FRAME));
        let frame = Frame::read(&octets).unwrap();
        let mut again = [0; FRAME_LEN];
        frame.write(&mut again);
        assert_eq!(again, octets);
    }
    assert_eq!(
        decoder.decode(&[0; 33], &mut pcm),
        Err(CodecError::Payload { len: 33 })
    );
    assert_eq!(
        decoder.decode(&[0xd0; 32], &mut pcm),
        Err(CodecError::Payload { len: 32 })
    );
    assert_eq!(decoder.decode(&[], &mut pcm), Err(CodecError::Payload { len: 0 }));
    let short = CodecError::BufferTooSmall { need: 320, have: 160 };
    assert_eq!(decoder.decode(&[0xd0; 66], &mut pcm), Err(short));
    assert_eq!(
        encoder().encode(&[0; 80], &mut [0; 33]),
        Err(CodecError::Frame { samples: 80 })
    );
}
