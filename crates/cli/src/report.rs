//! What happens, told to a person or to a script.

use crate::progress::above_bars;
use offhook::{
    AudioEvent, ChatEvent, Composing, DesktopSharingEvent, FileTransferEvent, Originator,
    RenegotiationAction, RfbContext, SessionEvent, Statistics, StreamEvent, StreamId,
};
use serde_json::{Map, Value, json};
use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

/// Prints events as they come: sentences for people, or one JSON object a line.
#[derive(Clone, Copy)]
pub(crate) struct Reporter {
    json: bool,
    start: Instant,
    /// Which call it is, counted from 1, where there may be several.
    call: Option<u64>,
    /// Others run beside it: each line says which it is about.
    is_among_others: bool,
    /// Which of its streams it is about, for a script.
    stream: Option<StreamId>,
}

impl Reporter {
    pub(crate) fn new(json: bool) -> Self {
        Self {
            json,
            start: Instant::now(),
            call: None,
            is_among_others: false,
            stream: None,
        }
    }

    /// True when events are for a script.
    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// The same, for one of several calls.
    pub(crate) fn for_call(self, number: u64) -> Self {
        Self {
            call: Some(number),
            ..self
        }
    }

    /// The same, for one of several that run at a time.
    pub(crate) fn at_place(self, number: u64) -> Self {
        Self {
            is_among_others: true,
            ..self.for_call(number)
        }
    }

    /// One event of the program itself: a JSON name and fields, and the sentence for people.
    pub(crate) fn say(&self, name: &str, fields: Value, sentence: &str) {
        let place = self.call.filter(|_| self.is_among_others);
        if !self.json {
            return match place {
                Some(number) => print_line(&format!("[{number}] {sentence}")),
                None => print_line(sentence),
            };
        }
        let mut object = Map::new();
        object.insert("event".to_owned(), name.into());
        let time = (self.start.elapsed().as_secs_f64() * 1000.0).round() / 1000.0;
        object.insert("time".to_owned(), time.into());
        object.extend(place.map(|number| ("call".to_owned(), number.into())));
        object.extend(self.stream.map(|stream| ("stream".to_owned(), stream.0.into())));
        if let Value::Object(fields) = fields {
            object.extend(fields);
        }
        print_line(&Value::Object(object).to_string());
    }

    /// One event of a session.
    pub(crate) fn session(&self, event: &SessionEvent) {
        match event {
            SessionEvent::NewOutgoing { remote_identity, .. } => {
                let remote = remote_identity.uri.to_string();
                self.say(
                    "new_outgoing",
                    json!({ "remote": remote }),
                    &format!("Calling {remote}"),
                );
            }
            SessionEvent::NewIncoming {
                remote_identity,
                streams,
                ..
            } => self.new_incoming(&remote_identity.uri.to_string(), streams),
            SessionEvent::GotRingIndication => self.say("got_ring_indication", json!({}), "Ringing"),
            SessionEvent::GotProvisionalResponse { code, reason } => self.say(
                "got_provisional_response",
                json!({ "code": code.as_u16(), "reason": reason }),
                &format!("{code} {reason}"),
            ),
            SessionEvent::WillStart => self.say("will_start", json!({}), "Answered"),
            SessionEvent::DidStart { streams } => self.did_start(streams),
            SessionEvent::Stream { stream, event } => {
                let stream = Some(*stream);
                Self { stream, ..*self }.stream(event);
            }
            SessionEvent::DidChangeHoldState { .. } | SessionEvent::DidNotChangeHoldState { .. } => {
                self.hold(event);
            }
            SessionEvent::DidFail {
                originator,
                code,
                reason,
                redirect_identities,
            } => {
                let elsewhere = redirect_identities.iter().map(|target| target.uri.to_string());
                let elsewhere: Vec<_> = elsewhere.collect();
                let mut sentence = format!("Not established: {}", status(*code, reason));
                if !elsewhere.is_empty() {
                    sentence = format!("{sentence}; to be called at {}", elsewhere.join(", "));
                }
                let fields = json!({
                    "originator": originator.to_string(),
                    "code": code,
                    "reason": reason,
                    "redirect_identities": elsewhere,
                });
                self.say("did_fail", fields, &sentence);
            }
            SessionEvent::Redirected { target } => {
                let target = target.to_string();
                self.say(
                    "redirected",
                    json!({ "target": target }),
                    &format!("Sent on to {target}"),
                );
            }
            SessionEvent::TransferNewOutgoing { .. }
            | SessionEvent::TransferNewIncoming { .. }
            | SessionEvent::TransferDidStart
            | SessionEvent::TransferGotProgress { .. }
            | SessionEvent::TransferDidEnd
            | SessionEvent::TransferDidFail { .. } => self.transfer(event),
            SessionEvent::GotProposal { .. }
            | SessionEvent::GotAcceptProposal { .. }
            | SessionEvent::GotRejectProposal { .. }
            | SessionEvent::HadProposalFailure { .. }
            | SessionEvent::DidRenegotiateStreams { .. } => self.proposal(event),
            SessionEvent::DidProcessTransaction { .. } if self.json => self.transaction(event),
            SessionEvent::WillEnd => self.say("will_end", json!({}), "Ending"),
            SessionEvent::DidEnd {
                originator,
                reason,
                duration,
            } => self.did_end(*originator, reason, *duration),
            _ => {}
        }
    }

