//! Drivers for UPSes. One directory a protocol: `wire` is pure bytes, `map` is pure meaning, the rest does the IO.

pub mod nut;
