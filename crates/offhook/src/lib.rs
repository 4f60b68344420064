//! Real-time communication end-points in a few lines: the facade over the Offhook crates.