    fn new_incoming(&self, remote: &str, streams: &offhook::Streams) {
        let what = if streams.is_empty() {
            String::new()
        } else {
            format!(": {streams}")
        };
        self.say(
            "new_incoming",
            json!({ "remote": remote, "call": self.call, "streams": kinds(streams) }),
            &format!("Call from {remote}{what}"),
        );
    }

    fn stream(&self, event: &StreamEvent) {
        match event {
            StreamEvent::DidStart if self.json => self.say("stream_did_start", json!({}), ""),
            StreamEvent::DidEnd if self.json => self.say("stream_did_end", json!({}), ""),
            StreamEvent::Audio(event) => self.audio(event),
            StreamEvent::Chat(event) => self.chat(event),
            StreamEvent::FileTransfer(event) => self.file(event),
            StreamEvent::DesktopSharing(event) => self.desktop(event),
            StreamEvent::DidFail { reason } => {
                self.say("stream_did_fail", json!({ "reason": reason }), reason);
            }
            _ => {}
        }
    }

    fn audio(&self, event: &AudioEvent) {
        match event {
            AudioEvent::Statistics(statistics) => self.statistics(statistics),
            AudioEvent::GotDtmf { digit } => {
                self.say(
                    "got_dtmf",
                    json!({ "digit": digit.to_string() }),
                    &format!("The other side pressed {digit}"),
                );
            }
            AudioEvent::DidEnableEncryption { suite } => self.say(
                "did_enable_encryption",
                json!({ "encryption": suite.name() }),
                &format!("Encrypted, and the other side is who it says: {suite}"),
            ),
            AudioEvent::DidTimeoutRtp => {
                self.say("did_timeout_rtp", json!({}), "No sound has arrived for a while");
            }
            AudioEvent::DidChangeRtpParameters {
                codec,
                sample_rate,
                remote,
            } => self.say(
                "did_change_rtp_parameters",
                json!({ "codec": codec, "sample_rate": sample_rate, "remote": remote.to_string() }),
                &format!("Sound now goes as {codec}, {sample_rate} Hz, and comes from {remote}"),
            ),
            AudioEvent::CodecChangeDidFail { reason } => self.say(
                "codec_change_did_fail",
                json!({ "reason": reason }),
                &format!("The other side does not change the codec: {}", printable(reason)),
            ),
            AudioEvent::DidStartRecording { path } => {
                self.recording("did_start_recording", "Recording to", path);
            }
            AudioEvent::DidStopRecording { path } => self.recording("did_stop_recording", "Recorded", path),
            AudioEvent::RecordingDidFail { path, reason } => self.say(
                "recording_did_fail",
                json!({ "path": path, "reason": reason }),
                reason,
            ),
            _ => {}
        }
    }

    pub(crate) fn recording(&self, name: &str, what: &str, path: &Path) {
        let sentence = format!("{what} {}", path.display());
        self.say(name, json!({ "path": path }), &sentence);
    }

    fn chat(&self, event: &ChatEvent) {
        match event {
            ChatEvent::GotMessage { message } => {
                let sender = message.sender.as_ref().map(|sender| sender.uri().to_owned());
                let text = String::from_utf8_lossy(&message.body);
                let fields = json!({ "sender": sender, "content_type": message.content_type, "body": text });
                let sentence = match message.sender.as_ref().and_then(|sender| sender.name()) {
                    Some(name) => format!("{}: {}", printable(name), printable(&text)),
                    None => format!("< {}", printable(&text)),
                };
                self.say("got_message", fields, &sentence);
            }
            ChatEvent::DidDeliverMessage { message_id } if self.json => {
                self.say("did_deliver_message", json!({ "message_id": message_id }), "");
            }
            ChatEvent::DidNotDeliverMessage {
                message_id,
                code,
                reason,
            } => {
                let fields = json!({ "message_id": message_id, "code": code, "reason": reason });
                self.say(
                    "did_not_deliver_message",
                    fields,
                    &format!("Not delivered: {reason}"),
                );
            }
            ChatEvent::GotComposingIndication { composing, .. } if self.json => {
                let is_active = *composing == Composing::Active;
                self.say("got_composing_indication", json!({ "active": is_active }), "");
            }
            _ => {}
        }
    }

