//! The reference of the configuration, made from the comments of the sections. Only tests use it: they keep the committed page true.
