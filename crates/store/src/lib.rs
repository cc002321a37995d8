//! The journal: durable records, written by one thread, read by everyone.
