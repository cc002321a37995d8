//! Each lint on a small text, with the words a person sees.
