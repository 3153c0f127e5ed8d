"""What is asked of a server, and what that costs it: wrk for rates and latencies, sockets of our own where many
connections stay open, curl and a sink of ours for large bodies.
"""

import dataclasses
import http.server
import json
import os
import re
import socket
import subprocess
import sys
import time

import products

SCRIPT = products.HERE / "load.lua"


@dataclasses.dataclass
class Asked:
    """What wrk saw in `seconds`, and the CPU seconds that the server's threads took meanwhile, and waited for."""

    requests: int
    seconds: float
    bytes: int
    p50: int
    p99: int
    other_statuses: int
    broken: int
    used: int
    threads: dict
    waited: float

    @property
    def rate(self):
        return self.requests / self.seconds

    @property
    def cpu(self):
        """CPU µs a request."""
        return sum(self.threads.values()) / self.requests * 1e6


def wrk(server, path, seconds, fields=(), status=200, connections=32, threads=1, cores=None, **variables):
    """`variables` are those that load.lua knows. Fails if anything but `status` is answered, or if bodies are missing."""
    summary = server.folder / "summary.json"
    headers = [part for field in fields for part in ("-H", field)]
    command = ["wrk", "-t", threads, "-c", connections, "-d", f"{seconds}s", "-s", SCRIPT, *headers, server.url(path)]
    environment = {**os.environ, "SUMMARY": str(summary), **{name: str(value) for name, value in variables.items()}}
    before, waited = server.threads(), server.waited()
    run = products.start(
        command, cores or products.LOAD_CORE, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        printed, _ = run.communicate(timeout=seconds + 60)
    finally:
        run.kill()
        run.wait()
    after, waited = server.threads(), server.waited() - waited
    if run.returncode != 0 or not summary.exists():
        raise products.Failed(f"wrk fails against {server.name}: {printed.strip()}")
    used = {thread: after[thread] - before.get(thread, 0) for thread in after}
    asked = Asked(threads=used, waited=waited, **json.loads(summary.read_text()))
    summary.unlink()
    refuse_if_wrong(server, path, asked, status)
    return asked


def refuse_if_wrong(server, path, asked, status):
    expected = asked.requests if status >= 400 else 0
    if asked.requests == 0 or asked.broken or asked.other_statuses != expected:
        raise products.Failed(
            f"{server.name} answers {path} wrongly: {asked.requests} answers, {asked.other_statuses} of them 400 or more, "
            f"{asked.broken} broken connections")
    if status == 200 and asked.bytes < asked.requests * len(products.BODY):
        raise products.Failed(f"{server.name} leaves out bodies: {asked.bytes} bytes in {asked.requests} answers")


def warm_up(server, path, fields, status=200):
    with Crowd(server.address, 32) as crowd:
        for _ in range(50):
            crowd.ask(head(path, *fields), status)


def check(server, path, token, status, subject):
    """That one request is answered as all are expected to be: the upstream's very body, and the subject it was told."""
    fields = [f"Authorization: Bearer {token}"] if token else []
    with Crowd(server.address, 1) as crowd:
        body = crowd.ask(head(path, *fields), status)
        if status == 200 and body != products.BODY.encode():
            raise products.Failed(f"{server.name} does not hand on the upstream's body, but {body!r}")
        if subject:
            told = crowd.ask(head("/seen", *fields), 200).decode()
            if told != subject:
                raise products.Failed(f"{server.name} tells the upstream {told!r} and not {subject!r}")


class Crowd:
    """Clients that keep their connections open and ask in turns."""

    def __init__(self, address, size):
        self.sockets = []
        for _ in range(size):
            connection = socket.create_connection(address, timeout=120)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.sockets.append(connection)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for connection in self.sockets:
            connection.close()

    def ask(self, request, status, at_once=32):
        """Each asks this once, `at_once` of them at the same time; the last answer's body."""
        return self.ask_each([request] * len(self.sockets), status, at_once)

    def ask_each(self, requests, status, at_once=32):
        """One request after the other, by the next client each time."""
        body = b""
        for begin in range(0, len(requests), at_once):
            asking = []
            for number in range(begin, min(begin + at_once, len(requests))):
                connection = self.sockets[number % len(self.sockets)]
                connection.sendall(requests[number])
                asking.append(connection)
            for connection in asking:
                body = read_answer(connection, status)
        return body

    def open(self):
        """How many the server has not hung up on."""
        return sum(is_open(connection) for connection in self.sockets)


def is_open(connection):
    connection.setblocking(False)
    try:
        return connection.recv(1) != b""
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        connection.settimeout(120)


def read_answer(connection, status):
    answer = b""
    while True:
        read = connection.recv(65536)
        if not read:
            raise products.Failed(f"the server hung up after {answer!r}")
        answer += read
        top, end, body = answer.partition(b"\r\n\r\n")
        length = re.search(rb"\r\ncontent-length: *(\d+)", top, re.IGNORECASE)
        if end and length and len(body) >= int(length[1]):
            break
    if not top.startswith(b"HTTP/1.1 %d " % status):
        raise products.Failed(f"not {status}: {top!r}")
    return body


def head(path, *fields):
    lines = [f"GET {path} HTTP/1.1", "Host: 127.0.0.1:8080", *fields]
    return "".join(line + "\r\n" for line in [*lines, ""]).encode()


def curl(server, path, fields, upload=None):
    """A large body through curl, down or up; the server's CPU seconds a GiB."""
    command = ["curl", "-sS", "-H", "Expect:", "-w", "%{http_code} %{size_download} %{size_upload}"]
    for field in fields:
        command += ["-H", field]
    if upload:
        command += ["-T", upload]
    body = server.folder / "body"
    command += ["-o", body if upload else "/dev/null", server.url(path)]
    before = server.cpu()
    run = products.start(command, products.LOAD_CORE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        printed, _ = run.communicate(timeout=300)
    finally:
        run.kill()
        run.wait()
    used = server.cpu() - before
    arrived = f"{printed.split(' ')[0]} {body.read_text()}" if upload else printed.rpartition(" ")[0]
    if arrived != f"200 {products.LARGE}":
        raise products.Failed(f"{server.name} does not hand on 1 GiB at {path}: {printed!r}")
    return used * 2**30 / products.LARGE


class Sink(http.server.BaseHTTPRequestHandler):
    """Reads what is put, and answers with how many bytes that were."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self):
        left = int(self.headers["Content-Length"])
        buffer, read = memoryview(bytearray(1 << 20)), 0
        while left > read:
            got = self.rfile.readinto1(buffer[:min(len(buffer), left - read)])
            if not got:
                return
            read += got
        body = str(read).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def sink(scratch):
    """A server of its own process, for the machine's other core."""
    port = products.free_port()
    folder = scratch / f"sink-{port}"
    folder.mkdir()
    command = [sys.executable, __file__, port]
    return products.Server("the sink", folder, command, products.LOAD_CORE, ("127.0.0.1", port))


def settled(server, seconds):
    """Resident bytes once nothing has happened for so long."""
    time.sleep(seconds)
    return server.memory()


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Sink).serve_forever()
