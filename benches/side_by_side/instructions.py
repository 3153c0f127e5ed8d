#!/usr/bin/env python3
"""Counts the instructions that the gateway spends on a request in user space, with callgrind: the same on every run to
about one in a hundred, however busy the machine is.

    benches/side_by_side/instructions.py BINARY PROFILE [--record]

PROFILE is the Cargo profile that BINARY was built with; the figures of each stand in instructions.json. Without --record
it fails if a case takes more than 5 % above its figure. Needs valgrind.
"""

import json
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
RECORDED = HERE / "instructions.json"
ALLOWED = 1.05
# Requests come in over as many connections as wrk would use, so that one wake-up of the worker serves several.
CONNECTIONS = 32
ROUNDS = 40
WARM_UP = 8

CONFIGURATION = """
[listen]
address = "127.0.0.1:0"
workers = 1
[admin]
address = "127.0.0.1:0"
[upstream.default]
servers = ["http://{upstream}"]
[issuer.api]
signing_keys = "keys"
issuer = "https://issuer.example"
audience = ["api"]
[identity_headers]
"X-Auth-Sub" = "sub"
[[route]]
match = "* /public/**"
access = "public"
[[route]]
match = "* /**"
"""

UPSTREAM = """
[listen]
address = "127.0.0.1:0"
workers = 1
[admin]
address = "127.0.0.1:0"
[upstream.default]
servers = ["builtin:echo"]
[[route]]
match = "* /**"
access = "public"
"""


class Gateway:
    """A gateway that serves by a configuration, from a folder of its own."""

    def __init__(self, binary, folder, configuration, *prefix):
        folder.mkdir()
        (folder / "gateway.toml").write_text(configuration)
        self.binary, self.folder = binary, folder
        self.banner, self.log = (open(folder / name, "w+") for name in ("banner", "log"))
        environment = {**os.environ, "RUST_LOG": "warn"}
        self.process = subprocess.Popen(
            [*prefix, binary], cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=self.banner, stderr=self.log)
        self.address = self._wait_for_address()

    def _wait_for_address(self):
        for _ in range(1200):
            self.banner.seek(0)
            found = re.search(r"listens on http://([0-9.]+):(\d+)", self.banner.read())
            if found:
                return found[1], int(found[2])
            if self.process.poll() is not None:
                break
            time.sleep(0.1)
        self.log.seek(0)
        raise SystemExit(f"the gateway does not start:\n{self.log.read()}")

    def token(self):
        command = [self.binary, "token", "mint", "--subject", "user-000001", "--claim", "scope=read:items write:items profile email"]
        return subprocess.run(command, cwd=self.folder, check=True, capture_output=True, text=True).stdout.strip()

    def stop(self):
        self.process.terminate()
        self.process.wait(60)


class Crowd:
    """Clients that keep their connections open and ask in turns."""

    def __init__(self, address):
        self.sockets = [socket.create_connection(address, timeout=120) for _ in range(CONNECTIONS)]
        for connection in self.sockets:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def ask(self, head, status, rounds):
        for _ in range(rounds):
            for connection in self.sockets:
                connection.sendall(head)
            for connection in self.sockets:
                read_answer(connection, status)


def read_answer(connection, status):
    answer = b""
    while True:
        read = connection.recv(65536)
        if not read:
            raise SystemExit(f"the gateway hung up after {answer!r}")
        answer += read
        head, end, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
        if end and length and len(body) >= int(length[1]):
            break
    if not head.startswith(b"HTTP/1.1 %d " % status):
        raise SystemExit(f"not {status}: {head!r}")


def head(path, *fields):
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1:8080", *fields]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def control(pid, *arguments):
    subprocess.run(["callgrind_control", *arguments, str(pid)], check=True, stdout=subprocess.DEVNULL)


def total(profile):
    """What a dump of callgrind sums up to."""
    return int(re.search(r"^(?:totals|summary): (\d+)", profile.read_text(), re.MULTILINE)[1])


def measure(gateway, crowd, number, request, status):
    crowd.ask(request, status, WARM_UP)
    control(gateway.process.pid, "-z")
    control(gateway.process.pid, "-i", "on")
    crowd.ask(request, status, ROUNDS)
    control(gateway.process.pid, "-i", "off")
    control(gateway.process.pid, "-d")
    return round(total(gateway.folder / f"profile.{number}") / (CONNECTIONS * ROUNDS))


def count(binary, keep):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        upstream = Gateway(binary, folder / "upstream", UPSTREAM)
        configuration = CONFIGURATION.format(upstream="{}:{}".format(*upstream.address))
        gateway = Gateway(
            binary, folder / "gateway", configuration, "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no",
            "--callgrind-out-file=profile")
        try:
            bearer = "Authorization: Bearer " + gateway.token()
            cases = {
                "es256_cached": (head("/items/7", "Accept: application/json", bearer), 200),
                "public": (head("/public/7", "Accept: application/json", bearer), 200),
                "no_token": (head("/items/7", "Accept: application/json"), 401),
            }
            crowd, figures = Crowd(gateway.address), {}
            for number, (name, case) in enumerate(cases.items(), 1):
                figures[name] = measure(gateway, crowd, number, *case)
                if keep:
                    (gateway.folder / f"profile.{number}").rename(pathlib.Path(keep) / f"{name}.callgrind")
            return figures
        finally:
            gateway.stop()
            upstream.stop()


def main():
    binary, profile = str(pathlib.Path(sys.argv[1]).resolve()), sys.argv[2]
    keep = os.environ.get("KEEP_PROFILES")
    figures = count(binary, keep)
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    if "--record" in sys.argv:
        recorded[profile] = figures
        RECORDED.write_text(json.dumps(recorded, indent=4) + "\n")
    worse = False
    for name, figure in figures.items():
        known = recorded.get(profile, {}).get(name)
        worse |= known is None or figure > known * ALLOWED
        print(f"{name}: {figure} instructions a request, recorded {known}")
    if worse:
        raise SystemExit(f"more than {ALLOWED} times what is recorded for this case")


if __name__ == "__main__":
    main()
