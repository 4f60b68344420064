//! What each fuzz target does, as plain functions: they panic when an invariant breaks.

/// A target's name, which is also the name of its corpus folder, and its function.
pub type Target = (&'static str, fn(&[u8]));

/// All targets, for the replay of the committed corpora.
pub const TARGETS: &[Target] = &[];
