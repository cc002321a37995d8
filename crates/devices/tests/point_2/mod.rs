//! What the second point asks of the NUT driver.

mod odd;
mod order;
mod secure;
mod way;
