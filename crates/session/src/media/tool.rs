//! What streams of external media tools and the media side say to each other.

use std::fmt;

/// A tool to start, with everything that was negotiated filled in.
#[derive(Clone, PartialEq, Eq)]
pub struct ToolStart {
    /// The program: a path, or a name that is looked for where the system looks for programs.
    pub program: String,
    /// Its arguments, one by one: no shell reads them.
    pub arguments: Vec<String>,
    /// The session description of what it shall receive, which it can read from its standard input.
    pub description: String,
}

/// Without its arguments and the description: keys may be in both.
impl fmt::Debug for ToolStart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ToolStart")
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// What the media side tells of an external tool.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ToolEvent {
    /// It runs.
    Started,
    /// It does not run, or no longer: not by our wish.
    Ended {
        /// Why, with its exit code and its last words, for a person.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_of_a_tool_has_no_keys() {
        let start = ToolStart {
            program: "ffmpeg".to_owned(),
            arguments: vec!["secret".to_owned()],
            description: "a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:secret".to_owned(),
        };
        let shown = format!("{start:?}");
        assert!(shown.contains("ffmpeg") && !shown.contains("secret"), "{shown}");
    }
}
