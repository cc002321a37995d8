//! Drivers for UPSes, PDUs and sensors.
