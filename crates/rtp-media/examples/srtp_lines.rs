//! Protects or unprotects packets, one a line: what the interop run lays beside the same program on libsrtp2.
//!
//! `srtp_lines protect|unprotect SUITE KEYHEX` reads `rtp HEX` or `rtcp HEX` and prints `HEX` or `refused`.

use offhook_rtp_media::srtp::{MasterKey, SrtpError, SrtpReceiver, SrtpSender, SrtpSuite};
use std::error::Error;
use std::fmt::Write as _;
use std::io::{BufRead, Write};

/// Octets that a packet may grow by.
const ROOM: usize = 32;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [direction, suite, key] = arguments.as_slice() else {
        return Err("usage: srtp_lines protect|unprotect SUITE KEYHEX".into());
    };
    let suite: SrtpSuite = suite.parse()?;
    let key = MasterKey::new(suite, &unhex(key)?)?;
    let (mut sender, mut receiver) = (SrtpSender::new(&key), SrtpReceiver::new(&key));
    let mut out = std::io::stdout().lock();
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (kind, packet) = line.split_once(' ').ok_or("a line is `rtp HEX` or `rtcp HEX`")?;
        let mut packet = unhex(packet)?;
        let len = packet.len();
        let done = match (direction.as_str(), kind) {
            ("protect", kind) => {
                packet.resize(len + ROOM, 0);
                if kind == "rtcp" {
                    sender.protect_rtcp(&mut packet, len)
                } else {
                    sender.protect_rtp(&mut packet, len)
                }
            }
            (_, "rtcp") => receiver.unprotect_rtcp(&mut packet),
            _ => receiver.unprotect_rtp(&mut packet),
        };
        writeln!(out, "{}", outcome(done, &packet))?;
    }
    Ok(())
}

fn outcome(done: Result<usize, SrtpError>, packet: &[u8]) -> String {
    match done {
        Ok(len) => packet[..len].iter().fold(String::new(), |mut hex, octet| {
            let _ = write!(hex, "{octet:02x}");
            hex
        }),
        Err(_) => "refused".to_owned(),
    }
}

fn unhex(text: &str) -> Result<Vec<u8>, Box<dyn Error>> {
    let pairs = text.as_bytes().chunks(2).map(std::str::from_utf8);
    pairs.map(|pair| Ok(u8::from_str_radix(pair?, 16)?)).collect()
}
