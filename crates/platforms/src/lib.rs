//! Drivers for what runs the load, moves it and wakes it.

pub mod ipmi;
pub mod libvirt;
pub mod redfish;
pub mod ssh;
pub mod wol;
