//! What people ask for: arming, maintenance. Refusals say why and what to do.

use crate::input::{Command, CommandReply, Effect};
use crate::site::Site;
use ridethrough_model::{DomainId, DomainMode, Entry, Finding, FindingLevel, HostId, Millis, Now, UpsId};

/// Maintenance is never longer: it ends by itself.
const MAINTENANCE_MAX: Millis = Millis::from_secs(24 * 3600);

impl Site {
    pub(crate) fn command(&mut self, command: Command, now: &Now) {
        let reply = match command {
            Command::SetMode { domain, mode, by } => self.set_mode(domain, mode, by, now),
            Command::Maintenance { ups, duration, by } => self.set_maintenance(ups, duration, by, now),
            Command::Hold { duration, even_if_lost, by } => self.begin_hold(duration, even_if_lost, by, now),
            Command::ReleaseHold { by } => self.release_hold(&by, now),
            Command::Abort { by } => self.abort_run(by, now),
            Command::Return { by } => self.resume_run(&by, now),
            Command::KeepDrill { level, parts, by } => {
                self.hold_drill(level, parts, by, now);
                CommandReply::Done(Vec::new())
            }
            Command::Configure(proposal) => self.configure(*proposal, now),
            Command::NoteUnfit { code, text } => self.note_unfit(&code, text, now),
        };
        self.out.push(Effect::Answer(reply));
    }

    fn set_mode(&mut self, domain: DomainId, mode: DomainMode, by: String, now: &Now) -> CommandReply {
        if !self.config.topology.domains.contains_key(&domain) {
            let known: Vec<&str> = self.config.topology.domains.keys().map(DomainId::as_str).collect();
            return CommandReply::Refused(vec![Finding::error(
                "RT0412",
                format!("domain {domain}"),
                "There is no such domain.",
                format!("Known are: {}.", known.join(", ")),
            )]);
        }
        if mode == DomainMode::Observe {
            self.modes.insert(domain.clone(), mode);
            self.append_site(Entry::Disarmed { domain, by }, now);
            self.want_plan("a domain was disarmed");
            return CommandReply::Done(Vec::new());
        }
        self.make_standing(now);
        let findings = self.arm_findings(&domain, now);
        if findings.iter().any(|finding| finding.level == FindingLevel::Error) {
            return CommandReply::Refused(findings);
        }
        self.modes.insert(domain.clone(), mode);
        self.append_site(Entry::Armed { domain, by }, now);
        self.want_plan("a domain was armed");
        CommandReply::Done(findings)
    }

    pub(crate) fn arm_findings(&self, domain: &DomainId, now: &Now) -> Vec<Finding> {
        let mut findings = Vec::new();
        if self.log.is_stalled(now.mono, self.config.policy.journal_stall) {
            findings.push(Finding::error(
                "RT0404",
                "journal",
                "It cannot be written, so nothing could be taken up after a crash.",
                "Look at the disk of the data directory, then arm again.",
            ));
        }
        findings.extend(self.own_place_finding(domain));
        for ups in self.config.topology.domains.get(domain).iter().flat_map(|domain| &domain.upses) {
            if self.sources.get(ups).is_none_or(|source| source.reading.is_none()) {
                findings.push(Finding::error(
                    "RT0413",
                    format!("UPS {ups}"),
                    "It has not been heard yet, so nothing would be noticed.",
                    "Run `ridethrough check --connect` and mend what it says.",
                ));
            }
        }
        match self.standing.get(domain) {
            Some(standing) => {
                findings.extend(standing.lint.iter().cloned());
                findings.extend(standing.report.findings.iter().cloned().map(as_warning));
            }
            None => findings.push(Finding::error(
                "RT0414",
                format!("domain {domain}"),
                "There is no standing plan yet: no platform of it has told what runs where.",
                "Wait for the first inventory, or run `ridethrough check --connect`.",
            )),
        }
        findings.extend(self.unproven(domain));
        findings
    }

    /// Hosts that hang on any UPS of the domain.
    pub(crate) fn hosts_of<'a>(&'a self, domain: &'a DomainId) -> impl Iterator<Item = &'a HostId> {
        let upses = self.config.topology.domains.get(domain).map(|domain| &domain.upses);
        self.config
            .topology
            .hosts
            .iter()
            .filter(move |(_, host)| upses.is_some_and(|upses| host.feeds.iter().any(|feed| upses.contains(&feed.ups))))
            .map(|(id, _)| id)
    }

    /// What is not proven of a domain.
    #[must_use]
    pub fn unproven_of(&self, domain: &DomainId) -> Vec<Finding> {
        self.unproven(domain)
    }

    /// What is not proven although it is armed.
    fn unproven(&self, domain: &DomainId) -> Vec<Finding> {
        let mut findings = Vec::new();
        for id in self.hosts_of(domain) {
            let Some(host) = self.config.topology.hosts.get(id) else { continue };
            let missing: Vec<&str> = [
                (!host.can_shut_down).then_some("it cannot be told to shut down"),
                (!host.can_wake).then_some("it cannot be woken"),
                (!host.can_prove_off).then_some("nothing can prove that it is off"),
            ]
            .into_iter()
            .flatten()
            .collect();
            if !missing.is_empty() {
                let message = format!("Not proven: {}.", missing.join(", "));
                findings.push(Finding::warning("RT0416", format!("host {id}"), message, "Configure its shutdown and its BMC."));
            }
        }
        findings
    }

    fn set_maintenance(&mut self, ups: UpsId, duration: Option<Millis>, by: String, now: &Now) -> CommandReply {
        if !self.sources.contains_key(&ups) {
            let known: Vec<&str> = self.sources.keys().map(UpsId::as_str).collect();
            return CommandReply::Refused(vec![Finding::error(
                "RT0417",
                format!("UPS {ups}"),
                "There is no such UPS.",
                format!("Known are: {}.", known.join(", ")),
            )]);
        }
        match duration {
            Some(duration) if duration > MAINTENANCE_MAX || duration == Millis::ZERO => {
                return CommandReply::Refused(vec![Finding::error(
                    "RT0418",
                    format!("UPS {ups}"),
                    format!("{duration} is no length for maintenance: it must end by itself within {MAINTENANCE_MAX}."),
                    "Ask for less, and again when it is over.",
                )]);
            }
            Some(duration) => {
                self.maintenance.insert(ups.clone(), now.mono + duration);
                self.append_site(Entry::MaintenanceBegun { ups, duration, by }, now);
            }
            None => {
                self.maintenance.remove(&ups);
                self.append_site(Entry::MaintenanceEnded { ups, reason: format!("ended by {by}") }, now);
            }
        }
        self.want_plan("maintenance has changed");
        CommandReply::Done(Vec::new())
    }

    pub(crate) fn end_maintenance(&mut self, now: &Now) {
        let over: Vec<UpsId> =
            self.maintenance.iter().filter(|(_, until)| now.mono >= **until).map(|(ups, _)| ups.clone()).collect();
        for ups in over {
            self.maintenance.remove(&ups);
            self.append_site(Entry::MaintenanceEnded { ups, reason: "its time is over".to_owned() }, now);
            self.want_plan("maintenance is over");
        }
    }
}

fn as_warning(finding: Finding) -> Finding {
    Finding { level: finding.level.min(FindingLevel::Warning), ..finding }
}
