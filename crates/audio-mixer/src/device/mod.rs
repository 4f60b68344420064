//! Sound devices as ports. [`NullDevice`] is always there.

mod null;

pub use null::NullDevice;
