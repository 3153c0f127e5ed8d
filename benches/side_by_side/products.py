"""The gateway and its peers: a configuration for each, with which it starts in a folder of its own, has one worker and
stays on the cores that it is given. Each forwards to one upstream; told an algorithm, it verifies every token first: the
signature, `exp`, `iss` and `aud`, and tells the upstream the subject in X-Auth-Sub.
"""

import contextlib
import ctypes
import dataclasses
import http.client
import itertools
import json
import os
import pathlib
import re
import resource
import signal
import socket
import subprocess
import tempfile
import time

import configurations
from configurations import filled

HERE = pathlib.Path(__file__).resolve().parent
PROXY_CORE, LOAD_CORE = {0}, {1}
BODY = "x" * 199 + "\n"
LARGE = 1 << 30
# Every proxied connection takes two descriptors; the products are told no more than the system gives them.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
CONNECTIONS = min(20_000, DESCRIPTORS // 2 - 60)
LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1
PRIORITY = -15


class Failed(Exception):
    """What cannot be measured, and why; said in one line."""


def start(command, cores=None, **options):
    """A process on these cores, which ends when this one does, however it does."""
    parent = os.getpid()

    def prepare():
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
        if cores:
            os.sched_setaffinity(0, cores)
        # Ahead of whatever else runs, where that is allowed; the kernel may count by sessions.
        os.setsid()
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, 0, PRIORITY)
            pathlib.Path("/proc/self/autogroup").write_text(str(PRIORITY))

    command = [str(part) for part in command]
    # There are no threads that could hold a lock while this one forks.
    return subprocess.Popen(command, preexec_fn=prepare, stdin=subprocess.DEVNULL, **options)  # noqa: PLW1509


