"""What the clients beside share: a line of JSON for each thing seen, and an end at the first that is not as documented.

A line has `step`, `status`, `body`. Tokens are shown by their length alone. What is left out for want of an argument has
`left_out`, with the reason. The exit code is 0 if everything was as documented, 1 if something was not (a line with
`failed` says what, and stderr too), 2 for wrong usage.
"""

import base64
import json
import secrets
import sys

SECRET = {"access_token", "refresh_token", "accessToken", "refreshToken", "token", "password"}


class Wrong(Exception):
    """Something is not as documented."""


class Like:
    """Stands in an expected body for every value that passes a test."""

    def __init__(self, what, test):
        self.what, self.test = what, test

    def __repr__(self):
        return f"<{self.what}>"


TEXT = Like("text, not empty", lambda value: isinstance(value, str) and value != "")
INTEGER = Like("an integer", lambda value: type(value) is int)


def jwt(**claims):
    """A signed JWT with these claims. The signature is the gateway's business."""

    def test(value):
        try:
            return not difference(claims, {name: payload(value).get(name) for name in claims})
        except (ValueError, IndexError, AttributeError, TypeError):
            return False

    return Like(f"a JWT with {claims}", test)


def part(token, index):
    text = token.split(".")[index]
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def header(token):
    return part(token, 0)


def payload(token):
    return part(token, 1)


def spoiled(token):
    """With another signature."""
    head, _, signature = token.rpartition(".")
    middle = len(signature) // 2
    return f"{head}.{signature[:middle]}{'A' if signature[middle] != 'A' else 'B'}{signature[middle + 1:]}"


def fresh_email(name="anna"):
    return f"{name}.{secrets.token_hex(6)}@example.com"


def difference(expected, seen, place="body"):
    """What keeps `seen` from being `expected`: every key and no other, numbers of the same type. None: nothing."""
    name = place.rpartition(".")[2]
    if isinstance(expected, Like):
        return None if expected.test(seen) else f"{place} is {shown(seen, name)}, not {expected}"
    if isinstance(expected, dict) and isinstance(seen, dict):
        if expected.keys() != seen.keys():
            return f"{place} has the keys {sorted(seen)}, not {sorted(expected)}"
        found = (difference(expected[key], seen[key], f"{place}.{key}") for key in expected)
        return next((text for text in found if text), None)
    if isinstance(expected, list) and isinstance(seen, list) and len(expected) == len(seen):
        found = (difference(one, other, f"{place}[{i}]") for i, (one, other) in enumerate(zip(expected, seen)))
        return next((text for text in found if text), None)
    if type(expected) is type(seen) and expected == seen:
        return None
    if name in SECRET:
        return f"{place} is not the one expected"
    return f"{place} is {shown(seen)}, not {shown(expected)}"


def hidden(value, name=""):
    if isinstance(value, dict):
        return {key: hidden(member, key) for key, member in value.items()}
    if isinstance(value, list):
        return [hidden(member, name) for member in value]
    return f"({len(value)} characters)" if name in SECRET and isinstance(value, str) else value


def shown(value, name=""):
    return json.dumps(hidden(value, name), default=repr, ensure_ascii=False)


def body_of(response):
    try:
        return response.json()
    except ValueError:
        return response.text


def saw(step, response, status, body=None, headers=None, no_store=True):
    """Says what came and ends unless it is as documented. `body`: None for any. `headers`: names and their values; a
    value None must not be there. What succeeds at an endpoint of accounts is `no-store`."""
    seen = body_of(response)
    print(json.dumps({"step": step, "status": response.status_code, "body": hidden(seen)}, ensure_ascii=False), flush=True)
    if response.status_code != status:
        raise Wrong(f"{step}: the status is {response.status_code}, not {status}; the body is {shown(seen)}")
    wrong = body is not None and difference(body, seen)
    if wrong:
        raise Wrong(f"{step}: {wrong}")
    if isinstance(seen, (dict, list)) and response.headers.get("content-type", "").split(";")[0] != "application/json":
        raise Wrong(f"{step}: the content type is {response.headers.get('content-type')}")
    for name, value in (headers or {}).items():
        if response.headers.get(name) != value:
            raise Wrong(f"{step}: {name} is {response.headers.get(name)!r}, not {value!r}")
    if no_store and status < 300 and "no-store" not in response.headers.get("cache-control", ""):
        raise Wrong(f"{step}: Cache-Control is {response.headers.get('cache-control')!r}, which is not no-store")
    return seen


def same(step, one, other):
    """Two answers from which nobody can tell what is the difference: status, bytes, and the names of headers."""
    for what, first, second in (
        ("status", one.status_code, other.status_code),
        ("body", one.content, other.content),
        ("headers", sorted(map(str.lower, one.headers)), sorted(map(str.lower, other.headers))),
    ):
        if first != second:
            raise Wrong(f"{step}: the {what} tells them apart: {first!r} and {second!r}")
    print(json.dumps({"step": step, "same": True}), flush=True)


def demand(step, holds, why):
    print(json.dumps({"step": step, "holds": bool(holds)}), flush=True)
    if not holds:
        raise Wrong(f"{step}: {why}")


def left_out(step, why):
    print(json.dumps({"step": step, "left_out": why}), flush=True)


def run(commands, usage):
    """The command that the arguments name: `PROGRAM URL [COMMAND [ARGUMENT…]]`; without one, `tour`."""
    url, name, *arguments = [*sys.argv[1:], "tour"][: max(2, len(sys.argv) - 1)] if len(sys.argv) > 1 else ("", "")
    command = commands.get(name)
    most = command.__code__.co_argcount - 1 if command else 0
    least = most - len(command.__defaults__ or ()) if command else 0
    if not command or not least <= len(arguments) <= most:
        print(usage.strip(), file=sys.stderr)
        sys.exit(2)
    try:
        command(url.rstrip("/"), *arguments)
    except Wrong as wrong:
        print(json.dumps({"failed": str(wrong)}, ensure_ascii=False), flush=True)
        sys.exit(f"not as documented: {wrong}")
    except Exception as error:
        print(json.dumps({"failed": f"{type(error).__name__}: {error}"}, ensure_ascii=False), flush=True)
        raise
