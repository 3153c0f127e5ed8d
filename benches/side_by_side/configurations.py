"""The configurations of the gateway and its peers. A name between two `@` is filled in when a product starts."""

import json

# What every token says, and what every product that verifies it insists on.
ISSUER, AUDIENCE = "https://issuer.example", "api"
# What the whole product has beside routes, permissions, identity headers and metrics.
ACCESS_LOG = "[access_log]\npath = 'access.log'\n"


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
connections = @CONNECTIONS@
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


def gate():
    """Everything needs a token, but what is below /public/."""
    routes = [route("* /public/**", 'access = "public"'), route("* /**")]
    return GATEWAY + ISSUER_TABLE + identity_headers({"X-Auth-Sub": "sub"}) + "".join(routes)


def whole():
    """As a product uses it: thirty routes with permissions, identity headers, metrics, access log."""
    headers = {"X-Auth-Sub": "sub", "X-Auth-Scope": "scope", "X-Auth-Token-Id": "jti"}
    routes = [route("GET /seen", 'permissions = ["read:items"]')]
    for name in ("plants", "sites", "users", "devices", "reports", "tariffs", "meters", "alarms", "invoices", "tickets"):
        routes += [
            route(f"GET /{name}/{{id}}", 'permissions = ["read:items"]'),
            route(f"POST|PUT|DELETE /{name}/{{id}}", 'permissions = ["read:items", "write:items"]'),
            route(f"GET|POST /{name}/{{id}}/notes/**", 'any_permission = ["read:items", "admin"]')]
    return GATEWAY + ISSUER_TABLE + ACCESS_LOG + identity_headers(headers) + "".join(routes)


def bare():
    """One public route, and nothing that could be left out."""
    return GATEWAY.replace(ADMIN, "") + route("* /**", 'access = "public"')


def identity_headers(claims):
    return "\n".join(["[identity_headers]", *(f'"{name}" = "{claim}"' for name, claim in claims.items()), ""])


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


ENVOY = "type.googleapis.com/envoy.extensions."


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


def socket_address(host, port):
    return {"socket_address": {"address": host, "port_value": port}}
