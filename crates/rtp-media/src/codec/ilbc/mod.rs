//! iLBC, 15.2 kbit/s in frames of 20 ms or 13.33 kbit/s in frames of 30 ms (RFC 3951), as RTP carries it (RFC 3952).
//!
//! Each frame stands by itself but for its filters, so that a loss is heard no longer than it lasts. Written from the
//! text of the RFC's §2 to §4, with the numbers of its Appendix A; floating point, as there.

mod codebook;
mod conceal;
mod decoder;
mod encoder;
mod enhancer;
mod excitation;
mod filter;
mod frame;
mod lsf;
mod lsf_tables;
mod mode;
mod search;
mod state;
mod tables;

pub(super) use decoder::decoder;
pub(super) use encoder::encoder;
pub use mode::IlbcMode;

#[cfg(test)]
mod tests;
