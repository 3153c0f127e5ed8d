"""Hungry Machines' Python client (httpx), and a tour of everything that its documents say.

    hungry_machines.py URL [tour]                     URL such as http://127.0.0.1:8080
    hungry_machines.py URL pending EMAIL PASSWORD     signs up where e-mails are to be confirmed
    hungry_machines.py URL confirm LINK EMAIL PASSWORD    with the mail's link
    hungry_machines.py URL unavailable STATUS DETAIL  signup, login and refresh while what is behind them is not there

Environment: EXPIRED_TOKEN, an access token past its expiry, rightly signed, for the one answer that needs it.
The tour makes users of its own. It fails 2 logins and 6 refreshes. It does not wait for the reuse interval to end.
"""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone

import httpx

from check import INTEGER, TEXT, Like, Wrong, demand, fresh_email, header, left_out, payload, run, same, saw, spoiled

PASSWORD = "securepassword"
UUID = Like("a UUID", lambda value: isinstance(value, str) and [len(x) for x in value.split("-")] == [8, 4, 4, 4, 12])
IN_AN_HOUR = Like("in an hour, in Unix seconds", lambda value: type(value) is int and abs(value - time.time() - 3600) < 60)
DEFAULTS = {
    "location_zip": "", "home_size_sqft": 0, "pricing_location": 1, "timezone": "America/New_York",
    "subscription_tier": "free", "weather_entity_id": "",
}
STALE = {"detail": "Invalid Refresh Token"}


class SignInAgain(Exception):
    """The refresh token is stale."""


class Client:
    """As the documents have it: refreshes five minutes before the end, and after a 401 `Token expired`, once."""

    def __init__(self, url, email, password):
        self.url = url
        self._keep(httpx.post(f"{url}/auth/login", json={"email": email, "password": password}))

    def _keep(self, response):
        response.raise_for_status()
        session = response.json()
        self.access_token, self.refresh_token = session["access_token"], session["refresh_token"]
        self.expires_at = session["expires_at"]

    def _refresh(self):
        response = httpx.post(f"{self.url}/auth/refresh", json={"refresh_token": self.refresh_token})
        if response.status_code == 400 and response.json() == STALE:
            raise SignInAgain
        self._keep(response)

    def request(self, method, path, **kwargs):
        if int(datetime.now(timezone.utc).timestamp()) >= self.expires_at - 300:
            self._refresh()
        response = self._send(method, path, **kwargs)
        if response.status_code == 401 and response.json() == {"detail": "Token expired"}:
            self._refresh()
            response = self._send(method, path, **kwargs)
        return response

    def _send(self, method, path, **kwargs):
        headers = kwargs.pop("headers", {}) | {"Authorization": f"Bearer {self.access_token}"}
        return httpx.request(method, f"{self.url}{path}", headers=headers, **kwargs)


class Api:
    """The endpoints, without any logic."""

    def __init__(self, url):
        self.url = f"{url}/auth"

    def post(self, path, body):
        return httpx.post(self.url + path, json=body)

    def refresh(self, token):
        return self.post("/refresh", {"refresh_token": token})

    def me(self, token=None, authorization=None, patch=None):
        value = authorization or (f"Bearer {token}" if token else None)
        headers = {"Authorization": value} if value else {}
        return httpx.request("GET" if patch is None else "PATCH", f"{self.url}/me", headers=headers, json=patch)


def session_of(email):
    return {
        "access_token": TEXT, "refresh_token": TEXT, "expires_in": 3600, "expires_at": IN_AN_HOUR,
        "token_type": "bearer", "user": {"id": UUID, "email": email},
    }


def missing(*fields):
    """FastAPI's list; what it says of the input is not looked at."""
    one = [{"type": "missing", "loc": ["body", field], "msg": "Field required", "input": ANY} for field in fields]
    return {"detail": one}


ANY = Like("anything", lambda value: True)
LIST = {"detail": Like("a list of errors", lambda value: isinstance(value, list) and value and all(
    {"type", "loc", "msg"} <= error.keys() and error["loc"][0] == "body" for error in value))}


def tour(url):
    api, email = Api(url), fresh_email()
    session = signup(api, email)
    login(api, email)
    me(api, email, session)
    patch(api, email, session)
    rotation(api, email)
    at_once(api, email)
    document_client(url, email)


