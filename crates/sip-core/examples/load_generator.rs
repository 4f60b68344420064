//! Asks a server and tells its CPU time per operation: `load_generator options|call [ADDRESS] [COUNT] [PID]`.
//!
//! It keeps 16 requests in flight, so that the server is never idle for long, and reads the time that the process
//! PID (of `load_responder`, or of any other server) has spent from `/proc`. One sender of SIPp tops out first.

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use std::io;
use std::net::UdpSocket;
use std::time::Duration;

const IN_FLIGHT: u64 = 16;
const OFFER: &str =
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio 9 RTP/AVP 0\r\n";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let kind = arguments.next().unwrap_or_else(|| "options".to_owned());
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:5070".to_owned());
    let count: u64 = arguments.next().map_or(Ok(10_000), |text| text.parse())?;
    let process = arguments.next();
    let generator = Generator::connected_to(&address)?;
    let before = cpu_nanoseconds(process.as_deref())?;
    // Branches and Call-IDs of one run must not be those of another, to which the server may still know the answer.
    let first = u64::from(std::process::id()) << 32;
    for number in (first..first + count).step_by(IN_FLIGHT as usize) {
        match kind.as_str() {
            "options" => generator.ask(number)?,
            "call" => generator.call(number)?,
            _ => return Err("neither options nor call".into()),
        }
    }
    let spent = cpu_nanoseconds(process.as_deref())? - before;
    let done = count.next_multiple_of(IN_FLIGHT);
    println!(
        "{kind}: {done} done, {} ns of the server's CPU time each",
        spent / done
    );
    Ok(())
}

struct Generator {
    socket: UdpSocket,
    address: String,
}

impl Generator {
    fn connected_to(server: &str) -> io::Result<Self> {
        let socket = UdpSocket::bind("127.0.0.1:0")?;
        socket.connect(server)?;
        socket.set_read_timeout(Some(Duration::from_secs(2)))?;
        let address = socket.local_addr()?.to_string();
        Ok(Self { socket, address })
    }

    /// OPTIONS and 200.
    fn ask(&self, first: u64) -> io::Result<()> {
        for number in first..first + IN_FLIGHT {
            self.send("OPTIONS", number, 1, "", "")?;
        }
        for _ in 0..IN_FLIGHT {
            self.receive()?;
        }
        Ok(())
    }

    /// INVITE, 200, ACK, BYE, 200.
    fn call(&self, first: u64) -> io::Result<()> {
        for number in first..first + IN_FLIGHT {
            self.send("INVITE", number, 1, "", OFFER)?;
        }
        let mut ended = 0;
        while ended < IN_FLIGHT {
            let response = self.receive()?;
            if response.contains("\r\nCSeq: 2 BYE") {
                ended += 1;
            } else if response.starts_with("SIP/2.0 200") {
                let number = between(&response, "\r\nCall-ID: ", "@").parse();
                let number = number.map_err(io::Error::other)?;
                let tag = between(&response, "\r\nTo: <sip:bob@b.test>", "\r\n");
                self.send("ACK", number, 1, tag, "")?;
                self.send("BYE", number, 2, tag, "")?;
            }
        }
        Ok(())
    }

    fn send(&self, method: &str, number: u64, cseq: u32, to_tag: &str, body: &str) -> io::Result<()> {
        let (address, length) = (&self.address, body.len());
        let request = format!(
            "{method} sip:bob@127.0.0.1 SIP/2.0\r\nVia: SIP/2.0/UDP {address};branch=z9hG4bK{number}{method}\r\n\
             Max-Forwards: 70\r\nFrom: <sip:alice@a.test>;tag={number}\r\nTo: <sip:bob@b.test>{to_tag}\r\n\
             Call-ID: {number}@127.0.0.1\r\nCSeq: {cseq} {method}\r\nContact: <sip:alice@{address}>\r\n\
             Content-Type: application/sdp\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        self.socket.send(request.as_bytes()).map(drop)
    }

    fn receive(&self) -> io::Result<String> {
        let mut buffer = [0; 4096];
        let length = self.socket.recv(&mut buffer)?;
        Ok(String::from_utf8_lossy(&buffer[..length]).into_owned())
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text.split_once(before).map_or("", |(_, rest)| rest);
    rest.split_once(after).map_or(rest, |(found, _)| found)
}

/// User and system time of the first thread of a process; zero where none is named.
fn cpu_nanoseconds(process: Option<&str>) -> Result<u64, Box<dyn std::error::Error>> {
    let Some(process) = process else { return Ok(0) };
    let times = std::fs::read_to_string(format!("/proc/{process}/schedstat"))?;
    Ok(times.split(' ').next().unwrap_or_default().parse()?)
}
