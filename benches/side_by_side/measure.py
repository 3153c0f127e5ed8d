#!/usr/bin/env python3
"""Compares the gateway with HAProxy, nginx, Envoy and pingora: every product alone on one core, wrk and the upstream on
another, in rounds that take turns, each with a process that is started afresh. `run` beside this installs what it needs.
"""

import argparse
import dataclasses
import os
import pathlib
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time

import configurations
import instructions
import load
import products
import report
import tokens
from products import Failed


@dataclasses.dataclass
class Subject:
    """A product with a configuration, and what wrk asks it."""

    label: str
    start: object
    path: str = "/plants/7"
    # Which token the requests bear; without one that a product verifies, one is borne all the same.
    algorithm: str = "ES256"
    every_token_new: bool = False
    status: int = 200
    tells_subject: bool = False
    # Requests a second that no product reaches, so that there are tokens enough.
    most: int = 0


SUBJECTS = {
    "ours_es": Subject("bearergate, ES256 cached", lambda of: of.bearergate(), tells_subject=True),
    "haproxy": Subject("HAProxy, plain", lambda of: of.haproxy()),
    "haproxy_es": Subject("HAProxy, ES256", lambda of: of.haproxy("ES256"), tells_subject=True),
    "envoy_es": Subject("Envoy, ES256 cached", lambda of: of.envoy("ES256"), tells_subject=True),
    "ours_hs": Subject("bearergate, HS256 cached", lambda of: of.bearergate("HS256"), algorithm="HS256", tells_subject=True),
    "haproxy_hs": Subject("HAProxy, HS256", lambda of: of.haproxy("HS256"), algorithm="HS256", tells_subject=True),
    "ours_es_new": Subject(
        "bearergate, ES256, every token new", lambda of: of.bearergate(), every_token_new=True, most=30_000),
    "haproxy_es_new": Subject(
        "HAProxy, ES256, every token new", lambda of: of.haproxy("ES256"), every_token_new=True, most=30_000),
    "ours_hs_new": Subject(
        "bearergate, HS256, every token new", lambda of: of.bearergate("HS256"), algorithm="HS256", every_token_new=True,
        most=60_000),
    "haproxy_hs_new": Subject(
        "HAProxy, HS256, every token new", lambda of: of.haproxy("HS256"), algorithm="HS256", every_token_new=True,
        most=60_000),
    "ours_public": Subject("bearergate, public route", lambda of: of.bearergate(), path="/public/7"),
    "nginx": Subject("nginx, plain", lambda of: of.nginx()),
    "pingora": Subject("pingora, plain", lambda of: of.pingora()),
    "envoy": Subject("Envoy, plain", lambda of: of.envoy()),
    "ours_whole": Subject(
        "bearergate, the whole product" if configurations.ACCESS_LOG else "bearergate, the whole product, no access log",
        lambda of: of.bearergate_whole(), tells_subject=True),
    "ours_bare": Subject("bearergate, bare", lambda of: of.bearergate_bare()),
    "ours_refused": Subject("bearergate, no token: 401", lambda of: of.bearergate(), algorithm="", status=401),
}


