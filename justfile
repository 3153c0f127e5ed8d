# What CI runs, piece by piece; `.ci/run` is all of it.

default: check test

# Formatting, and whether everything compiles.
check:
    cargo fmt --check
    cargo check --all-targets --all-features

# Everything, and the layer alone.
test:
    cargo test --all-features
    cargo test --no-default-features

lint:
    cargo clippy --all-targets --all-features -- -D warnings
    cargo clippy --all-targets --no-default-features -- -D warnings
    cargo deny check

doc:
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps --all-features

# With real issuers; needs node, npm and python3 with venv.
issuers:
    tests/issuers/install.sh target/issuers
    BEARERGATE_TEST_ISSUERS=target/issuers cargo test --test it -- --ignored issuers

# With real clients; needs node, npm and python3 with venv.
clients:
    tests/clients/install.sh target/clients
    BEARERGATE_TEST_CLIENTS=target/clients cargo test --test it -- --ignored clients::

# A newcomer's first minute, with a real binary.
first-minute:
    cargo build
    tests/first_minute.sh target/debug/bearergate

# `just fuzz token 600`: ten minutes; `just fuzz`: ten seconds of each target. Needs a nightly compiler and cargo-fuzz.
fuzz target="" seconds=(if target == "" { "10" } else { "60" }):
    for target in {{ if target == "" { "$(cargo +nightly fuzz list)" } else { target } }}; do \
        cargo +nightly fuzz run $target -- -max_total_time={{seconds}} || exit 1; \
    done

# Ten million mixed requests to one gateway, whose memory must not grow. Needs Python 3.
soak requests="10000000":
    cargo build --release
    benches/soak/run target/release/bearergate {{requests}}

# `just bench layer`, or all of them.
bench *names:
    cargo bench --all-features {{ if names == "" { "--bench '*'" } else { "--bench " + names } }}

# What refreshing keys costs the requests meanwhile. Needs wrk and curl.
bench-refresh:
    cargo build --release
    benches/refresh.sh target/release/bearergate

# Beside HAProxy, nginx, Envoy and pingora; the first run installs them. `just side-by-side --quick`
side-by-side *arguments:
    benches/side_by_side/run {{arguments}}
