//! Drivers for what runs the load, moves it and wakes it.

pub mod ipmi;
pub mod libvirt;
pub mod load;
pub mod order;
pub mod ready;
pub mod redfish;
pub mod ssh;
pub mod vsphere;
pub mod wol;
