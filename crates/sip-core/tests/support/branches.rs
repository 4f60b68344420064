//! Alice's INVITE, answered by whomever a forking proxy takes it to.

use super::wire::{cut, field};
use super::{BOB, Net};

/// Answers Alice's INVITE as one branch would: `tag` names it.
pub(crate) fn branch_responds(net: &mut Net, invite: &str, status: &str, tag: &str) {
    let to = field(invite, "To:");
    let to_tag = if to.contains(";tag=") {
        String::new()
    } else {
        format!(";tag={tag}")
    };
    let response = format!(
        "SIP/2.0 {status}\n{}\n{}\n{to}{to_tag}\n{}\n{}\nContact: <sip:{tag}@192.0.2.2>\n\
         Content-Type: application/sdp\nContent-Length: {}\n\n{tag}",
        field(invite, "Via:"),
        field(invite, "From:"),
        field(invite, "Call-ID:"),
        field(invite, "CSeq:"),
        tag.len()
    );
    net.inject(0, BOB, &response);
}

/// Alice's INVITE, which nobody but the test answers.
pub(crate) fn forked() -> (Net, String) {
    let mut net = Net::pair();
    let sent = cut(&mut net);
    net.call();
    let invite = sent.borrow()[0].clone();
    net.log.clear();
    (net, invite)
}
