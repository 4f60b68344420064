//! baresip's `ctrl_tcp`: JSON in netstrings, commands one way, responses and events the other.

use super::child::wait;
use super::disagreement::Disagreement;
use super::ports::LOOPBACK;
use super::stage::Stage;
use serde_json::{Value, json};
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// Messages are short; one without an end would be a fault of ours or of baresip.
const MOST_BYTES: usize = 1 << 20;
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection to a running baresip, with all events since it began.
#[derive(Debug)]
pub(super) struct Control {
    stream: TcpStream,
    unread: Vec<u8>,
    events: Vec<Value>,
    responses: Vec<Value>,
}

impl Control {
    /// Connects as soon as baresip listens.
    pub(super) fn connect(stage: &Stage<'_>, who: &str, port: u16) -> Result<Self, Disagreement> {
        let stream = wait(stage, who, "control connection", PATIENCE, || {
            Ok(TcpStream::connect((LOOPBACK, port)).ok())
        })?;
        stream.set_nonblocking(true).map_err(Disagreement::Control)?;
        Ok(Self {
            stream,
            unread: Vec::new(),
            events: Vec::new(),
            responses: Vec::new(),
        })
    }

    /// Sends a command and waits for its response.
    pub(super) fn command(
        &mut self,
        stage: &Stage<'_>,
        command: &str,
        params: &str,
    ) -> Result<(), Disagreement> {
        let token = format!("{command}-{}", self.responses.len());
        let message = json!({"command": command, "params": params, "token": token}).to_string();
        self.stream
            .write_all(netstring(&message).as_bytes())
            .map_err(Disagreement::Control)?;
        let response = wait(
            stage,
            "baresip",
            &format!("response to {command}"),
            PATIENCE,
            || {
                self.read()?;
                Ok(self
                    .responses
                    .iter()
                    .find(|response| response["token"] == token.as_str())
                    .cloned())
            },
        )?;
        if response["ok"] == true {
            return Ok(());
        }
        Err(Disagreement::Refused {
            command: format!("{command} {params}"),
        })
    }

    /// Waits for the first event of a type, for example `CALL_ESTABLISHED`.
    pub(super) fn event(
        &mut self,
        stage: &Stage<'_>,
        who: &str,
        kind: &str,
        within: Duration,
    ) -> Result<Value, Disagreement> {
        wait(stage, who, kind, within, || {
            self.read()?;
            Ok(self.events.iter().find(|event| event["type"] == kind).cloned())
        })
    }

    fn read(&mut self) -> Result<(), Disagreement> {
        let mut chunk = [0; 4096];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(0) => break,
                Ok(count) => self.unread.extend_from_slice(&chunk[..count]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => return Err(Disagreement::Control(error)),
            }
        }
        while let Some((message, rest)) = split_netstring(&self.unread).map_err(Disagreement::Control)? {
            let parsed: Value = serde_json::from_slice(message)
                .map_err(|error| Disagreement::Control(std::io::Error::new(ErrorKind::InvalidData, error)))?;
            self.unread = rest.to_vec();
            if parsed["event"] == true {
                self.events.push(parsed);
            } else {
                self.responses.push(parsed);
            }
        }
        Ok(())
    }
}

fn netstring(message: &str) -> String {
    format!("{}:{message},", message.len())
}

/// A netstring's content and what follows it; `None` while it is not complete.
fn split_netstring(bytes: &[u8]) -> std::io::Result<Option<(&[u8], &[u8])>> {
    let broken = |what| Err(std::io::Error::new(ErrorKind::InvalidData, what));
    let Some(colon) = bytes.iter().position(|byte| *byte == b':') else {
        return if bytes.len() > MOST_BYTES.ilog10() as usize + 1 {
            broken("netstring without a length")
        } else {
            Ok(None)
        };
    };
    let length = std::str::from_utf8(&bytes[..colon])
        .ok()
        .and_then(|digits| digits.parse::<usize>().ok());
    let content = &bytes[colon + 1..];
    match length {
        None => broken("a netstring's length is no number"),
        Some(length) if length > MOST_BYTES => broken("netstring too long"),
        Some(length) => match content.get(length) {
            None => Ok(None),
            Some(b',') => Ok(Some((&content[..length], &content[length + 1..]))),
            Some(_) => broken("netstring without its comma"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_netstring_is_read_back_with_the_rest_behind_it() {
        let bytes = format!("{}3:ab", netstring("{\"a\":1}"));
        let (message, rest) = split_netstring(bytes.as_bytes()).unwrap().unwrap();
        assert_eq!((message, rest), (b"{\"a\":1}".as_slice(), b"3:ab".as_slice()));
        assert!(split_netstring(rest).unwrap().is_none());
    }

    #[test]
    fn broken_netstrings_are_refused() {
        for broken in ["x:", "3:abcd,", "123456789", "9999999:"] {
            assert!(split_netstring(broken.as_bytes()).is_err(), "{broken}");
        }
    }
}
