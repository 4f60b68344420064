//! Reads a request, looks at it, changes one header field, answers it.
//!
//! `cargo run -p offhook-sip-core --example parse_and_touch`

use offhook_sip_core::header::{From, MaxForwards, Via};
use offhook_sip_core::{Message, ParseOptions, Response, StatusCode};

const WIRE: &str = "MESSAGE sip:bob@b.test SIP/2.0\r\n\
    Via: SIP/2.0/UDP a.test:5060;branch=z9hG4bK776;rport\r\n\
    Max-Forwards: 70\r\n\
    From: \"Alice\" <sip:alice@a.test>;tag=49583\r\n\
    To: <sip:bob@b.test>\r\n\
    Call-ID: asd88asd77a@a.test\r\n\
    CSeq: 1 MESSAGE\r\n\
    Content-Type: text/plain\r\n\
    Content-Length: 18\r\n\r\n\
    Watson, come here.";

#[expect(clippy::print_stdout, reason = "an example shows what it does")]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let options = ParseOptions::default();
    let Message::Request(mut request) = Message::parse(WIRE.into(), &options)? else {
        return Err("a response".into());
    };
    request.check(&options)?;

    let from = request.headers().typed::<From>().ok_or("no From")??;
    println!(
        "{} from {}: {:?}",
        request.method(),
        from.display_name(),
        request.body()
    );

    let Some(Ok(MaxForwards(hops @ 1..))) = request.headers().typed() else {
        return Err("too many hops".into());
    };
    request.headers_mut().set_typed(&MaxForwards(hops - 1));
    if let Some(Ok(mut top)) = request.headers().typed::<Via>() {
        top.note_source("192.0.2.1:40000".parse()?);
        request.headers_mut().replace_first_value(&top);
    }
    println!("\n{}", String::from_utf8_lossy(&request.to_bytes()));

    let answer = Response::for_request(&request, StatusCode::OK).with_to_tag("314159");
    println!("\n{}", String::from_utf8_lossy(&answer.to_bytes()));
    Ok(())
}