def signup(api, email):
    body = {"email": email, "password": PASSWORD, "location_zip": "92101", "home_size_sqft": 2000, "pricing_location": 2}
    session = saw("signup", api.post("/signup", body), 200, session_of(email))
    claims = payload(session["access_token"])
    demand("access token: algorithm", header(session["access_token"])["alg"] == "ES256", "ES256 is documented")
    demand("access token: claims", claims["sub"] == session["user"]["id"] and claims["exp"] - claims["iat"] == 3600
           and claims["exp"] == session["expires_at"] and claims["aud"] == "authenticated", f"{claims} came")
    bare = fresh_email("bert")
    other = saw("signup: bare", api.post("/signup", {"email": bare, "password": PASSWORD}), 200, session_of(bare))
    saw("me: the defaults", api.me(other["access_token"]), 200,
        {"user_id": other["user"]["id"], "email": bare} | DEFAULTS)
    for step, address in (("taken", email), ("taken in capitals", email.upper())):
        saw(f"signup: {step}", api.post("/signup", {"email": address, "password": PASSWORD}), 400,
            {"detail": "User already registered"})
    saw("signup: a short password", api.post("/signup", {"email": fresh_email(), "password": "five5"}), 422,
        {"detail": "Password should be at least 6 characters"})
    saw("signup: no e-mail", api.post("/signup", {"password": PASSWORD}), 422, missing("email"))
    saw("signup: no password", api.post("/signup", {"email": fresh_email()}), 422, missing("password"))
    saw("signup: nothing", api.post("/signup", {}), 422, missing("email", "password"))
    saw("signup: no address", api.post("/signup", {"email": "no address", "password": PASSWORD}), 422, LIST)
    saw("signup: a fraction", api.post("/signup", body | {"email": fresh_email(), "home_size_sqft": 1.5}), 422, LIST)
    saw("signup: no JSON", httpx.post(f"{api.url}/signup", content="{", headers={"Content-Type": "application/json"}),
        422, LIST)
    return session


def login(api, email):
    saw("login", api.post("/login", {"email": email, "password": PASSWORD}), 200, session_of(email))
    refused = {"detail": "Invalid login credentials"}
    wrong = api.post("/login", {"email": email, "password": "wrongpassword"})
    saw("login: wrong password", wrong, 400, refused)
    unknown = api.post("/login", {"email": fresh_email("nobody"), "password": "wrongpassword"})
    saw("login: unknown user", unknown, 400, refused)
    same("login: nobody can tell", wrong, unknown)
    saw("login: nothing", api.post("/login", {}), 422, missing("email", "password"))


def me(api, email, session):
    token = session["access_token"]
    seeded = DEFAULTS | {"location_zip": "92101", "home_size_sqft": 2000, "pricing_location": 2}
    saw("me", api.me(token), 200, {"user_id": session["user"]["id"], "email": email} | seeded)
    saw("me: bearer", api.me(authorization=f"bearer {token}"), 200)
    refused = [("nothing", None, "Not authenticated"), ("Bearer alone", "Bearer", "Not authenticated"),
               ("Basic", "Basic YTpi", "Not authenticated"), ("spoiled", f"Bearer {spoiled(token)}", "Invalid token"),
               ("no JWT", "Bearer x.y.z", "Invalid token"),
               ("a refresh token", f"Bearer {session['refresh_token']}", "Invalid token")]
    if "EXPIRED_TOKEN" in os.environ:
        expired = os.environ["EXPIRED_TOKEN"]
        refused += [("expired", f"Bearer {expired}", "Token expired"),
                    ("expired and spoiled", f"Bearer {spoiled(expired)}", "Invalid token")]
    else:
        left_out("me: expired", "EXPIRED_TOKEN is not set")
    for step, value, text in refused:
        for method, body in (("GET", None), ("PATCH", {})):
            response = api.me(authorization=value, patch=body)
            saw(f"me: {method}: {step}", response, 401, {"detail": text})
            challenge = response.headers.get("www-authenticate", "")
            demand(f"me: {method}: {step}: challenge", challenge.startswith("Bearer"), f"it is {challenge!r}")


def patch(api, email, session):
    token, profile = session["access_token"], {"user_id": session["user"]["id"], "email": email} | DEFAULTS
    profile |= {"location_zip": "92101", "home_size_sqft": 2000, "pricing_location": 2}
    changes = [{"location_zip": "94110"}, {"home_size_sqft": 1800, "pricing_location": 3},
               {"timezone": "America/Los_Angeles", "weather_entity_id": "weather.home"}, {}]
    for change in changes:
        profile |= change
        saw(f"patch: {sorted(change)}", api.me(token, patch=change), 200, profile)
    bad = {"pricing_location must be between 1 and 8": [{"pricing_location": 0}, {"pricing_location": 9}],
           "timezone must be an IANA time zone": [{"timezone": "Mars/Olympus"}],
           "weather_entity_id must start with weather.": [{"weather_entity_id": "light.kitchen"}]}
    for text, bodies in bad.items():
        for body in bodies:
            body |= {"location_zip": "00000"}
            saw(f"patch: {sorted(body.items())}", api.me(token, patch=body), 400, {"detail": text})
    saw("patch: nothing of a bad one is written", api.me(token), 200, profile)
    saw("patch: what is not the user's to set", api.me(token, patch={"subscription_tier": "premium", "email": "x@y.z"}),
        200, profile)
    for field in ("location_zip", "home_size_sqft", "pricing_location", "timezone", "weather_entity_id"):
        profile[field] = DEFAULTS[field]
        saw(f"patch: null clears {field}", api.me(token, patch={field: None}), 200, profile)
    saw("me: all cleared", api.me(token), 200, profile)