class Run:
    """What is measured so far: `figures[subject, figure]` has a value for each round."""

    def __init__(self, of, options):
        self.of, self.options, self.figures = of, options, {}
        self.tokens = {algorithm: of.keys.token(algorithm, 1) for algorithm in ("ES256", "HS256")}
        self.files = {}
        # What whoever reads the tables has to know.
        self.notes = []

    def add(self, subject, figure, value):
        self.figures.setdefault((subject, figure), []).append(value)

    def median(self, subject, figure):
        return statistics.median(self.figures[subject, figure])

    def fields(self, algorithm):
        return [f"Authorization: Bearer {self.tokens[algorithm]}"] if algorithm else []

    def rounds(self):
        for number in range(self.options.rounds):
            print(f"round {number + 1} of {self.options.rounds}", file=sys.stderr)
            yield number

    # --- rates, one worker on one core

    def take_turns(self, names):
        self._write_tokens(names)
        for number in self.rounds():
            begin = number % len(names)
            for name in names[begin:] + names[:begin]:
                self._measure(name)

    def _write_tokens(self, names):
        wanted = [SUBJECTS[name] for name in names if SUBJECTS[name].every_token_new]
        for subject in wanted:
            if subject.algorithm not in self.files:
                count = subject.most * self.options.seconds
                print(f"signing {count} {subject.algorithm} tokens", file=sys.stderr)
                self.files[subject.algorithm] = self.of.keys.write_tokens(subject.algorithm, count)

    def _measure(self, name):
        subject = SUBJECTS[name]
        with subject.start(self.of) as server:
            token = self.tokens.get(subject.algorithm)
            told = subject.tells_subject and tokens.subject(1)
            load.check(server, subject.path, token, subject.status, told)
            fields = self.fields(subject.algorithm)
            load.warm_up(server, subject.path, fields, subject.status)
            if subject.every_token_new:
                asked = self._ask_with_new_tokens(server, subject)
            else:
                asked = load.wrk(server, subject.path, self.options.seconds, fields, subject.status)
            values = {
                "cpu": asked.cpu, "rate": asked.rate, "p50": asked.p50, "p99": asked.p99, "rss": server.memory(),
                "busy": sum(asked.threads.values()) / asked.seconds, "waited": asked.waited / asked.seconds}
        for figure, value in values.items():
            self.add(name, figure, value)

    def _ask_with_new_tokens(self, server, subject):
        """No token comes twice to this process: wrk must not have begun the file anew, our cache must have missed each."""
        before = server.admin and server.metric("cache_misses_total")
        count = subject.most * self.options.seconds
        asked = load.wrk(
            server, subject.path, self.options.seconds, TOKENS=self.files[subject.algorithm], COUNT=count)
        if asked.used > count:
            raise Failed(f"the tokens do not suffice for {server.name}: {asked.used} requests and {count} tokens")
        if server.admin:
            missed = server.metric("cache_misses_total") - before
            if missed < asked.requests:
                raise Failed(f"only {missed:.0f} of {asked.requests} tokens were new to the cache")
        return asked

    # --- latency below the limit

    def latencies(self):
        """wrk keeps a rate: 70 % of what each reached with 32 connections, and 70 % of the lower of the two for both."""
        names = ("ours_es", "haproxy")
        if any((name, "rate") not in self.figures for name in names):
            self.take_turns(list(names))
        own = {name: 0.7 * self.median(name, "rate") for name in names}
        for _ in self.rounds():
            for name in names:
                self._paced(name, own[name], "p99 own")
                self._paced(name, min(own.values()), "p99 same")

    def _paced(self, name, rate, figure):
        subject = SUBJECTS[name]
        with subject.start(self.of) as server:
            fields = self.fields(subject.algorithm)
            load.warm_up(server, subject.path, fields)
            asked = load.wrk(server, subject.path, max(2, self.options.seconds), fields, connections=64, RATE=rate)
        if asked.rate < 0.97 * rate:
            self.notes.append(f"{subject.label} reached only {asked.rate:,.0f} of {rate:,.0f} requests/s: its p99 says nothing.")
        self.add(name, "waited", asked.waited / asked.seconds)
        self.add(name, figure, asked.p99)
        self.add(name, figure + " rate", asked.rate)

    # --- two workers

    def two_workers(self):
        """Where there are only two cores, everything runs on both, so rates say little. What two workers could do follows
        from what a request costs and from how even the work is: the busiest worker is full first.
        """
        several = os.cpu_count() >= 4
        workers, others = frozenset({0, 1}), ({2, 3} if several else {0, 1})
        of = dataclasses.replace(self.of, cores=workers)
        fields = self.fields("ES256")
        for number in self.rounds():
            cost = {}
            for count in ((1, 2), (2, 1))[number % 2]:
                with of.bearergate(workers=count) as server:
                    load.warm_up(server, "/plants/7", fields)
                    asked = load.wrk(
                        server, "/plants/7", self.options.seconds, fields, connections=64, threads=2, cores=others)
                    cost[count] = asked.cpu
                    if count == 2:
                        share = max(worker_times(asked)) / sum(worker_times(asked))
                        self._evenness(server, fields, others)
                self.add(f"workers_{count}", "cpu", asked.cpu)
                self.add(f"workers_{count}", "rate", asked.rate)
            self.add("workers_2", "share", share)
            self.add("workers_2", "speed-up", cost[1] / (cost[2] * share))

    def _evenness(self, server, fields, cores):
        for connections in (8, 64, min(1000, products.CONNECTIONS)):
            asked = load.wrk(
                server, "/plants/7", self.options.seconds, fields, connections=connections, threads=2, cores=cores)
            times = worker_times(asked)
            self.add("workers_2", f"busiest {connections}", max(times) / statistics.mean(times))

    # --- large bodies

    def large_bodies(self):
        with load.sink(self.of.scratch) as sink:
            into_sink = dataclasses.replace(self.of, upstream="{}:{}".format(*sink.address))
            file = self.of.scratch / "large"
            with open(file, "wb") as large:
                large.truncate(products.LARGE)
            for _ in self.rounds():
                for name in ("ours_es", "haproxy"):
                    self._large(name, self.of, "down", "/large")
                    self._large(name, into_sink, "up", "/put", file)

    def _large(self, name, of, way, path, upload=None):
        with SUBJECTS[name].start(of) as server:
            fields = self.fields("ES256")
            self.add(name, f"1 GiB {way}", load.curl(server, path, fields, upload))
            self.add(name, f"peak {way}", server.memory("VmHWM"))

    # --- memory

    def memory(self):
        starts = {name: SUBJECTS[name].start for name in ("ours_es", "haproxy", "nginx", "envoy_es", "pingora")}
        for name, begin in starts.items():
            with begin(self.of) as server:
                self.add(name, "idle", load.settled(server, 1))
                self.add(name, "connection", self._of_a_connection(server, used=False))
            with begin(self.of) as server:
                self.add(name, "connection used", self._of_a_connection(server, used=True))
        for name in ("ours_es", "envoy_es"):
            with starts[name](self.of) as server:
                self._cached_tokens(name, server)

    def _of_a_connection(self, server, used):
        """Bytes that a connection takes which was opened and never used, or used once and left for three seconds."""
        request = load.head("/plants/7", *self.fields("ES256"))
        with load.Crowd(server.address, 32) as crowd:
            for _ in range(20):
                crowd.ask(request, 200)
        before = load.settled(server, 1)
        size = min(10_000, products.CONNECTIONS - 64)
        with load.Crowd(server.address, size) as crowd:
            if used:
                crowd.ask(request, 200)
            after = load.settled(server, 3 if used else 1)
            if crowd.open() < size:
                raise Failed(f"{server.name} keeps only {crowd.open()} of {size} idle connections")
        return (after - before) / size

    def _cached_tokens(self, name, server):
        """What a token takes in the cache; the same connections have asked as often before with one and the same."""
        count = 10_000
        users = [self.of.keys.token("ES256", number, tokens.realistic_claims(number)) for number in range(1, count + 2)]
        requests = [load.head("/plants/7", f"Authorization: Bearer {token}") for token in users]
        with load.Crowd(server.address, 32) as crowd:
            crowd.ask_each(requests[:1] * count, 200)
            before = load.settled(server, 1)
            crowd.ask_each(requests[1:], 200)
            after = load.settled(server, 1)
        if server.admin and server.metric("cache_entries") < count:
            raise Failed(f"the cache has only {server.metric('cache_entries'):.0f} of {count} tokens")
        self.add(name, "token", (after - before) / count)
        self.add(name, "token bytes", statistics.mean(map(len, users)))

    # --- instructions

    def instructions(self):
        for case, figure in instructions.count(self.of.binary).items():
            self.add("ours_instructions", case, figure)


