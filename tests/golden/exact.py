#!/usr/bin/env python3
"""Makes small instances of everything the planner's problem knows (several batteries, two feeds, needs, hosts that outlive others,
company, several receivers) and solves them exactly with CP-SAT: `pip install ortools`, then `exact.py FIRST LAST > wide.json`.
Shares no code with the planner. Only instances that are proven optimal are printed. Drains are taken along chords, which lie above
a convex law, so a plan may be better than its optimum by a fraction of a percent."""
import json
import math
import random
import sys

from ortools.sat.python import cp_model

SCALE = 200_000


def survival(minutes):
    left = 1.0
    parts = [(0.31, 0.1, 1), (0.27, 1, 5), (0.14, 5, 30), (0.17, 30, 120), (0.06, 120, 240), (0.05, 240, 600)]
    for part, low, high in parts:
        if minutes >= high:
            left -= part
        else:
            if minutes > low:
                left -= part * math.log(minutes / low) / math.log(high / low)
            break
    return max(left, 0.0)


def draw(seed):
    r = random.Random(seed)
    slots = 30
    upses = r.choice([1, 2])
    hosts = []
    for h in range(3):
        feeds = [[r.randrange(upses), 1_000_000]]
        if upses > 1 and r.random() < 0.35:
            feeds = [[0, 500_000], [1, 500_000]]
        hosts.append(dict(idle_W=r.randint(90, 190), shutdown=r.randint(1, 2), feeds=feeds, lanes=2, outlives=[]))
    if r.random() < 0.4:
        hosts[2]["outlives"] = [0]
    vms = []
    for v in range(9):
        tier = v % 3
        vms.append(dict(host=r.randrange(3), tier=tier, weight=[20, 4, 1][tier], W=r.randint(10, 60), ram=r.choice([4, 8, 16, 32]),
                        cpus=r.randint(1, 4), stop=r.randint(1, 4), move=r.randint(1, 6) if tier == 0 or r.random() < 0.2 else None,
                        apart=None, together=None, dependents=[]))
    movers = [v for v, vm in enumerate(vms) if vm["move"]]
    if len(movers) > 2 and r.random() < 0.5:
        key = r.choice(["apart", "together"])
        for v in r.sample(movers, 2):
            vms[v][key] = 1
    if r.random() < 0.5:
        provider, user = r.sample(range(9), 2)
        if vms[user]["tier"] >= vms[provider]["tier"]:
            vms[provider]["dependents"] = [user]
    receivers = [dict(ram=r.choice([24, 48, 96]), cpus=r.choice([4, 16]), lanes=r.randint(1, 2)) for _ in range(r.randint(0, 2))]
    sources = []
    for u in range(upses):
        share = lambda h: sum(f[1] for f in hosts[h]["feeds"] if f[0] == u) / 1e6
        load = sum(hosts[h]["idle_W"] * share(h) for h in range(3)) + sum(vm["W"] * share(vm["host"]) for vm in vms)
        base = r.choice([0, 20])
        sources.append(dict(Tr_s=round(r.uniform(300, 800), 1), Pr_W=round(load + base + 1, 1), k=1.2, budget=0.85, base_W=base))
    q = []
    for t in range(slots):
        q.append(round((survival(t / 2) + 10 * (survival(t / 2) - survival((t + 1) / 2))) * 1e6))
    return dict(seed=seed, slot_s=30, q=q, sources=sources, hosts=hosts, vms=vms, receivers=receivers)


def chain(model, count, ones):
    line = [1 if t < ones else model.new_bool_var("") for t in range(count)]
    for t in range(ones, count - 1):
        model.add_implication(line[t + 1], line[t])
    return line


def solve(case, limit):
    slots = len(case["q"])
    model = cp_model.CpModel()
    vms, hosts = case["vms"], case["hosts"]
    draws, serves, moves, starts, goes = [], [], [], [], []
    value = []
    for vm in vms:
        line = chain(model, slots, 0)
        serve = chain(model, slots, 0)
        move = model.new_bool_var("") if vm["move"] and case["receivers"] else 0
        draws.append(line), serves.append(serve), moves.append(move)
        for t in range(slots):
            if t < vm["stop"]:
                model.add(line[t] + move >= 1)
            if t + vm["stop"] < slots:
                model.add(serve[t] <= line[t + vm["stop"]])
            else:
                model.add(serve[t] == 0)
            model.add(serve[t] + move <= 1)
            value.append(vm["weight"] * case["q"][t] * serve[t])
        value.append(vm["weight"] * sum(case["q"]) * move)
        start, go = [], []
        if not isinstance(move, int):
            start = [model.new_bool_var("") for _ in range(slots - vm["move"])]
            go = [model.new_bool_var("") for _ in case["receivers"]]
            model.add(sum(start) == move)
            model.add(sum(go) == move)
            for t in range(slots):
                model.add(line[t] + sum(start[: max(0, t - vm["move"] + 1)]) >= move)
        starts.append(start), goes.append(go)
    relate(model, case, draws, serves, moves, goes)
    lanes(model, case, starts, goes)
    batteries(model, case, draws)
    saved = sum(vm["weight"] * move for vm, move in zip(vms, moves) if vm["tier"] == 0)
    big = sum(vm["weight"] for vm in vms) * sum(case["q"]) + 1
    model.maximize(sum(value) + big * saved)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = limit
    solver.parameters.num_workers = 8
    if solver.solve(model) != cp_model.OPTIMAL:
        return None
    worth = sum(vm["weight"] * case["q"][t] * solver.value(serves[v][t]) for v, vm in enumerate(vms) for t in range(slots))
    worth += sum(vm["weight"] * sum(case["q"]) * solver.value(moves[v]) for v, vm in enumerate(vms))
    return dict(saved=sum(vm["weight"] for v, vm in enumerate(vms) if vm["tier"] == 0 and solver.value(moves[v])), value=worth)


