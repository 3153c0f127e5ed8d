#!/usr/bin/env bash
# The first minute of a newcomer: start the binary in an empty folder, paste the line that it prints, see the three
# refusals, stop it.
#
#     tests/first_minute.sh target/debug/bearergate
set -euo pipefail

binary=$(realpath "$1")
repository=$(realpath "$(dirname "$0")/..")
folder=$(mktemp -d)
gateway=
trap '[[ -z $gateway ]] || kill -KILL "$gateway" 2>/dev/null || true; rm -rf "$folder"' EXIT
cd "$folder"

fail() {
    echo "first minute: $1" >&2
    tail -n 40 banner log >&2 2>/dev/null || true
    exit 1
}

# The embedded configuration listens on fixed ports. Where one is taken, the same file is used with other ports.
taken() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }
if taken 8080 || taken 9901; then
    echo "port 8080 or 9901 is taken: using any"
    sed 's/127\.0\.0\.1:\(8080\|9901\)/127.0.0.1:0/' "$repository/gateway.toml" > gateway.toml
fi

touch banner log
"$binary" > banner 2> log &
gateway=$!
for _ in {1..100}; do
    grep -q 'Authorization: Bearer' banner && break
    kill -0 "$gateway" 2>/dev/null || fail "it ended instead of listening"
    sleep 0.1
done
line=$(grep -m1 '^ *curl .*Authorization: Bearer' banner) || fail "no curl line with a token was printed"
if LC_ALL=C grep -q $'\e' banner log; then fail "what is piped has escapes in it"; fi

# The line as it is pasted, its words only made quiet enough to read the status.
answer=$(bash -c "$line -sS") || fail "the line failed: $line"
[[ $answer == HTTP/1.1\ 200* ]] || fail "the pasted line was answered with: $answer"

url=$(grep -oE "http://[^' ]+" <<< "$line" | head -n 1)
good=$(grep -oE 'Bearer [A-Za-z0-9_.-]+' <<< "$line" | cut -d ' ' -f 2)
expired=$("$binary" token mint --expired 2>> log)
forged=${good%.*}.${expired##*.}

# refused DETAIL CHALLENGE [TOKEN]
refused() {
    local header=() status body challenge
    [[ $# -lt 3 ]] || header=(-H "Authorization: Bearer $3")
    status=$(curl -sS -o body -D head -w '%{http_code}' "${header[@]}" "$url")
    body=$(< body)
    challenge=$(tr -d '\r' < head | sed -n 's/^www-authenticate: //Ip')
    [[ $status == 401 ]] || fail "$1: the status is $status"
    [[ $body == "{\"detail\":\"$1\"}" ]] || fail "$1: the body is $body"
    [[ $challenge == "$2" ]] || fail "$1: the challenge is $challenge"
}
refused 'Not authenticated' 'Bearer'
refused 'Token expired' 'Bearer error="invalid_token"' "$expired"
refused 'Invalid token' 'Bearer error="invalid_token"' "$forged"

kill -TERM "$gateway"
code=0
wait "$gateway" || code=$?
gateway=
[[ $code == 0 ]] || fail "it ended with $code on SIGTERM"
echo "first minute: the pasted line got 200, the three refusals are exact, SIGTERM ends it with 0"
