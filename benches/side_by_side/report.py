"""The tables: what was measured, and how far that is from the goals."""

import dataclasses
import re
import statistics

# The cases of requests; who is measured in each, ours first.
RATES = {
    "es256_cached": ["ours_es", "haproxy", "haproxy_es", "envoy_es"],
    "hs256_cached": ["ours_hs", "haproxy_hs"],
    "es256_new": ["ours_es_new", "haproxy_es_new"],
    "hs256_new": ["ours_hs_new", "haproxy_hs_new"],
    "public": ["ours_public", "nginx", "haproxy", "pingora", "envoy"],
    "same_gateway": ["ours_es", "ours_public"],
    "whole": ["ours_whole", "ours_bare"],
    "refusals": ["ours_refused", "ours_es"],
}

KIB, MIB = 1024, 1024 * 1024


@dataclasses.dataclass
class Goal:
    """A figure of ours; over another's, if there is one; and what it may be at most, or at least."""

    what: str
    ours: tuple
    theirs: tuple = None
    most: float = None
    least: float = None
    unit: int = 1

    def of_run(self, run):
        """The median of the rounds, and its range; `None` if it was not measured."""
        ours = run.figures.get(self.ours)
        theirs = run.figures.get(self.theirs) if self.theirs else ours
        if not ours or not theirs:
            return None
        if not self.theirs:
            return ours
        return [mine / other for mine, other in zip(ours, theirs)]

    def goal(self):
        if self.most is None and self.least is None:
            return "–"
        return f"≤ {self.most:g}" if self.least is None else f"≥ {self.least:g}"

    def met(self, value):
        if self.most is None and self.least is None:
            return ""
        return "met" if (value <= self.most if self.least is None else value >= self.least) else "**missed**"


def cpu(what, ours, theirs, most=None):
    return Goal(what, (ours, "cpu"), (theirs, "cpu"), most)


GOALS = [
    cpu("ES256 cached to HAProxy plain, CPU", "ours_es", "haproxy", 1.05),
    cpu("— to HAProxy verifying ES256", "ours_es", "haproxy_es", 0.22),
    cpu("— to Envoy with its token cache", "ours_es", "envoy_es", 0.40),
    cpu("HS256 cached to HAProxy verifying HS256, CPU", "ours_hs", "haproxy_hs", 0.75),
    cpu("HS256, every token new, to HAProxy, CPU", "ours_hs_new", "haproxy_hs_new", 0.90),
    cpu("ES256, every token new, to HAProxy, CPU", "ours_es_new", "haproxy_es_new", 0.70),
    cpu("public route to nginx plain, CPU", "ours_public", "nginx", 1.05),
    cpu("— to pingora plain", "ours_public", "pingora", 0.75),
    cpu("— to HAProxy plain", "ours_public", "haproxy"),
    cpu("— to Envoy plain", "ours_public", "envoy"),
    cpu("authenticated to public, same gateway, CPU", "ours_es", "ours_public", 1.05),
    cpu("the whole product to a bare public route, CPU", "ours_whole", "ours_bare", 1.15),
    Goal("user-space instructions a request, ES256 cached", ("ours_instructions", "es256_cached"), None, 26_000),
    Goal("p99 at 70 % of the own peak to HAProxy plain", ("ours_es", "p99 own"), ("haproxy", "p99 own"), 1.1),
    Goal("— at the same rate", ("ours_es", "p99 same"), ("haproxy", "p99 same"), 1.1),
    Goal("401 refusals to forwarded requests, rate", ("ours_refused", "rate"), ("ours_es", "rate"), least=2),
    Goal("— CPU of a forwarded request to that of a refusal", ("ours_es", "cpu"), ("ours_refused", "cpu")),
    Goal("RSS, idle, MiB", ("ours_es", "idle"), None, 12, unit=MIB),
    Goal("an idle connection, never used, KiB", ("ours_es", "connection"), None, 8, unit=KIB),
    Goal("— used once, idle for 3 s, KiB", ("ours_es", "connection used"), None, 8, unit=KIB),
    Goal("a cached token with a realistic claim set, KiB", ("ours_es", "token"), None, 2, unit=KIB),
    Goal("two workers to one, by cost and evenness", ("workers_2", "speed-up"), None, least=1.8),
    Goal("— busiest worker to the mean, 8 connections", ("workers_2", "busiest 8")),
    Goal("— 64 connections", ("workers_2", "busiest 64"), None, 1.3),
    Goal("— 1,000 connections", ("workers_2", "busiest 1000"), None, 1.3),
    Goal("1 GiB down, HAProxy's CPU to ours", ("haproxy", "1 GiB down"), ("ours_es", "1 GiB down"), least=0.9),
    Goal("1 GiB up, HAProxy's CPU to ours", ("haproxy", "1 GiB up"), ("ours_es", "1 GiB up"), least=0.9),
]

MEMORY = {
    "idle": ("idle, MiB", MIB), "connection": ("a connection never used, KiB", KIB),
    "connection used": ("a connection used once, KiB", KIB), "token": ("a cached token, KiB", KIB),
    "peak down": ("at most, 1 GiB down, MiB", MIB), "peak up": ("at most, 1 GiB up, MiB", MIB),
}