    fn file(&self, event: &FileTransferEvent) {
        match event {
            FileTransferEvent::Progress { transferred, size } if self.json => {
                self.say(
                    "file_progress",
                    json!({ "transferred": transferred, "size": size }),
                    "",
                );
            }
            FileTransferEvent::DidResume { transferred, size } => {
                let fields = json!({ "transferred": transferred, "size": size });
                let sentence = match size {
                    Some(size) => {
                        format!("Going on where it broke off: {transferred} of {size} bytes are there")
                    }
                    None => format!("Going on where it broke off: {transferred} bytes are there"),
                };
                self.say("file_did_resume", fields, &sentence);
            }
            FileTransferEvent::DidFinish { path } => {
                let path = path.display().to_string();
                self.say(
                    "file_did_finish",
                    json!({ "path": path }),
                    &format!("Done: {path}"),
                );
            }
            _ => {}
        }
    }

    fn desktop(&self, event: &DesktopSharingEvent) {
        match event {
            DesktopSharingEvent::HandlerDidConnect { address } => {
                let address = address.to_string();
                let sentence = format!("VNC runs, with {address}");
                self.say("vnc_did_connect", json!({ "address": address }), &sentence);
            }
            // For people the failure of the stream, which follows, says the same.
            DesktopSharingEvent::HandlerDidFail { context, reason } if self.json => {
                let context = match context {
                    RfbContext::Connecting => "connecting",
                    RfbContext::Reading => "reading",
                    RfbContext::Sending => "sending",
                };
                let fields = json!({ "context": context, "reason": reason });
                self.say("vnc_did_fail", fields, "");
            }
            _ => {}
        }
    }

    fn transfer(&self, event: &SessionEvent) {
        match event {
            SessionEvent::TransferNewOutgoing { target } => {
                let target = target.uri.to_string();
                let sentence = format!("Asked the other side to call {target}");
                self.say("transfer_new_outgoing", json!({ "target": target }), &sentence);
            }
            SessionEvent::TransferNewIncoming {
                target,
                referred_by,
                is_attended,
            } => {
                let target = target.uri.to_string();
                let by = referred_by.as_ref().map(|by| by.uri.to_string());
                let fields = json!({ "target": target, "referred_by": by, "attended": is_attended });
                let sentence = format!("The other side asks us to call {target}");
                self.say("transfer_new_incoming", fields, &sentence);
            }
            SessionEvent::TransferDidStart => {
                self.say("transfer_did_start", json!({}), "The transfer was accepted");
            }
            SessionEvent::TransferGotProgress { code, reason } => {
                let fields = json!({ "code": code.as_u16(), "reason": reason });
                self.say(
                    "transfer_got_progress",
                    fields,
                    &format!("The transfer: {code} {reason}"),
                );
            }
            SessionEvent::TransferDidEnd => {
                self.say("transfer_did_end", json!({}), "The transfer is done");
            }
            SessionEvent::TransferDidFail { code, reason } => {
                let fields = json!({ "code": code, "reason": reason });
                let sentence = format!("The transfer failed: {}", status(*code, reason));
                self.say("transfer_did_fail", fields, &sentence);
            }
            _ => {}
        }
    }

    fn proposal(&self, event: &SessionEvent) {
        match event {
            SessionEvent::GotProposal { originator, streams } => self.say(
                "got_proposal",
                json!({ "originator": originator.to_string(), "streams": kinds(streams) }),
                &match originator {
                    Originator::Local => format!("Proposed to add {streams}"),
                    Originator::Remote => format!("The other side proposes to add {streams}"),
                },
            ),
            SessionEvent::GotAcceptProposal { originator, streams } => self.say(
                "got_accept_proposal",
                json!({ "originator": originator.to_string(), "streams": kinds(streams) }),
                &format!("The {originator} side accepts {streams}"),
            ),
            SessionEvent::GotRejectProposal {
                originator,
                code,
                reason,
                ..
            } => self.say(
                "got_reject_proposal",
                json!({ "originator": originator.to_string(), "code": code, "reason": reason }),
                &format!("Not added: {}", status(*code, reason)),
            ),
            SessionEvent::HadProposalFailure { reason, .. } => self.say(
                "had_proposal_failure",
                json!({ "reason": reason }),
                &format!("Not added: {reason}"),
            ),
            SessionEvent::DidRenegotiateStreams { action, streams } => {
                let added = *action == RenegotiationAction::Add;
                let what = if added { "Added" } else { "Removed" };
                self.say(
                    "did_renegotiate_streams",
                    json!({ "action": what.to_lowercase(), "streams": kinds(streams) }),
                    &format!("{what}: {streams}"),
                );
            }
            _ => {}
        }
    }

