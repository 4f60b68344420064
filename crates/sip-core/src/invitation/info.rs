//! INFO inside a call: packages (RFC 6086), and the old use without any, which many phones send keys by.

use super::{CommandError, Invitation, InvitationEvent, InvitationMut};
use crate::endpoint::{Body, Core, body_of};
use crate::transaction::TransactionId;
use crate::{HeaderName, Method, Request, StatusCode};
use std::time::{Duration, Instant};

impl Invitation {
    /// The peer's INFO: answered here, told to the owner (RFC 6086 §4.2.2).
    pub(super) fn handle_info(
        &mut self,
        core: &mut Core,
        now: Instant,
        id: TransactionId,
        request: &Request,
    ) {
        let package = request.headers().get_str(HeaderName::InfoPackage);
        let package = package.map(|value| value.split(';').next().unwrap_or_default().trim().to_owned());
        let is_known = package
            .as_ref()
            .is_none_or(|package| core.config.info_packages.iter().any(|own| own == package));
        if !is_known {
            let mut response = core.response_to(request, StatusCode::BAD_INFO_PACKAGE);
            let packages = core.config.info_packages.join(", ");
            response.headers_mut().push(HeaderName::RecvInfo, packages);
            return core.answer(now, id, response);
        }
        core.accept(now, id, request);
        let body = body_of(request.headers(), request.body());
        self.emit(core, InvitationEvent::Info { package, body });
    }
}

/// INFO.
impl InvitationMut<'_> {
    /// Sends an INFO inside an established call: of a package that the peer said it receives (RFC 6086), or without
    /// any, as phones did before. Its answer comes as
    /// [`RequestAnswered`](InvitationEvent::RequestAnswered).
    pub fn info(
        &mut self,
        now: Instant,
        package: Option<&str>,
        body: Option<&Body>,
    ) -> Result<TransactionId, CommandError> {
        let mut headers = Vec::new();
        if let Some(package) = package {
            headers.push((HeaderName::InfoPackage.as_str().to_owned(), package.to_owned()));
            if body.is_some() {
                // RFC 6086 §4.2.1: so that nobody takes it for something else.
                let disposition = HeaderName::ContentDisposition.as_str().to_owned();
                headers.push((disposition, "Info-Package".to_owned()));
            }
        }
        self.send_request(now, Method::Info, body, &headers)
    }

    /// Sends a key in the old way that many gateways want: INFO with `application/dtmf-relay`.
    pub fn info_dtmf(
        &mut self,
        now: Instant,
        signal: char,
        duration: Duration,
    ) -> Result<TransactionId, CommandError> {
        let body = DtmfRelay { signal, duration }.to_body();
        self.info(now, None, Some(&body))
    }
}

/// A key as the body of an INFO: `application/dtmf-relay`, or `application/dtmf`, which has the key alone. Neither was
/// ever standardised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DtmfRelay {
    /// `0` to `9`, `*`, `#`, `A` to `D`.
    pub signal: char,
    /// How long it was held. Written in milliseconds; 250 ms where the body does not say.
    pub duration: Duration,
}

impl DtmfRelay {
    const TYPE: &str = "application/dtmf-relay";
    const UNSAID: Duration = Duration::from_millis(250);

    /// The body for it.
    pub fn to_body(self) -> Body {
        let Self { signal, duration } = self;
        let text = format!("Signal={signal}\r\nDuration={}\r\n", duration.as_millis());
        Body::new(Self::TYPE, text)
    }

    /// Reads the body of an INFO; `None` where it is none of a key.
    pub fn of_body(body: &Body) -> Option<Self> {
        let media_type = body.content_type.split(';').next()?.trim();
        let text = std::str::from_utf8(&body.bytes).ok()?;
        let field = |wanted: &str| {
            text.lines().find_map(|line| {
                let (name, value) = line.split_once('=')?;
                name.trim().eq_ignore_ascii_case(wanted).then_some(value.trim())
            })
        };
        let signal = if media_type.eq_ignore_ascii_case(Self::TYPE) {
            field("Signal")?
        } else if media_type.eq_ignore_ascii_case("application/dtmf") {
            text.trim()
        } else {
            return None;
        };
        let signal = match signal {
            "10" => '*',
            "11" => '#',
            one if one.len() == 1 => one.chars().next()?.to_ascii_uppercase(),
            _ => return None,
        };
        let milliseconds = field("Duration").and_then(|value| value.parse::<u16>().ok());
        let duration = milliseconds.map_or(Self::UNSAID, |milliseconds| {
            Duration::from_millis(u64::from(milliseconds))
        });
        matches!(signal, '0'..='9' | 'A'..='D' | '*' | '#').then_some(Self { signal, duration })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_in_the_forms_that_phones_send() {
        let check = |content_type: &str, text: &str, expected: Option<(char, u64)>| {
            let read = DtmfRelay::of_body(&Body::new(content_type, text.to_owned()));
            let read = read.map(|key| (key.signal, key.duration.as_millis() as u64));
            assert_eq!(read, expected, "{content_type} {text:?}");
        };
        check(
            "application/dtmf-relay",
            "Signal=5\r\nDuration=160\r\n",
            Some(('5', 160)),
        );
        check(
            "Application/DTMF-Relay;x=y",
            "signal= d \nduration= 90",
            Some(('D', 90)),
        );
        check("application/dtmf-relay", "Signal=11", Some(('#', 250)));
        check("application/dtmf-relay", "Duration=160", None);
        check("application/dtmf", "*", Some(('*', 250)));
        check("application/dtmf", "hello", None);
        check("text/plain", "5", None);
    }

    #[test]
    fn a_key_survives_its_body() {
        let key = DtmfRelay {
            signal: '#',
            duration: Duration::from_millis(100),
        };
        assert_eq!(DtmfRelay::of_body(&key.to_body()), Some(key));
    }
}