def rotation(api, email):
    first = saw("login", api.post("/login", {"email": email, "password": PASSWORD}), 200)
    second = saw("refresh", api.refresh(first["refresh_token"]), 200, session_of(email))
    for name in ("access_token", "refresh_token"):
        demand(f"refresh: another {name}", first[name] != second[name], "it is the same")
    saw("refresh: the new access token works", api.me(second["access_token"]), 200)
    again = saw("refresh: at once again", api.refresh(first["refresh_token"]), 200, session_of(email))
    demand("refresh: the same child", again["refresh_token"] == second["refresh_token"], "there are two")
    third = saw("refresh: the child", api.refresh(second["refresh_token"]), 200, session_of(email))
    for step, token in (("the parent of a used one", first["refresh_token"]), ("its whole family", third["refresh_token"]),
                        ("an access token", third["access_token"]), ("no token", "x"), ("an empty one", "")):
        saw(f"refresh: {step}", api.refresh(token), 400, STALE)
    saw("refresh: nothing", api.post("/refresh", {}), 422, missing("refresh_token"))


def at_once(api, email):
    session = saw("login", api.post("/login", {"email": email, "password": PASSWORD}), 200)
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(api.refresh, [session["refresh_token"]] * 10))
    for answer in answers:
        saw("ten refreshes at once", answer, 200, session_of(email))
    children = {answer.json()["refresh_token"] for answer in answers}
    demand("ten refreshes at once: one child", len(children) == 1, f"there are {len(children)}")
    saw("refresh: the child of ten", api.refresh(children.pop()), 200, session_of(email))


def document_client(url, email):
    client = Client(url, email, PASSWORD)
    saw("client: me", client.request("GET", "/auth/me"), 200)
    tokens = (client.access_token, client.refresh_token)
    client.expires_at = int(time.time()) + 299
    saw("client: me, five minutes before the end", client.request("GET", "/auth/me"), 200)
    demand("client: both tokens are new", client.access_token != tokens[0] and client.refresh_token != tokens[1],
           "one is as before")
    if "EXPIRED_TOKEN" in os.environ:
        tokens, client.access_token = (client.access_token, client.refresh_token), os.environ["EXPIRED_TOKEN"]
        saw("client: me, after Token expired", client.request("GET", "/auth/me"), 200)
        demand("client: both were kept", client.refresh_token != tokens[1], "the refresh token is as before")
    else:
        left_out("client: me, after Token expired", "EXPIRED_TOKEN is not set")
    client.refresh_token, client.expires_at = "stale", 0
    try:
        client.request("GET", "/auth/me")
    except SignInAgain:
        demand("client: sign in again", True, "")
    else:
        raise Wrong("client: a stale refresh token was accepted")


def pending(url, email, password):
    api = Api(url)
    saw("pending: signup", api.post("/signup", {"email": email, "password": password}), 200,
        {"user": {"id": UUID, "email": email}})
    saw("pending: login", api.post("/login", {"email": email, "password": password}), 400, {"detail": "Email not confirmed"})
    saw("pending: login with a wrong password", api.post("/login", {"email": email, "password": password + "x"}), 400,
        {"detail": "Invalid login credentials"})


def confirm(url, link, email, password):
    api = Api(url)
    saw("confirm", httpx.get(link), 200)
    saw("confirm: login", api.post("/login", {"email": email, "password": password}), 200, session_of(email))
    again = httpx.get(link)
    demand("confirm: once", 400 <= again.status_code < 500, f"{again.status_code} came the second time")


def unavailable(url, status, text):
    api, user = Api(url), {"email": fresh_email(), "password": PASSWORD}
    for path, body in (("/signup", user), ("/login", user), ("/refresh", {"refresh_token": "v1.Mfg2"})):
        saw(f"unavailable: {path}", api.post(path, body), int(status), {"detail": text})


if __name__ == "__main__":
    run({"tour": tour, "pending": pending, "confirm": confirm, "unavailable": unavailable}, __doc__)
