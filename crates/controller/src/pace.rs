//! How often things are looked at and how long an answer may take. Numbers of the controller, not of the site's policy.

use crate::drill::Rhythm;
use std::time::Duration;

/// Intervals and deadlines. Where two are given: on mains, and while a UPS is on battery or a run is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pace {
    /// Between looks at a UPS on mains.
    pub ups_mains: Duration,
    /// Between looks at a UPS at risk.
    pub ups_battery: Duration,
    /// Between looks at who else follows a UPS.
    pub followers: Duration,
    /// Between inventories on mains.
    pub inventory_mains: Duration,
    /// Between inventories at risk.
    pub inventory_battery: Duration,
    /// Between measures of a platform, on mains only.
    pub measure: Duration,
    /// Between looks at a host's power on mains.
    pub host_mains: Duration,
    /// Between looks at a host's power at risk.
    pub host_battery: Duration,
    /// How long a UPS may take to answer. Well below the policy's `silence`.
    pub ups_deadline: Duration,
    /// How long an inventory may take.
    pub inventory_deadline: Duration,
    /// How long a look at a host's power may take.
    pub host_deadline: Duration,
    /// How long a platform may take to accept, poll or observe an operation.
    pub call_deadline: Duration,
    /// How long a host may take to accept being shut down or woken.
    pub host_call_deadline: Duration,
    /// How long a load may take to accept being stopped or started. Its own time limit is shorter.
    pub load_call_deadline: Duration,
    /// How long the end waits for the journal.
    pub flush_deadline: Duration,
    /// When a drill on paper is held by itself.
    pub paper: Option<Rhythm>,
    /// When everything is asked by itself.
    pub preflight: Option<Rhythm>,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            ups_mains: Duration::from_secs(5),
            ups_battery: Duration::from_secs(1),
            followers: Duration::from_secs(60),
            inventory_mains: Duration::from_secs(15),
            inventory_battery: Duration::from_secs(3),
            measure: Duration::from_secs(60),
            host_mains: Duration::from_secs(30),
            host_battery: Duration::from_secs(5),
            ups_deadline: Duration::from_secs(4),
            inventory_deadline: Duration::from_secs(10),
            host_deadline: Duration::from_secs(8),
            call_deadline: Duration::from_secs(10),
            host_call_deadline: Duration::from_secs(15),
            load_call_deadline: Duration::from_secs(600),
            flush_deadline: Duration::from_secs(5),
            paper: None,
            preflight: None,
        }
    }
}
