//! `a=fmtp`.

use super::typed::typed_attribute;
use crate::Text;
use std::fmt;

/// Parameters of a format (RFC 8866 §6.15): `113 useinbandfec=1`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Fmtp {
    /// The format of the `m=` line: a payload type for RTP.
    pub format: Text,
    /// The parameters, in a syntax of the format's own.
    pub parameters: Text,
}

impl Fmtp {
    /// The value of a parameter, in the usual syntax `name=value; name=value`.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        fmtp_parameter(&self.parameters, name)
    }

    fn read(value: &str) -> Option<Self> {
        let (format, parameters) = value.split_once(' ')?;
        Some(Self {
            format: format.into(),
            parameters: parameters.trim().into(),
        })
    }
}

typed_attribute!(Fmtp, "fmtp");

/// Finds a parameter in `name=value; name=value`. Names are compared without regard to case (RFC 4855 §3).
pub fn fmtp_parameter<'a>(parameters: &'a str, name: &str) -> Option<&'a str> {
    parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .find(|(found, _)| found.trim().eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

impl fmt::Display for Fmtp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.format, self.parameters)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_in_any_case_and_spacing() {
        let fmtp: Fmtp = "111 minptime=10;useinbandfec=1 ; Stereo=0".parse().unwrap();
        assert_eq!(fmtp.format, "111");
        assert_eq!(fmtp.parameter("useinbandfec"), Some("1"));
        assert_eq!(fmtp.parameter("stereo"), Some("0"));
        assert_eq!(fmtp.parameter("min"), None);
    }

    #[test]
    fn parameters_of_another_syntax_are_kept() {
        let fmtp: Fmtp = "101 0-16".parse().unwrap();
        assert_eq!(fmtp.parameters, "0-16");
        assert_eq!(fmtp.to_string(), "101 0-16");
        assert!("101".parse::<Fmtp>().is_err());
    }
}
