//! gather
use super::problem::Problem;
/// Gather.
#[must_use]
pub fn gathered(_problem: &Problem) -> Option<Problem> {
    None
}
