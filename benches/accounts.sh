#!/usr/bin/env bash
# What the built-in endpoints cost: CPU time of GET /auth/me against that of a forwarded request, in one run and in turns;
# refreshes a second on SQLite, each thread with its own session; memory while 200 log in at once. Needs wrk, curl, jq.
#
#     benches/accounts.sh target/release/bearergate [ROUNDS [SECONDS]]
set -euo pipefail

binary=$(realpath "$1")
rounds=${2:-5}
seconds=${3:-4}
folder=$(mktemp -d)
processes=()
trap 'kill "${processes[@]}" 2>/dev/null || true; rm -rf "$folder"' EXIT

# start NAME LINES...: serves by this configuration from a folder of that name; sets $url and $pid.
start() {
    mkdir "$folder/$1"
    printf '%s\n' '[listen]' 'address = "127.0.0.1:0"' 'workers = 1' '[admin]' 'address = "127.0.0.1:0"' > "$folder/$1/end"
    printf '%s\n' "${@:2}" | cat - "$folder/$1/end" > "$folder/$1/gateway.toml"
    (cd "$folder/$1" && RUST_LOG=warn exec "$binary" > banner 2> log) &
    pid=$!
    processes+=("$pid")
    until grep -q 'listens on' "$folder/$1/banner" 2> /dev/null; do
        kill -0 $pid || { cat "$folder/$1/log" >&2; exit 1; }
        sleep 0.1
    done
    url=$(sed -n 's/.* listens on //p' "$folder/$1/banner")
}

start upstream '[upstream.default]' 'servers = ["builtin:echo"]' '[[route]]' 'match = "* /**"' 'access = "public"'
upstream=$url
start gateway 'preset = "hungry-machines"' '[upstream.default]' "servers = ['$upstream']" '[accounts]' \
    "throttle = { account = 'off', address = 'off' }"
gateway=$url

post() { curl -sf "$gateway$1" -H 'content-type: application/json' -d "$2"; }
session=$(post /auth/signup '{"email": "alice@example.com", "password": "correct horse battery"}')
token=$(jq -r .access_token <<< "$session")

# ticks: what the gateway has used so far, in hundredths of a second.
ticks() { awk '{ print $14 + $15 }' "/proc/$pid/stat"; }

# cost PATH: CPU microseconds a request.
cost() {
    local before after requests
    before=$(ticks)
    wrk -t 1 -c 8 -d "${seconds}s" -H "Authorization: Bearer $token" "$gateway$1" > "$folder/wrk"
    after=$(ticks)
    if grep -E 'Non-2xx|Socket errors' "$folder/wrk" >&2; then
        exit 1
    fi
    requests=$(awk '/requests in/ { print $1 }' "$folder/wrk")
    awk -v ticks=$((after - before)) -v requests="$requests" 'BEGIN { printf "%.1f\n", ticks * 10000 / requests }'
}

for round in $(seq "$rounds"); do
    forwarded=$(cost /orders/7)
    me=$(cost /auth/me)
    awk -v me="$me" -v forwarded="$forwarded" -v round="$round" \
        'BEGIN { printf "round %d: forwarded %.1f us, /auth/me %.1f us: %.2f\n", round, forwarded, me, me / forwarded }'
done

cat > "$folder/refresh.lua" <<'LUA'
local number = 0
function setup(thread)
    number = number + 1
    thread:set("token", os.getenv("TOKEN_" .. number))
end
function request()
    return wrk.format("POST", "/auth/refresh", { ["content-type"] = "application/json" },
        '{"refresh_token":"' .. token .. '"}')
end
function response(status, headers, body)
    if status ~= 200 then io.stderr:write(status, " ", body, "\n") end
    token = body:match('"refresh_token":"([^"]+)"') or token
end
LUA
for number in 1 2 3 4 5 6 7 8; do
    session=$(post /auth/login '{"email": "alice@example.com", "password": "correct horse battery"}')
    export "TOKEN_$number=$(jq -r .refresh_token <<< "$session")"
done
echo "refreshes, 8 sessions at once:"
wrk -t 8 -c 8 -d "$((seconds * 2))s" --latency -s "$folder/refresh.lua" "$gateway" | grep -E '50%|99%|Requests/sec|Non-2xx|Socket' 

rss() { awk -v name="$1" '$1 == name ":" { printf "%.1f MB\n", $2 / 1024 }' "/proc/$pid/status"; }
echo "memory: $(rss VmRSS) before 200 log in at once"
for _ in $(seq 200); do
    curl -s -o /dev/null -w '%{http_code}\n' "$gateway/auth/login" -H 'content-type: application/json' \
        -d '{"email": "alice@example.com", "password": "correct horse battery"}' &
    logins+=($!)
done > "$folder/statuses"
wait "${logins[@]}"
echo "memory: $(rss VmHWM) at most, $(rss VmRSS) after; answers: $(sort "$folder/statuses" | uniq -c | tr '\n' ' ')"
