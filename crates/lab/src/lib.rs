//! The test lab: namespaces, libvirt hosts, guests, BMCs, upsd. Development only.
