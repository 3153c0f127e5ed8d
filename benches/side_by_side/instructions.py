#!/usr/bin/env python3
"""Counts the instructions that the gateway spends on a request in user space, with callgrind: the same on every run to
about one in a hundred, however busy the machine is.

    benches/side_by_side/instructions.py BINARY PROFILE [--record] [--keep FOLDER]

PROFILE is the Cargo profile that BINARY was built with; the figures of each stand in instructions.json. Without --record
it fails if a case takes more than 5 % above its figure. Needs valgrind.
"""

import argparse
import json
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

from load import Crowd, head
from products import HERE, Failed, Gateway

RECORDED = HERE / "instructions.json"
ALLOWED = 1.05
# Requests come in over as many connections as wrk would use, so that one wake-up of the worker serves several.
CONNECTIONS = 32
PROCESSES = 3
TURNS = 8
ROUNDS = 8
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


def control(pid, *arguments):
    subprocess.run(["callgrind_control", *arguments, str(pid)], check=True, capture_output=True)


def total(profile):
    """What a dump of callgrind sums up to."""
    found = int(re.search(r"^totals: (\d+)", profile.read_text(), re.MULTILINE)[1])
    if not found:
        raise Failed("callgrind has counted nothing")
    return found


def measure(gateway, crowd, request, status):
    """The least of several turns, and its profile: on a busy machine fewer requests come in together, which costs more."""
    for _ in range(WARM_UP):
        crowd.ask(request, status)
    turns = []
    for _ in range(TURNS):
        control(gateway.process.pid, "-z")
        control(gateway.process.pid, "-i", "on")
        for _ in range(ROUNDS):
            crowd.ask(request, status)
        control(gateway.process.pid, "-i", "off")
        control(gateway.process.pid, "-d")
        profile = max(gateway.folder.glob("profile.*"), key=lambda path: int(path.suffix[1:]))
        turns.append((round(total(profile) / (CONNECTIONS * ROUNDS)), profile))
    return min(turns)


def mint(gateway):
    command = [
        gateway.binary, "token", "mint", "--subject", "user-000001", "--claim", "scope=read:items write:items profile email"]
    return subprocess.run(command, cwd=gateway.folder, check=True, capture_output=True, text=True).stdout.strip()


def count(binary, keep=None):
    """Instructions a request, by case; the profiles are moved to the folder `keep`."""
    callgrind = ["nice", "-n", "10", "valgrind", "-q", "--tool=callgrind", "--instr-atstart=no", "--callgrind-out-file=profile"]
    with tempfile.TemporaryDirectory() as folder, Gateway(pathlib.Path(folder, "upstream"), binary, UPSTREAM) as upstream:
        configuration = CONFIGURATION.format(upstream="{}:{}".format(*upstream.address))
        with Gateway(pathlib.Path(folder, "gateway"), binary, configuration, prefix=callgrind) as gateway:
            bearer = "Authorization: Bearer " + mint(gateway)
            cases = {
                "es256_cached": (head("/items/7", bearer), 200),
                "public": (head("/public/7", bearer), 200),
                "no_token": (head("/items/7"), 401),
            }
            figures = {}
            with Crowd(gateway.address, CONNECTIONS) as crowd:
                for name, case in cases.items():
                    figures[name], profile = measure(gateway, crowd, *case)
                    if keep:
                        shutil.move(profile, pathlib.Path(keep, f"{name}.callgrind"))
            return figures


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("binary", type=lambda path: str(pathlib.Path(path).resolve()))
    parser.add_argument("profile", help="the Cargo profile that it was built with")
    parser.add_argument("--record", action="store_true", help="write the figures down instead of comparing them")
    parser.add_argument("--keep", metavar="FOLDER", help="move the profiles there, for callgrind_annotate")
    options = parser.parse_args()
    recorded = json.loads(RECORDED.read_text()) if RECORDED.exists() else {}
    known = {} if options.record else recorded.get(options.profile, {})
    figures = {}
    # Each process has its memory elsewhere, and a busy machine breaks up the turns: whatever exceeds is counted again.
    for _ in range(PROCESSES):
        for name, figure in count(options.binary, options.keep).items():
            figures[name] = min(figure, figures.get(name, figure))
        if not options.record and not exceeding(figures, known):
            break
    for name, figure in figures.items():
        print(f"{name}: {figure} instructions a request, recorded {known.get(name)}")
    if options.record:
        recorded[options.profile] = figures
        RECORDED.write_text(json.dumps(recorded, indent=4) + "\n")
    elif exceeding(figures, known):
        raise Failed(f"more than {ALLOWED} times what is recorded for a case, or nothing is recorded: --record does that")


def exceeding(figures, known):
    return [name for name, figure in figures.items() if figure > known.get(name, 0) * ALLOWED]



if __name__ == "__main__":
    try:
        main()
    except (Failed, OSError, subprocess.CalledProcessError) as failure:
        sys.exit(f"instructions: {failure}")
