"""The gateway and its peers: a configuration for each, with which it starts in a folder of its own, has one worker and
stays on the cores that it is given. Each forwards to one upstream; told an algorithm, it verifies every token first: the
signature, `exp`, `iss` and `aud`, and tells the upstream the subject in X-Auth-Sub.
"""

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

HERE = pathlib.Path(__file__).resolve().parent
PROXY_CORE, LOAD_CORE = {0}, {1}
# What every token says, and what every product that verifies it insists on.
ISSUER, AUDIENCE = "https://issuer.example", "api"
BODY = "x" * 199 + "\n"
LARGE = 1 << 30
# Every proxied connection takes two descriptors; the products are told no more than the system gives them.
DESCRIPTORS = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
CONNECTIONS = min(20_000, DESCRIPTORS // 2 - 60)
# What the whole product has beside routes, permissions, identity headers and metrics.
ACCESS_LOG = ""
# [access_log]
# path = "access.log"

LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


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
        """Everything needs a token, but what is below /public/."""
        text = GATEWAY + ISSUER_TABLE + '[identity_headers]\n"X-Auth-Sub" = "sub"\n' + route("* /public/**", 'access = "public"')
        return self._bearergate(text + route("* /**"), algorithm, workers)

    def bearergate_whole(self, algorithm="ES256"):
        """As a product uses it: thirty routes with permissions, identity headers, metrics, access log."""
        headers = {"X-Auth-Sub": "sub", "X-Auth-Scope": "scope", "X-Auth-Token-Id": "jti"}
        text = GATEWAY + ISSUER_TABLE + ACCESS_LOG + "[identity_headers]\n"
        text += "".join(f'"{name}" = "{claim}"\n' for name, claim in headers.items())
        names = ["plants", "sites", "users", "devices", "reports", "tariffs", "meters", "alarms", "invoices", "tickets"]
        for name in names:
            text += route(f"GET /{name}/{{id}}", 'permissions = ["read:items"]')
            text += route(f"POST|PUT|DELETE /{name}/{{id}}", 'permissions = ["read:items", "write:items"]')
            text += route(f"GET|POST /{name}/{{id}}/notes/**", 'any_permission = ["read:items", "admin"]')
        return self._bearergate(text + route("GET /seen", 'permissions = ["read:items"]'), algorithm)

    def bearergate_bare(self):
        """One public route, and nothing that could be left out."""
        return self._bearergate(GATEWAY.replace(ADMIN, "") + route("* /**", 'access = "public"'), "ES256")

    def _bearergate(self, text, algorithm, workers=1):
        source = f'jwks_file = "{self.keys.jwks_file}"'
        if algorithm == "HS256":
            source = f'secret = {{ file = "{self.keys.secret_file}" }}\nalgorithms = ["HS256"]'
        text = text.replace("@WORKERS@", str(workers)).replace("@UPSTREAM@", self.upstream).replace("@KEYS@", source)
        return Gateway(self.folder("bearergate"), self.binary, text, self.cores)

    # --- the peers

    def haproxy(self, algorithm=None):
        folder, port = self.folder("haproxy"), free_port()
        checks = HAPROXY_CHECKS if algorithm else ""
        key = self.keys.pem_file if algorithm == "ES256" else self.keys.secret
        text = HAPROXY.replace("@CHECKS@", checks)
        values = {
            "PORT": port, "UPSTREAM": self.upstream, "CONNECTIONS": CONNECTIONS, "ALGORITHM": algorithm, "KEY": key,
            "ISSUER": ISSUER, "AUDIENCE": AUDIENCE}
        (folder / "haproxy.cfg").write_text(filled(text, values))
        return Server("haproxy", folder, ["haproxy", "-db", "-f", "haproxy.cfg"], self.cores, ("127.0.0.1", port))

    def nginx(self):
        folder, port = self.folder("nginx"), free_port()
        server = filled(NGINX_PROXY, {"PORT": port, "UPSTREAM": self.upstream})
        return nginx("nginx", folder, server, self.cores, ("127.0.0.1", port))

    def pingora(self):
        port = free_port()
        command = [self.pingora_binary, f"127.0.0.1:{port}", self.upstream]
        return Server("pingora", self.folder("pingora"), command, self.cores, ("127.0.0.1", port))

    def envoy(self, algorithm=None):
        """With its cache of verified tokens, if it verifies them."""
        folder, port = self.folder("envoy"), free_port()
        (folder / "envoy.json").write_text(json.dumps(envoy(port, self.upstream, algorithm and self.keys.jwks)))
        command = [self.envoy_binary, "-c", "envoy.json", "--concurrency", "1", "--disable-hot-restart", "--log-level", "error"]
        return Server("envoy", folder, command, self.cores, ("127.0.0.1", port))

    # --- behind them

    def answering_upstream(self):
        """Answers with 200 bytes; at /seen with the subject that it was told; at /large with 1 GiB."""
        folder, port = self.folder("upstream"), free_port()
        with open(folder / "large", "wb") as large:
            large.truncate(LARGE)
        server = filled(NGINX_UPSTREAM, {"PORT": port, "BODY": BODY.replace("\n", "\\n"), "FOLDER": folder})
        return nginx("the upstream", folder, server, LOAD_CORE, ("127.0.0.1", port))


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


def filled(text, values):
    for name, value in values.items():
        text = text.replace(f"@{name}@", str(value))
    return text


ADMIN = """
[admin]
address = "127.0.0.1:0"
"""

GATEWAY = f"""
[listen]
address = "127.0.0.1:0"
workers = @WORKERS@
{ADMIN}
[limits]
connections = {CONNECTIONS}
body_bytes = "2GiB"
[upstream.default]
servers = ["http://@UPSTREAM@"]
"""

ISSUER_TABLE = f"""
[issuer.api]
issuer = "{ISSUER}"
audience = ["{AUDIENCE}"]
permissions = ["scope"]
@KEYS@
"""


def route(match, *lines):
    return "\n".join(["[[route]]", f'match = "{match}"', *lines, ""])


HAPROXY = """
global
    nbthread 1
    maxconn @CONNECTIONS@
    no strict-limits

defaults
    mode http
    timeout connect 5s
    timeout client 10m
    timeout server 10m
    timeout http-keep-alive 10m
    timeout http-request 30s
    http-reuse always

frontend gate
    bind 127.0.0.1:@PORT@
@CHECKS@
    default_backend upstream

backend upstream
    server first @UPSTREAM@ pool-max-conn 512
"""

# HAProxy 2.6 looks into a token by JSON paths, one claim at a time.
HAPROXY_CHECKS = """
    http-request deny deny_status 401 unless { req.hdr(authorization) -m found }
    http-request set-var(txn.token) http_auth_bearer
    http-request deny deny_status 401 unless { var(txn.token),jwt_header_query('$.alg') -m str @ALGORITHM@ }
    http-request deny deny_status 401 unless { var(txn.token),jwt_verify("@ALGORITHM@","@KEY@") 1 }
    http-request set-var(txn.end) var(txn.token),jwt_payload_query('$.exp','int')
    http-request set-var(txn.now) date()
    http-request deny deny_status 401 if { var(txn.end),sub(txn.now) -m int le 0 }
    http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.iss') -m str @ISSUER@ }
    http-request deny deny_status 401 unless { var(txn.token),jwt_payload_query('$.aud') -m str @AUDIENCE@ }
    http-request set-header X-Auth-Sub %[var(txn.token),jwt_payload_query('$.sub')]
"""

# Everything that nginx would write goes below its own folder.
NGINX = """
daemon off;
master_process off;
worker_processes 1;
pid nginx.pid;
events { worker_connections 32768; }
http {
    access_log off;
    server_tokens off;
    default_type text/plain;
    keepalive_requests 1000000000;
    keepalive_timeout 10m;
    client_max_body_size 0;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;
    @SERVER@
}
"""

NGINX_PROXY = """
    upstream first { server @UPSTREAM@; keepalive 512; keepalive_requests 1000000000; keepalive_timeout 10m; }
    server {
        listen 127.0.0.1:@PORT@ backlog=4096;
        location / { proxy_pass http://first; proxy_http_version 1.1; proxy_set_header Connection ""; }
    }
"""

NGINX_UPSTREAM = """
    server {
        listen 127.0.0.1:@PORT@ backlog=4096;
        location / { return 200 "@BODY@"; }
        location = /seen { return 200 "$http_x_auth_sub"; }
        location = /large { root @FOLDER@; sendfile on; }
    }
"""


def nginx(name, folder, server, cores, address):
    (folder / "nginx.conf").write_text(filled(NGINX, {"SERVER": server}))
    return Server(name, folder, ["nginx", "-p", folder, "-c", "nginx.conf", "-e", "error.log"], cores, address)


def envoy(port, upstream, jwks=None):
    """Envoy's configuration; with `jwks`, every token is verified with it and remembered."""
    host, upstream_port = upstream.split(":")
    filters = [{"name": "envoy.filters.http.router", "typed_config": {
        "@type": ENVOY + "filters.http.router.v3.Router", "dynamic_stats": False, "suppress_envoy_headers": True}}]
    if jwks:
        provider = {
            "issuer": ISSUER, "audiences": [AUDIENCE], "forward": True,
            "local_jwks": {"inline_string": json.dumps(jwks)}, "jwt_cache_config": {"jwt_cache_size": 20_000},
            "claim_to_headers": [{"header_name": "X-Auth-Sub", "claim_name": "sub"}]}
        filters.insert(0, {"name": "envoy.filters.http.jwt_authn", "typed_config": {
            "@type": ENVOY + "filters.http.jwt_authn.v3.JwtAuthentication", "providers": {"api": provider},
            "rules": [{"match": {"prefix": "/"}, "requires": {"provider_name": "api"}}]}})
    routes = {"name": "all", "virtual_hosts": [{
        "name": "all", "domains": ["*"],
        "routes": [{"match": {"prefix": "/"}, "route": {"cluster": "upstream", "timeout": "600s"}}]}]}
    manager = {
        "@type": ENVOY + "filters.network.http_connection_manager.v3.HttpConnectionManager", "stat_prefix": "gate",
        "codec_type": "HTTP1", "generate_request_id": False, "route_config": routes, "http_filters": filters}
    endpoint = {"endpoint": {"address": socket_address(host, int(upstream_port))}}
    most = 20_000
    cluster = {
        "name": "upstream", "type": "STATIC", "connect_timeout": "5s",
        "circuit_breakers": {"thresholds": [
            {"max_connections": most, "max_pending_requests": most, "max_requests": most, "max_retries": 0}]},
        "load_assignment": {"cluster_name": "upstream", "endpoints": [{"lb_endpoints": [endpoint]}]}}
    listener = {
        "name": "gate", "address": socket_address("127.0.0.1", port),
        "filter_chains": [{"filters": [
            {"name": "envoy.filters.network.http_connection_manager", "typed_config": manager}]}]}
    return {"static_resources": {"listeners": [listener], "clusters": [cluster]}}


ENVOY = "type.googleapis.com/envoy.extensions."


def socket_address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}
