#!/usr/bin/env bash
# What refreshing keys costs the requests meanwhile: the latency of three gateways, one that fetches no keys after the
# first, one that fetches them every second, and one whose issuer has other keys every two seconds besides. In one run and
# in turns, so that the machine's neighbours disturb them alike. Needs wrk and curl.
#
#     benches/refresh.sh target/release/bearergate [ROUNDS [SECONDS]]
set -euo pipefail

binary=$(realpath "$1")
rounds=${2:-5}
seconds=${3:-8}
folder=$(mktemp -d)
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT

# start NAME LINES...: serves by this configuration from a folder of that name; sets $url and $admin.
start() {
    mkdir "$folder/$1"
    cat > "$folder/$1/gateway.toml" <<'COMMON'
[listen]
address = "127.0.0.1:0"
workers = 1
[admin]
address = "127.0.0.1:0"
[upstream.default]
servers = ["builtin:echo"]
[[route]]
match = "* /**"
[issuer.main]
issuer = "https://id.example.com"
algorithms = ["ES256"]
COMMON
    printf '%s\n' "${@:2}" >> "$folder/$1/gateway.toml"
    (cd "$folder/$1" && RUST_LOG=warn exec "$binary" > banner 2> log) &
    processes+=($!)
    until grep -q 'Try:' "$folder/$1/banner" 2> /dev/null; do
        kill -0 $! || { cat "$folder/$1/log" >&2; exit 1; }
        sleep 0.1
    done
    url=$(sed -n 's/.* listens on //p' "$folder/$1/banner")
    admin=$(sed -n 's/^ *admin *\(http[^ ]*\).*/\1/p' "$folder/$1/banner")
}

# keys COMMAND: of the issuer that changes them.
keys() {
    (cd "$folder/changing" && "$binary" keys "$1" > /dev/null)
}

names=("only once" "every second" "every second, and others every two")
start still 'signing_keys = "keys"'
still=$url/.well-known/jwks.json
start changing 'signing_keys = "keys"'
changing=$url/.well-known/jwks.json
keys generate

urls=() admins=() tokens=()
add() {
    start "$1" "jwks_url = '$2'" "refresh = '$3'"
    urls+=("$url")
    admins+=("$admin")
    tokens+=("$(cd "$folder/$4" && "$binary" token mint --subject alice)")
}
add once "$still" 10m still
add refreshed "$still" 1s still
add changed "$changing" 1s changing

# load INDEX: 50th and 99th percentile in µs and requests a second.
load() {
    wrk -t 1 -c 8 -d "${seconds}s" --latency -H "Authorization: Bearer ${tokens[$1]}" "${urls[$1]}/orders/7" > "$folder/wrk"
    if grep -E 'Non-2xx|Socket errors' "$folder/wrk" >&2; then
        exit 1
    fi
    awk '
        function micros(text) { return text * (text ~ /us$/ ? 1 : text ~ /ms$/ ? 1000 : 1000000) }
        $1 == "50%" || $1 == "99%" { printf "%d ", micros($2) }
        $1 == "Requests/sec:" { print $2 }
    ' "$folder/wrk"
}

for round in $(seq "$rounds"); do
    for turn in 0 1 2; do
        index=$(((round + turn) % 3))
        if [[ $index == 2 ]]; then
            (while sleep 2; do keys rotate; done) &
            rotating=$!
            load 2 >> "$folder/2"
            kill "$rotating"
        else
            load "$index" >> "$folder/$index"
        fi
    done
done

median() { sort -g | awk '{ all[NR] = $1 } END { print all[int((NR + 1) / 2)] }'; }
echo "| keys are fetched | p50, µs | p99, µs | p99, range | requests a second | fetches with other, with the same keys |"
echo "|---|---|---|---|---|---|"
for index in 0 1 2; do
    of() { cut -d ' ' -f "$1" "$folder/$index"; }
    outcome() { curl -sS "${admins[$index]}/metrics" | sed -n "s/.*key_refreshes_total.*\"$1\"} //p"; }
    echo "| ${names[$index]} | $(of 1 | median) | $(of 2 | median) | $(of 2 | sort -g | sed -n '1p;$p' | paste -sd - | sed 's/-/–/') |" \
        "$(of 3 | median) | $(outcome replaced), $(outcome unchanged) |"
done
