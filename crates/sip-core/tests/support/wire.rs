//! What goes over the link, as text.

use super::{ALICE, BOB, Net};
use std::cell::RefCell;
use std::rc::Rc;

/// All that was sent since, and the link carries nothing any more.
pub(crate) fn cut(net: &mut Net) -> Rc<RefCell<Vec<String>>> {
    let sent = Rc::new(RefCell::new(Vec::new()));
    let log = sent.clone();
    net.fate = Box::new(move |transmit| {
        log.borrow_mut()
            .push(String::from_utf8_lossy(&transmit.bytes).into_owned());
        false
    });
    sent
}

pub(crate) fn field<'a>(message: &'a str, name: &str) -> &'a str {
    let line = message.lines().find(|line| line.starts_with(name));
    line.unwrap_or_else(|| panic!("no {name} in {message}"))
}

/// The answer to a request of ours, with a tag where there is none, as [`Net::inject`] takes it.
pub(crate) fn answer(request: &str, status: u16, more: &str) -> String {
    let to = field(request, "To:");
    let tag = if to.contains(";tag=") { "" } else { ";tag=peer" };
    format!(
        "SIP/2.0 {status} Whatever\n{}\n{}\n{to}{tag}\n{}\n{}\nContact: <sip:bob@{BOB}>\n{more}Content-Length: 0\n\n",
        field(request, "Via:"),
        field(request, "From:"),
        field(request, "Call-ID:"),
        field(request, "CSeq:"),
    )
}

pub(crate) fn status_of(message: &str) -> u16 {
    message
        .get(8..11)
        .and_then(|code| code.parse().ok())
        .unwrap_or_default()
}

/// A request of Alice's inside the dialog, or the early one, with Bob, that her endpoint would not send by itself.
pub(crate) fn of_alice(net: &mut Net, method: &str, number: u32) -> String {
    let id = net.bob().call().dialog().expect("a dialog").id().clone();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{method} sip:bob@192.0.2.2 SIP/2.0\nVia: SIP/2.0/UDP {ALICE};branch=z9hG4bK{method}{number}\n\
         Max-Forwards: 70\nFrom: <sip:alice@a.test>;tag={}\nTo: <sip:bob@b.test>;tag={}\nCall-ID: {}\n\
         CSeq: {number} {method}\nContact: <sip:alice@{ALICE}>\n\n",
        text(&id.remote_tag),
        text(&id.local_tag),
        text(&id.call_id)
    )
}