def table(heads, rows):
    return ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads), *("| " + " | ".join(row) + " |" for row in rows)]


def spread(values, form):
    """The median, and the range if there is one."""
    text = form(statistics.median(values))
    low, high = form(min(values)), form(max(values))
    return text if low == high else f"{text} ({low}–{high})"


def measured(run, subjects):
    """Every product of every case, then what is not counted by requests."""
    sections = [section(run, subjects) for section in (rates, at_a_rate, memory, large_bodies, workers)]
    return [line for lines in sections if lines for line in [*lines, ""]]


def rates(run, subjects):
    rows, shown = [], set()
    for case, names in RATES.items():
        names = [name for name in names if (name, "cpu") in run.figures]
        # A product that has nobody to be compared with in this case stands in another one too.
        for name in names if len(names) > 1 or not shown.issuperset(names) else []:
            rows.append(rates_row(run, case if name == names[0] else "", subjects[name].label, name, names[0]))
            shown.add(name)
    heads = [
        "Case", "Who", "CPU µs a request", "requests/s", "p50 µs", "p99 µs", "RSS MiB", "core busy", "CPU, ours to this"]
    return rows and table(heads, rows)


def rates_row(run, case, label, name, ours):
    of = run.figures
    ratio = [mine / other for mine, other in zip(of[ours, "cpu"], of[name, "cpu"])]
    return [
        case, label, spread(of[name, "cpu"], "{:.1f}".format), f"{run.median(name, 'rate'):,.0f}",
        f"{run.median(name, 'p50'):.0f}", f"{run.median(name, 'p99'):.0f}", f"{run.median(name, 'rss') / MIB:.1f}",
        f"{run.median(name, 'busy'):.0%}", "" if name == ours else f"{statistics.median(ratio):.2f}"]


def disturbed(run, subjects):
    """How far the products had their core for themselves."""
    waits = {name: max(run.figures[name, "waited"]) for name in subjects if (name, "waited") in run.figures}
    if not waits:
        return []
    most = max(waits, key=waits.get)
    usual = statistics.median(waits.values())
    text = (
        f"The products waited for their core {usual:.1%} of the time, {subjects[most].label} {waits[most]:.1%} in its worst "
        "round; above some percent the figures are not worth quoting.")
    return [text]


def at_a_rate(run, subjects):
    rows = [
        [
            subjects[name].label, f"{run.median(name, 'p99 own rate'):,.0f}", f"{run.median(name, 'p99 own'):.0f}",
            f"{run.median(name, 'p99 same rate'):,.0f}", f"{run.median(name, 'p99 same'):.0f}"]
        for name in ("ours_es", "haproxy") if (name, "p99 own") in run.figures]
    heads = ["At a rate", "requests/s, 70 % of the own peak", "p99 µs", "requests/s, 70 % of the lower peak", "p99 µs"]
    return rows and table(heads, rows)


def memory(run, subjects):
    heads = {field: head for field, (head, _) in MEMORY.items() if any((name, field) in run.figures for name in subjects)}
    rows = []
    for name, subject in subjects.items():
        cells = [
            f"{run.median(name, field) / MEMORY[field][1]:.1f}" if (name, field) in run.figures else "" for field in heads]
        if any(cells):
            rows.append([subject.label, *cells])
    lines = rows and table(["Memory", *heads.values()], rows)
    if ("ours_es", "token bytes") in run.figures:
        lines += ["", f"The tokens in the cache have {run.median('ours_es', 'token bytes'):.0f} bytes."]
    return lines


def large_bodies(run, subjects):
    rows = [
        [subjects[name].label, *(spread(run.figures[name, f"1 GiB {way}"], "{:.3f}".format) for way in ("down", "up"))]
        for name in ("ours_es", "haproxy") if (name, "1 GiB up") in run.figures]
    return rows and table(["Large bodies", "CPU s a GiB, down", "up"], rows)


def workers(run, _):
    if ("workers_2", "cpu") not in run.figures:
        return []
    one, two = (run.median(f"workers_{count}", "cpu") for count in (1, 2))
    rate_one, rate_two = (f"{run.median(f'workers_{count}', 'rate'):,.0f}" for count in (1, 2))
    text = (
        f"One worker: {one:.1f} CPU µs a request, {rate_one} requests/s. Two: {two:.1f} CPU µs, {rate_two} requests/s; the "
        f"busier has {run.median('workers_2', 'share'):.1%} of the work. Two workers to one is the first cost over the "
        "product of the second and that share: what they could do on cores of their own, the busier one being full first. "
        "64 connections; where there are fewer than four cores the load runs on the same two.")
    return [text]


def reached(run):
    rows = []
    for goal in GOALS:
        values = goal.of_run(run)
        if values is None:
            continue
        values = [value / goal.unit for value in values]
        verdict = goal.met(statistics.median(values))
        form = "{:,.0f}" if statistics.median(values) >= 1000 else "{:.2f}"
        rows.append([goal.what, goal.goal(), spread(values, form.format), verdict])
    return table(["What", "Goal", "Measured", ""], rows)


def version(said):
    found = re.search(r"\d+\.\d+\.\d+", said)
    return found[0] if found else "of an unknown version"