def relate(model, case, draws, serves, moves, goes):
    vms, hosts = case["vms"], case["hosts"]
    fed = lambda v: {feed[0] for feed in hosts[vms[v]["host"]]["feeds"]}
    slots = len(case["q"])
    for a in range(len(vms)):
        for b in range(len(vms)):
            if vms[a]["tier"] < vms[b]["tier"] and fed(a) & fed(b):
                for t in range(slots):
                    model.add(serves[b][t] <= serves[a][t] + moves[a])
            if a < b and vms[a]["apart"] and vms[b]["apart"]:
                for one, other in zip(goes[a], goes[b]):
                    model.add(one + other <= 1)
            if a < b and vms[a]["together"] and vms[b]["together"]:
                for one, other in zip(goes[a], goes[b]):
                    model.add(one == other)
        for user in vms[a]["dependents"]:
            for t in range(slots):
                model.add(serves[a][t] + moves[a] + moves[user] >= draws[user][t])


def lanes(model, case, starts, goes):
    vms, hosts = case["vms"], case["hosts"]
    slots = len(case["q"])
    under_way = lambda v, t: sum(starts[v][max(0, t - vms[v]["move"] + 1) : t + 1]) if starts[v] else 0
    for r, receiver in enumerate(case["receivers"]):
        movers = [v for v in range(len(vms)) if goes[v]]
        model.add(sum(vms[v]["ram"] * goes[v][r] for v in movers) <= receiver["ram"])
        model.add(sum(vms[v]["cpus"] * goes[v][r] for v in movers) <= receiver["cpus"])
        for t in range(slots):
            here = []
            for v in movers:
                busy = model.new_bool_var("")
                model.add(busy >= under_way(v, t) + goes[v][r] - 1)
                here.append(busy)
            if here:
                model.add(sum(here) <= receiver["lanes"])
    for h, host in enumerate(hosts):
        for t in range(slots):
            model.add(sum(under_way(v, t) for v in range(len(vms)) if vms[v]["host"] == h) <= host["lanes"])


def batteries(model, case, draws):
    vms, hosts = case["vms"], case["hosts"]
    slots = len(case["q"])
    on = [chain(model, slots, host["shutdown"]) for host in hosts]
    for h, host in enumerate(hosts):
        model.add(on[h][slots - 1] == 0)
        for t in range(slots):
            later = t + host["shutdown"]
            for line in [draws[v] for v in range(len(vms)) if vms[v]["host"] == h] + [on[other] for other in host["outlives"]]:
                if later < slots:
                    model.add(on[h][later] >= line[t])
                else:
                    model.add(line[t] == 0)
    for u, source in enumerate(case["sources"]):
        share = lambda h: sum(feed[1] for feed in hosts[h]["feeds"] if feed[0] == u)
        drain = lambda watts: case["slot_s"] / source["Tr_s"] * (watts / source["Pr_W"]) ** source["k"] if watts > 0 else 0.0
        points = [source["Pr_W"] * i / 14 for i in range(15)]
        budget = []
        for t in range(slots):
            millions = sum(share(h) * host["idle_W"] * on[h][t] for h, host in enumerate(hosts))
            millions += sum(share(vm["host"]) * vm["W"] * draws[v][t] for v, vm in enumerate(vms)) + source["base_W"] * 1_000_000
            taken = model.new_int_var(0, SCALE, "")
            for low, high in zip(points, points[1:]):
                slope = (drain(high) - drain(low)) / (high - low)
                rest = math.ceil((drain(low) - slope * low) * SCALE * 1_000_000_000)
                model.add(taken * 1_000_000_000 >= math.ceil(slope * SCALE * 1000) * millions + rest)
            budget.append(taken)
        model.add(sum(budget) <= int(source["budget"] * SCALE))


if __name__ == "__main__":
    first, last = int(sys.argv[1]), int(sys.argv[2])
    proven = []
    for seed in range(first, last):
        case = draw(seed)
        case["optimum"] = solve(case, 60)
        print(seed, case["optimum"], file=sys.stderr, flush=True)
        if case["optimum"]:
            proven.append(case)
    print("[\n" + ",\n".join(json.dumps(case, separators=(",", ":")) for case in proven) + "\n]")
