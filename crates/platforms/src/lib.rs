//! Drivers for what runs the load, moves it and wakes it.

pub mod libvirt;
