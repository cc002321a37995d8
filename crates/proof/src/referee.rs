//! An independent simulator: plays a plan second by second against batteries after their own law, and tells what went wrong. It shares
//! no code with the planner; it reads only what a plan says and what the problem's facts are.

use ridethrough_decide::schedule::{Draft, Problem};

/// What became of a plan.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// What it broke, in words.
    pub faults: Vec<String>,
    /// VMs whose power was cut before they were down or away, hosts likewise.
    pub unclean: usize,
    /// Per battery: the share that was drained.
    pub drained: Vec<f64>,
    /// The worth of what ran, in the units of the instance.
    pub worth: f64,
    /// VMs of the first tier that moved.
    pub saved: usize,
    /// Per battery: the seconds until it was empty, if it came to that.
    pub dead: Vec<Option<f64>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Guest {
    Runs,
    Leaves(f64),
    Gone,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Server {
    On,
    GoesDown(f64),
    Off,
}

/// Plays a plan. `laws` say what a second at so many watts drains of each battery, in shares; `allowed` how much of each may be used.
pub fn judge(problem: &Problem, draft: &Draft, laws: &[&dyn Fn(f64) -> f64], allowed: &[f64]) -> Verdict {
    let mut verdict = Verdict { drained: vec![0.0; laws.len()], dead: vec![None; laws.len()], ..Verdict::default() };
    on_paper(problem, draft, &mut verdict);
    let tick = f64::from(problem.grid.tick_ms()) / 1000.0;
    let seconds = |slot: u16| problem.grid.begin_ms(slot) as f64 / 1000.0;
    let mut guests = vec![Guest::Runs; problem.vms.len()];
    let mut servers = vec![Server::On; problem.hosts.len()];
    let end = seconds(problem.grid.slots());
    let mut now = 0.0;
    while now < end - 1e-9 {
        for (v, vm) in problem.vms.iter().enumerate() {
            let begins = match (vm.fixed, draft.moved[v]) {
                (Some(fixed), _) => {
                    if now >= seconds(fixed) - 1e-9 {
                        guests[v] = Guest::Gone;
                    }
                    continue;
                }
                (None, Some(moved)) => (seconds(moved.start), f64::from(vm.moving.unwrap_or(0)) * tick),
                (None, None) => (seconds(draft.stop[v]), f64::from(vm.stop) * tick),
            };
            if guests[v] == Guest::Runs && now >= begins.0 - 1e-9 {
                guests[v] = Guest::Leaves(begins.0 + begins.1);
            }
            if matches!(guests[v], Guest::Leaves(until) if now >= until - 1e-9) {
                guests[v] = Guest::Gone;
            }
        }
        go_down(problem, &guests, &mut servers, now, (tick, &seconds));
        drain(problem, (&guests, &servers), laws, (now, tick), &mut verdict);
        now += tick;
    }
    for (h, server) in servers.iter().enumerate() {
        if *server != Server::Off && problem.hosts[h].off.is_none() && !problem.hosts[h].feeds.is_empty() {
            verdict.faults.push(format!("host {h} is still on when the plan ends"));
        }
    }
    for (u, drained) in verdict.drained.iter().enumerate() {
        if *drained > allowed[u] + 1e-9 {
            verdict.faults.push(format!("battery {u}: {drained:.6} drained, {:.6} allowed", allowed[u]));
        }
    }
    verdict
}

fn go_down(problem: &Problem, guests: &[Guest], servers: &mut [Server], now: f64, at: (f64, &dyn Fn(u16) -> f64)) {
    // A host may follow in the same moment as the one it waited for.
    for _ in 0..=problem.hosts.len() {
        let before = servers.to_vec();
        for (h, host) in problem.hosts.iter().enumerate() {
            if let Some(off) = host.off {
                servers[h] = if now >= at.1(off) - 1e-9 { Server::Off } else { Server::On };
                continue;
            }
            let is_empty = problem.vms.iter().zip(guests).all(|(vm, guest)| vm.host != h || *guest == Guest::Gone);
            let waits = host.outlives.iter().any(|other| before[*other] != Server::Off);
            if servers[h] == Server::On && is_empty && !waits {
                servers[h] = Server::GoesDown(now + f64::from(host.shutdown) * at.0);
            }
            if matches!(servers[h], Server::GoesDown(until) if now >= until - 1e-9) {
                servers[h] = Server::Off;
            }
        }
        if before == servers {
            break;
        }
    }
}

fn drain(
    problem: &Problem,
    (guests, servers): (&[Guest], &[Server]),
    laws: &[&dyn Fn(f64) -> f64],
    (now, tick): (f64, f64),
    verdict: &mut Verdict,
) {
    let mut watts: Vec<f64> = problem.sources.iter().map(|source| source.base as f64 / 1000.0).collect();
    let mut add = |host: usize, power: u64| {
        for feed in &problem.hosts[host].feeds {
            watts[feed.source] += power as f64 / 1000.0 * f64::from(feed.share) / 1e6;
        }
    };
    for (h, host) in problem.hosts.iter().enumerate() {
        if servers[h] != Server::Off {
            add(h, host.idle);
        }
    }
    for (v, vm) in problem.vms.iter().enumerate() {
        if guests[v] != Guest::Gone {
            add(vm.host, vm.power);
        }
    }
    for (u, law) in laws.iter().enumerate() {
        verdict.drained[u] += law(watts[u]) * tick;
        if verdict.drained[u] >= 1.0 && verdict.dead[u].is_none() {
            verdict.dead[u] = Some(now);
            let fed = |h: usize| problem.hosts[h].feeds.iter().any(|feed| feed.source == u);
            let cut = problem.vms.iter().zip(guests).filter(|(vm, guest)| fed(vm.host) && **guest != Guest::Gone).count();
            let servers = servers.iter().enumerate().filter(|(h, server)| fed(*h) && **server != Server::Off).count();
            verdict.unclean += cut + servers;
        }
    }
}

/// What can be seen without a clock: order, room, lanes, company, needs.
fn on_paper(problem: &Problem, draft: &Draft, verdict: &mut Verdict) {
    let stays = |v: usize| problem.vms[v].fixed.is_none() && draft.moved[v].is_none();
    let share = |a: usize, b: usize| {
        let feeds = &problem.hosts[problem.vms[a].host].feeds;
        feeds.iter().any(|feed| problem.hosts[problem.vms[b].host].feeds.iter().any(|other| other.source == feed.source))
    };
    for a in (0..problem.vms.len()).filter(|v| stays(*v)) {
        for b in (0..problem.vms.len()).filter(|v| stays(*v)) {
            if problem.vms[a].tier < problem.vms[b].tier && draft.stop[a] < draft.stop[b] && share(a, b) {
                verdict
                    .faults
                    .push(format!("VM {a} of tier {} stops before VM {b} of tier {}", problem.vms[a].tier, problem.vms[b].tier));
            }
        }
        for user in problem.vms[a].dependents.iter().filter(|user| stays(**user)) {
            let down =
                problem.grid.begin_ms(draft.stop[*user]) + u64::from(problem.vms[*user].stop) * u64::from(problem.grid.tick_ms());
            if down > problem.grid.begin_ms(draft.stop[a]) {
                verdict.faults.push(format!("VM {a} stops before VM {user}, which needs it, is down"));
            }
        }
        let worth: f64 = problem.worth.iter().take(usize::from(draft.stop[a])).map(|worth| f64::from(*worth) / 1e6).sum();
        verdict.worth += worth * f64::from(problem.vms[a].weight);
    }
    moves_on_paper(problem, draft, verdict);
}

fn moves_on_paper(problem: &Problem, draft: &Draft, verdict: &mut Verdict) {
    let whole: f64 = problem.worth.iter().map(|worth| f64::from(*worth) / 1e6).sum();
    let moves: Vec<_> = draft.moved.iter().enumerate().filter_map(|(v, moved)| moved.map(|moved| (v, moved))).collect();
    for (v, moved) in &moves {
        let vm = &problem.vms[*v];
        verdict.worth += whole * f64::from(vm.weight);
        verdict.saved += usize::from(vm.tier == 0);
        if vm.moving.is_none() || vm.fixed.is_some() {
            verdict.faults.push(format!("VM {v} moves and must not"));
        }
        let ends = problem.grid.begin_ms(moved.start) + u64::from(vm.moving.unwrap_or(0)) * u64::from(problem.grid.tick_ms());
        if ends > problem.grid.begin_ms(moved.end) {
            verdict.faults.push(format!("VM {v} is said to have moved before it has"));
        }
        let at_once = |same: &dyn Fn(usize, u16) -> bool| {
            moves.iter().filter(|(w, other)| same(*w, other.to) && other.start <= moved.start && moved.start < other.end).count()
        };
        let receiver = &problem.receivers[usize::from(moved.to)];
        let busy = receiver.lanes.iter().filter(|busy| **busy > moved.start).count();
        if at_once(&|_, to| to == moved.to) + busy > receiver.lanes.len() {
            verdict.faults.push(format!("too many moves at once to receiver {}", moved.to));
        }
        if at_once(&|w, _| problem.vms[w].host == vm.host) > usize::from(problem.hosts[vm.host].lanes) {
            verdict.faults.push(format!("too many moves at once from host {}", vm.host));
        }
        for (w, other) in moves.iter().filter(|(w, _)| w != v) {
            if vm.apart.is_some() && vm.apart == problem.vms[*w].apart && moved.to == other.to {
                verdict.faults.push(format!("VMs {v} and {w} must be apart and are not"));
            }
        }
        let kin = problem
            .vms
            .iter()
            .enumerate()
            .filter(|(_, kin)| vm.together.is_some() && kin.together == vm.together && kin.fixed.is_none());
        for (w, _) in kin {
            if draft.moved[w].is_none_or(|other| other.to != moved.to) {
                verdict.faults.push(format!("VM {v} leaves VM {w} behind, which belongs to it"));
            }
        }
    }
    for (r, receiver) in problem.receivers.iter().enumerate() {
        let here = || moves.iter().filter(|(_, moved)| usize::from(moved.to) == r).map(|(v, _)| &problem.vms[*v]);
        let is_over = here().map(|vm| vm.memory).sum::<u64>() > receiver.memory
            || here().map(|vm| u64::from(vm.cpus)).sum::<u64>() > receiver.cpus
            || here().map(|vm| vm.power).sum::<u64>() > receiver.power;
        if is_over {
            verdict.faults.push(format!("receiver {r} takes more than it has"));
        }
    }
}
