//! What the second point asks of the NUT driver.

mod secure;
mod way;
