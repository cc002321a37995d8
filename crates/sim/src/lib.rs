//! A fake site with battery physics, faults and scripts; also the demo.