def worker_times(asked):
    return [used for (_, name), used in asked.threads.items() if name.startswith("worker-")]


SPECIAL = {
    "latency": Run.latencies, "two_workers": Run.two_workers, "large": Run.large_bodies, "memory": Run.memory,
    "instructions": Run.instructions,
}


def measure(run, only):
    names = []
    for case, subjects in report.RATES.items():
        if not only or case in only:
            names += [name for name in subjects if name not in names]
    if names:
        run.take_turns(names)
    for case, do in SPECIAL.items():
        if not only or case in only:
            print(f"case {case}", file=sys.stderr)
            do(run)


def machine():
    """The lines above the tables."""
    cpu = next(line for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name"))
    debian = pathlib.Path("/etc/os-release").read_text().partition('PRETTY_NAME="')[2].partition('"')[0]
    busy = os.getloadavg()[0]
    lines = [f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} × {cpu.partition(': ')[2]}, {debian}, Linux {platform.release()}."]
    if busy > 0.5:
        lines.append(f"The machine was not quiet: its load was {busy:.1f} before the first round.")
    return lines


def versions(of):
    commands = {
        "bearergate": [of.binary, "--version"], "HAProxy": ["haproxy", "-v"], "nginx": ["nginx", "-v"],
        "Envoy": [of.envoy_binary, "--version"], "wrk": ["wrk", "-v"]}
    found = []
    for name, command in commands.items():
        said = subprocess.run(command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True).stdout
        found.append(f"{name} {report.version(said)}")
    lock = (products.HERE / "pingora" / "Cargo.lock").read_text()
    pingora = lock.partition('name = "pingora-proxy"\nversion = "')[2].partition('"')[0]
    return ", ".join([*found, f"pingora {pingora}"]) + "."


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, prog="run")
    parser.add_argument("--binary", required=True, help="the gateway")
    parser.add_argument("--envoy", required=True, help="Envoy")
    parser.add_argument("--pingora", required=True, help="the plain proxy of pingora/")
    parser.add_argument("--quick", action="store_true", help="two rounds of one second: a look, nothing to quote")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="that wrk asks in each round; whole ones")
    parser.add_argument(
        "--only", action="append", choices=[*report.RATES, *SPECIAL], help="this case alone; may be given several times")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 2, 1
    return options


def main():
    options = arguments()
    # An end that leaves nothing behind: every process stands in a `with`.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    resource.setrlimit(resource.RLIMIT_NOFILE, (products.DESCRIPTORS, products.DESCRIPTORS))
    if os.cpu_count() < 2:
        raise Failed("one core for the products and one for the load are needed")
    before = machine()
    with tempfile.TemporaryDirectory(prefix="bearergate-bench-") as scratch:
        scratch = pathlib.Path(scratch)
        of = products.Products(
            scratch, str(pathlib.Path(options.binary).resolve()), options.envoy, options.pingora, tokens.Keys(scratch))
        with of.answering_upstream() as upstream:
            of.upstream = "{}:{}".format(*upstream.address)
            run = Run(of, options)
            measure(run, options.only)
        said = [*before, versions(of), f"{options.rounds} rounds of {options.seconds} s.", *report.disturbed(run, SUBJECTS)]
        said += run.notes
    print("\n".join([*said, "", *report.measured(run, SUBJECTS), *report.reached(run)]))


if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError) as failure:
        sys.exit(f"side_by_side: {failure}")
    except KeyboardInterrupt:
        sys.exit(130)
