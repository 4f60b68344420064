//! One million OPTIONS through an endpoint in virtual time: what they cost, and that nothing is left of them.
//! `cargo run --release --example million_transactions [COUNT]`

#![expect(clippy::print_stdout, reason = "it is a program for a terminal")]

use offhook_sansio::{Entropy, Path, Received, Transport};
use offhook_sip_core::{Endpoint, EndpointConfig};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let count: u64 = std::env::args()
        .nth(1)
        .map_or(Ok(1_000_000), |count| count.parse())?;
    let (alice, bob) = ("192.0.2.1:5060".parse()?, "192.0.2.2:5060".parse()?);
    let path = Path::new(Transport::Udp, bob, alice);
    let mut endpoint = Endpoint::new(EndpointConfig::default(), Entropy::from_number(1));
    endpoint.add_local(Transport::Udp, bob);
    let mut now = Instant::now();
    let mut pass = |endpoint: &mut Endpoint, numbers: std::ops::Range<u64>| {
        for number in numbers {
            let text = format!(
                "OPTIONS sip:bob@b.test SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\n\
                 Max-Forwards: 70\r\nFrom: <sip:a@a.test>;tag=1\r\nTo: <sip:bob@b.test>\r\nCall-ID: {number}\r\n\
                 CSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
            );
            let bytes = text.into();
            endpoint.handle_received(now, Received { path, bytes });
            while endpoint.poll_transmit().is_some() {}
            now += Duration::from_millis(1);
            endpoint.handle_timeout(now);
            while endpoint.poll_event().is_some() {}
        }
    };
    // The tables reach their working size: 32 s of requests.
    pass(&mut endpoint, 0..70_000);
    let begin = Instant::now();
    let measured = allocation_counter::measure(|| pass(&mut endpoint, 70_000..70_000 + count));
    println!(
        "{count} transactions, {:?} each",
        begin.elapsed() / u32::try_from(count)?
    );
    println!(
        "{} transactions held, {} bytes grown",
        endpoint.transactions().server_count(),
        measured.bytes_current
    );
    println!("{} allocations each", measured.count_total / count);
    Ok(())
}