class Server:
    """A process that serves at `address`, a host and a port; what it prints is kept in its folder."""

    def __init__(self, name, folder, command, cores=None, address=None):
        self.name, self.folder, self.address, self.admin = name, folder, address, None
        with open(folder / "printed", "w") as printed, open(folder / "log", "w") as log:
            environment = {**os.environ, "RUST_LOG": "warn"}
            self.process = start(command, cores, cwd=folder, stdout=printed, stderr=log, env=environment)
        try:
            self._wait_until_it_serves()
        except BaseException:
            self.stop()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()

    def _serves(self):
        with socket.socket() as probe:
            return probe.connect_ex(self.address) == 0

    def _wait_until_it_serves(self):
        # Minutes: under callgrind everything takes fifty times as long.
        end = time.monotonic() + 120
        while time.monotonic() < end and self.process.poll() is None:
            if self._serves():
                return
            time.sleep(0.02)
        raise Failed(f"{self.name} does not start: {(self.folder / 'log').read_text().strip()[-600:]}")

    def stop(self):
        # No drain: pingora's takes minutes.
        self.process.kill()
        self.process.wait()

    def url(self, path):
        return "http://{}:{}{}".format(*self.address, path)

    def threads(self):
        """CPU seconds so far, by thread: its number, then its name."""
        used = {}
        for task in pathlib.Path(f"/proc/{self.process.pid}/task").iterdir():
            used[task.name, (task / "comm").read_text().strip()] = int((task / "schedstat").read_text().split()[0]) / 1e9
        return used

    def cpu(self):
        return sum(self.threads().values())

    def waited(self):
        """Seconds that its threads could have run and did not, for something else had the core."""
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[1]) for task in tasks) / 1e9

    def memory(self, field="VmRSS"):
        """Bytes that are resident; with VmHWM, that were at most."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"^{field}:\s+(\d+) kB", status, re.MULTILINE)[1]) * 1024


class Gateway(Server):
    """Ours: it takes free ports, and says which. `prefix` is a command that runs it."""

    def __init__(self, folder, binary, configuration, cores=None, prefix=()):
        folder.mkdir(exist_ok=True)
        (folder / "gateway.toml").write_text(configuration)
        self.binary = binary
        super().__init__("bearergate", folder, [*prefix, binary], cores)

    def _serves(self):
        printed = (self.folder / "printed").read_text()
        found = re.search(r"listens on http://([0-9.]+):(\d+)", printed)
        admin = re.search(r"^ *admin +http://([0-9.]+):(\d+)", printed, re.MULTILINE)
        self.address = found and (found[1], int(found[2]))
        self.admin = admin and (admin[1], int(admin[2]))
        return found and "\n\n" in printed[found.end():]

    def metric(self, name):
        connection = http.client.HTTPConnection(*self.admin, timeout=10)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return float(re.search(rf"^bearergate_{re.escape(name)} (\S+)$", text, re.MULTILINE)[1])


@dataclasses.dataclass
class Products:
    """Starts each of them, as often as one likes."""

    scratch: pathlib.Path
    binary: str
    envoy_binary: str
    pingora_binary: str
    keys: object
    upstream: str = ""
    cores: frozenset = frozenset(PROXY_CORE)

    def folder(self, name):
        return pathlib.Path(tempfile.mkdtemp(prefix=name + "-", dir=self.scratch))

    # --- ours

    def bearergate(self, algorithm="ES256", workers=1):
        return self._bearergate(configurations.gate(), algorithm, workers)

    def bearergate_whole(self):
        return self._bearergate(configurations.whole())

    def bearergate_bare(self):
        return self._bearergate(configurations.bare())

    def _bearergate(self, text, algorithm="ES256", workers=1):
        source = f'jwks_file = "{self.keys.jwks_file}"'
        if algorithm == "HS256":
            source = f'secret = {{ file = "{self.keys.secret_file}" }}\nalgorithms = ["HS256"]'
        values = {"WORKERS": workers, "UPSTREAM": self.upstream, "CONNECTIONS": CONNECTIONS, "KEYS": source}
        return Gateway(self.folder("bearergate"), self.binary, filled(text, values), self.cores)

    # --- the peers

    def haproxy(self, algorithm=None):
        folder, port = self.folder("haproxy"), free_port()
        checks = configurations.HAPROXY_CHECKS if algorithm else ""
        key = self.keys.pem_file if algorithm == "ES256" else self.keys.secret
        text = configurations.HAPROXY.replace("@CHECKS@", checks)
        values = {
            "PORT": port, "UPSTREAM": self.upstream, "CONNECTIONS": CONNECTIONS, "ALGORITHM": algorithm, "KEY": key,
            "ISSUER": configurations.ISSUER, "AUDIENCE": configurations.AUDIENCE}
        (folder / "haproxy.cfg").write_text(filled(text, values))
        return Server("haproxy", folder, ["haproxy", "-db", "-f", "haproxy.cfg"], self.cores, ("127.0.0.1", port))

    def nginx(self):
        folder, port = self.folder("nginx"), free_port()
        server = filled(configurations.NGINX_PROXY, {"PORT": port, "UPSTREAM": self.upstream})
        return nginx("nginx", folder, server, self.cores, ("127.0.0.1", port))

    def pingora(self):
        port = free_port()
        command = [self.pingora_binary, f"127.0.0.1:{port}", self.upstream]
        return Server("pingora", self.folder("pingora"), command, self.cores, ("127.0.0.1", port))

    def envoy(self, algorithm=None):
        """With its cache of verified tokens, if it verifies them."""
        folder, port = self.folder("envoy"), free_port()
        configuration = configurations.envoy(port, self.upstream, algorithm and self.keys.jwks)
        (folder / "envoy.json").write_text(json.dumps(configuration))
        command = [self.envoy_binary, "-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return Server("envoy", folder, command, self.cores, ("127.0.0.1", port))

    # --- behind them

    def answering_upstream(self):
        """Answers with 200 bytes; at /seen with the subject that it was told; at /large with 1 GiB."""
        folder, port = self.folder("upstream"), free_port()
        with open(folder / "large", "wb") as large:
            large.truncate(LARGE)
        server = filled(configurations.NGINX_UPSTREAM, {"PORT": port, "BODY": BODY.replace("\n", "\\n"), "FOLDER": folder})
        return nginx("the upstream", folder, server, LOAD_CORE, ("127.0.0.1", port))


def nginx(name, folder, server, cores, address):
    (folder / "nginx.conf").write_text(filled(configurations.NGINX, {"SERVER": server}))
    return Server(name, folder, ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"], cores, address)


# Below those that the system gives to connections: one of them must not take a server's port before it listens.
PORTS = itertools.count(20_000)


def free_port():
    """One that nobody listens at, and that no earlier server of this run had."""
    while True:
        port = next(PORTS)
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
