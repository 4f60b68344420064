//! What streams of external media tools and the media side say to each other.

/// A tool to start, with everything that was negotiated filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ToolStart {
    /// The program: a path, or a name that is looked for where the system looks for programs.
    pub program: String,
    /// Its arguments, one by one: no shell reads them.
    pub arguments: Vec<String>,
    /// The session description of what it shall receive, which it can read from its standard input.
    pub description: String,
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
