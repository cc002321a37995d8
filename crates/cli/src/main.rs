//! The `ridethrough` binary.
fn main() {}
