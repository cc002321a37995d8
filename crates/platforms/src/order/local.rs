//! A program on the controller's own machine.

use super::judged;
use async_trait::async_trait;
use ridethrough_driver::program::{NotEnded, Program};
use ridethrough_driver::{Answer, Cx, Error, Facts, FailureKind, Order, Result};

/// A program that is run once per order.
#[derive(Clone, Debug)]
pub struct Local {
    program: Program,
}

impl Local {
    /// Looks at nothing yet.
    #[must_use]
    pub fn new(program: Program) -> Self {
        Self { program }
    }
}

#[async_trait]
impl Order for Local {
    fn name(&self) -> &'static str {
        "program"
    }

    async fn give(&self, facts: &Facts, cx: &Cx) -> Result<Answer> {
        let path = &self.program.path;
        let error = |kind, message: &str| Error::new(kind, "run a program", message.to_owned()).with("program", path);
        let environment = facts.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        match self.program.run(environment, &[], cx.deadline).await {
            Ok(ended) => Ok(judged(path, ended.status, &ended.said)),
            Err(NotEnded::NotBegun(cause)) => Err(error(FailureKind::Config, "it cannot be run").no_effect().caused_by(cause)),
            Err(lost @ NotEnded::Killed(_)) => Err(error(FailureKind::Unreachable, &lost.to_string())),
            Err(NotEnded::Lost(cause)) => Err(error(FailureKind::Unreachable, "it was lost").caused_by(cause)),
        }
    }
}