    /// For scripts: a person hears of what comes of it.
    fn transaction(&self, event: &SessionEvent) {
        if let SessionEvent::DidProcessTransaction {
            originator,
            method,
            code,
            reason,
            ack_received,
        } = event
        {
            let fields = json!({
                "originator": originator.to_string(),
                "method": method.as_str(),
                "code": code,
                "reason": reason,
                "ack_received": ack_received,
            });
            self.say("did_process_transaction", fields, "");
        }
    }

    fn hold(&self, event: &SessionEvent) {
        match event {
            SessionEvent::DidChangeHoldState {
                originator, on_hold, ..
            } => {
                let what = if *on_hold {
                    "put the call on hold"
                } else {
                    "took the call off hold"
                };
                let fields = json!({ "originator": originator.to_string(), "on_hold": on_hold });
                let sentence = format!("The {originator} side {what}");
                self.say("did_change_hold_state", fields, &sentence);
            }
            SessionEvent::DidNotChangeHoldState {
                on_hold,
                code,
                reason,
            } => {
                let what = if *on_hold { "on hold" } else { "off hold" };
                let fields = json!({ "on_hold": on_hold, "code": code, "reason": reason });
                let sentence = format!("The call is not {what}: {}", status(*code, reason));
                self.say("did_not_change_hold_state", fields, &sentence);
            }
            _ => {}
        }
    }

    fn did_end(&self, originator: Originator, reason: &str, duration: Duration) {
        let seconds = (duration.as_secs_f64() * 1000.0).round() / 1000.0;
        let fields = json!({ "originator": originator.to_string(), "reason": reason, "duration": seconds });
        let sentence = format!("Ended by the {originator} side after {seconds:.1} s: {reason}");
        self.say("did_end", fields, &sentence);
    }

    fn did_start(&self, streams: &offhook::Streams) {
        let sentence = format!("Established: {streams}");
        let Ok(audio) = streams.audio() else {
            return self.say("did_start", json!({ "streams": kinds(streams) }), &sentence);
        };
        let text = |address: Option<std::net::SocketAddr>| address.map(|address| address.to_string());
        let fields = json!({
            "codec": audio.codec,
            "sample_rate": audio.sample_rate,
            "local_rtp": text(audio.local_rtp),
            "remote_rtp": text(audio.remote_rtp),
            "encryption": audio.encryption.map(offhook::SrtpSuite::name),
            "streams": kinds(streams),
        });
        self.say("did_start", fields, &sentence);
    }

    fn statistics(&self, figures: &Statistics) {
        let millis = |time: Duration| (time.as_secs_f64() * 10_000.0).round() / 10.0;
        let fields = json!({
            "packets_sent": figures.packets_sent,
            "packets_received": figures.packets_received,
            "packets_lost": figures.packets_lost,
            "jitter_ms": millis(figures.jitter),
            "round_trip_ms": figures.round_trip.map(millis),
        });
        let round_trip = figures
            .round_trip
            .map_or("-".to_owned(), |time| format!("{:.1} ms", millis(time)));
        let sentence = format!(
            "  sent {}, received {}, lost {}, jitter {:.1} ms, round trip {round_trip}",
            figures.packets_sent,
            figures.packets_received,
            figures.packets_lost,
            millis(figures.jitter),
        );
        self.say("statistics", fields, &sentence);
    }
}

/// What kind each of the streams is, and what is known of it.
fn kinds(streams: &offhook::Streams) -> Vec<String> {
    streams.iter().map(ToString::to_string).collect()
}

fn status(code: u16, reason: &str) -> String {
    if code == 0 {
        reason.to_owned()
    } else {
        format!("{code} {reason}")
    }
}

/// What others write must not move the cursor or colour the screen.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|letter| !letter.is_control() || *letter == '\n')
        .collect()
}

/// Where nobody reads any more, nobody would know of the calls that are made and taken: the program leaves, as those do that such
/// a pipe ends, but in good order.
fn print_line(line: &str) {
    let written = above_bars(|| {
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}").and_then(|()| out.flush())
    });
    if written.is_err_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe) {
        crate::interrupt::leave();
    }
}
