//! What differs between platforms. Both offer modules of the same names
//! with the same items.

#[cfg(miri)]
mod miri;
#[cfg(not(miri))]
mod unix;

#[cfg(miri)]
pub(crate) use miri::*;
#[cfg(not(miri))]
pub(crate) use unix::*;
