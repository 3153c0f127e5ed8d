"""Homsai's endpoints as its document describes them (httpx), and a client that renews its token after a 401.

    homsai.py URL [tour]                          URL such as http://127.0.0.1:8080
    homsai.py URL reset EMAIL                     asks for a mail
    homsai.py URL set-password TOKEN EMAIL PASSWORD    with the token of a mail (invitation or reset), used up by it

Environment of the tour, required: EMAIL and PASSWORD of a user whose role has `PLANTS READ`, `PLANTS UPDATE` and
`PLANT_POWER_CONSUMPTION READ`, and neither `PLANTS DELETE` nor `DEVICES READ`; PLANT, which is that user's, and
OTHER_PLANT, which is not. Optional: EXPIRED_TOKEN, an access token past its expiry, rightly signed.
The upstream answers 2xx. The tour fails 2 logins, 3 renewals and 3 settings of a password, and asks for 1 mail.
"""

import os
import re
import sys
from http import HTTPStatus

import httpx

from check import TEXT, Like, demand, fresh_email, left_out, run, same, saw, spoiled

PAIR = {"accessToken": TEXT, "refreshToken": TEXT}
TIME = Like("a time in whole seconds, UTC", lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(value)))
INVALID = {"WWW-Authenticate": 'Bearer error="invalid_token"'}


class Client:
    """Sends the access token; after a 401 renews it once with the refresh token."""

    def __init__(self, url, email, password):
        self.url = url
        pair = httpx.post(f"{url}/auth/login", json={"email": email, "password": password}).raise_for_status().json()
        self.access_token, self.refresh_token = pair["accessToken"], pair["refreshToken"]

    def request(self, method, path, **kwargs):
        response = self._send(method, path, **kwargs)
        if response.status_code == 401:
            renewed = renew(self.url, self.refresh_token).raise_for_status().json()
            self.access_token, self.refresh_token = renewed["accessToken"], renewed["refreshToken"]
            response = self._send(method, path, **kwargs)
        return response

    def _send(self, method, path, **kwargs):
        return httpx.request(method, self.url + path, headers=bearer(self.access_token), **kwargs)


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def renew(url, token):
    return httpx.get(f"{url}/auth/token", headers=bearer(token))


def error(status, path, message):
    reason = HTTPStatus(status).phrase
    return {"timestamp": TIME, "status": status, "error": reason, "message": message, "path": path}


def tour(url):
    try:
        email, password, own, others = (os.environ[name] for name in ("EMAIL", "PASSWORD", "PLANT", "OTHER_PLANT"))
    except KeyError as name:
        sys.exit(f"{name} is not set\n\n{__doc__.strip()}")
    pair = login(url, email, password)
    token(url, pair)
    plants(url, pair, own, others)
    client(url, email, password)
    reset(url, email)
    set_password_refused(url, pair)


def login(url, email, password):
    def post(body):
        return httpx.post(f"{url}/auth/login", json=body)

    pair = saw("login", post({"email": email, "password": password}), 200, PAIR)
    wrong = post({"email": email, "password": password + "x"})
    saw("login: wrong password", wrong, 401, error(401, "/auth/login", "Invalid username or password"))
    unknown = post({"email": fresh_email("nobody"), "password": password})
    saw("login: unknown user", unknown, 401, error(401, "/auth/login", "Invalid username or password"))
    for name in ("email", "password"):
        body = {key: value for key, value in (("email", email), ("password", password)) if key != name}
        names = Like(f"a text with {name}", lambda value, name=name: isinstance(value, str) and name in value)
        saw(f"login: no {name}", post(body), 400, error(400, "/auth/login", names))
    broken = httpx.post(f"{url}/auth/login", content="{", headers={"Content-Type": "application/json"})
    saw("login: no JSON", broken, 400, error(400, "/auth/login", TEXT))
    form = httpx.post(f"{url}/auth/login", data={"email": email, "password": password})
    saw("login: a form", form, 415, error(415, "/auth/login", TEXT))
    return pair


def token(url, pair):
    path = "/auth/token"
    renewed = saw("token", renew(url, pair["refreshToken"]), 200, PAIR | {"refreshToken": pair["refreshToken"]})
    demand("token: another access token", renewed["accessToken"] != pair["accessToken"], "it is the same")
    saw("token: the same refresh token again", renew(url, pair["refreshToken"]), 200, PAIR)
    saw("token: nothing", renew(url, None), 401, error(401, path, "Authentication required"), {"WWW-Authenticate": "Bearer"})
    for step, text in (("an access token", pair["accessToken"]), ("spoiled", spoiled(pair["refreshToken"])
                       if "." in pair["refreshToken"] else pair["refreshToken"][::-1]), ("no token", "x")):
        saw(f"token: {step}", renew(url, text), 401, error(401, path, "Invalid token"), INVALID)


def plants(url, pair, own, others):
    access = pair["accessToken"]

    def send(method, path, token=access):
        json = {"name": "Casa"} if method == "PUT" else None
        return httpx.request(method, url + path, headers=bearer(token), json=json)

    allowed = [("GET", "/plants"), ("PUT", f"/plants/{own}"), ("GET", f"/plants/{own}"),
               ("GET", f"/plants/{own}/daily-power-consumptions")]
    for method, path in allowed:
        response = send(method, path)
        saw(f"{method} {path}", response, response.status_code, no_store=False)
        demand(f"{method} {path}: allowed", response.is_success, f"{response.status_code} came")
        saw(f"{method} {path}: no token", send(method, path, None), 401, error(401, path, "Authentication required"),
            {"WWW-Authenticate": "Bearer"})
    for method, path, permission in (("DELETE", f"/plants/{own}", "PLANTS DELETE"),
                                     ("DELETE", f"/plants/{others}", "PLANTS DELETE"),
                                     ("GET", f"/plants/{own}/devices", "DEVICES READ")):
        saw(f"{method} {path}", send(method, path), 403, error(403, path, f"Permission {permission} required"))
    unknown = "/plants/00000000-0000-4000-8000-000000000000"
    for path in (f"/plants/{others}", f"/plants/{others}/daily-power-consumptions", unknown):
        saw(f"GET {path}", send("GET", path), 403, error(403, path, "Access denied"))
    refused = {"spoiled": spoiled(access), "a refresh token": pair["refreshToken"], "no token": "x"}
    for step, text in refused.items():
        saw(f"GET /plants: {step}", send("GET", "/plants", text), 401, error(401, "/plants", "Invalid token"), INVALID)
    if "EXPIRED_TOKEN" in os.environ:
        expired = send("GET", "/plants", os.environ["EXPIRED_TOKEN"])
        saw("GET /plants: expired", expired, 401, error(401, "/plants", "Token expired"), INVALID)
    else:
        left_out("GET /plants: expired", "EXPIRED_TOKEN is not set")


def client(url, email, password):
    client = Client(url, email, password)
    client.access_token = os.environ.get("EXPIRED_TOKEN", spoiled(client.access_token))
    response = client.request("GET", "/plants")
    demand("client: renewed after a 401", response.is_success, f"{response.status_code} came")


def reset(url, email):
    def post(body):
        return httpx.post(f"{url}/auth/resetPassword", json=body)

    known, unknown = post({"email": email}), post({"email": fresh_email("nobody")})
    saw("resetPassword", known, 200, {})
    saw("resetPassword: for nobody", unknown, 200, {})
    same("resetPassword: nobody can tell", known, unknown)
    names = Like("a text with email", lambda value: isinstance(value, str) and "email" in value)
    saw("resetPassword: no email", post({}), 400, error(400, "/auth/resetPassword", names))


def set_password(url, text, body):
    return httpx.post(f"{url}/auth/setPassword", headers=bearer(text), json=body)


def set_password_refused(url, pair):
    path, body = "/auth/setPassword", {"password": "new password 1"}
    saw("setPassword: no token", set_password(url, None, body), 401, error(401, path, "Authentication required"))
    saw("setPassword: an access token", set_password(url, pair["accessToken"], body), 403, error(403, path, TEXT))
    saw("setPassword: a refresh token", set_password(url, pair["refreshToken"], body), 401, error(401, path, "Invalid token"))


def set_password_with(url, special, email, password):
    path = "/auth/setPassword"
    elsewhere = httpx.get(f"{url}/plants", headers=bearer(special))
    saw("special token: elsewhere", elsewhere, 401, error(401, "/plants", "Invalid token"), INVALID)
    saw("special token: as a refresh token", renew(url, special), 401, error(401, "/auth/token", "Invalid token"), INVALID)
    saw("setPassword: spoiled", set_password(url, spoiled(special), {"password": password}), 401,
        error(401, path, "Invalid token"), INVALID)
    saw("setPassword: nothing", set_password(url, special, {}), 400, error(400, path, TEXT))
    saw("setPassword: short", set_password(url, special, {"password": "seven77"}), 400, error(400, path, TEXT))
    saw("setPassword", set_password(url, special, {"newPassword": password}), 200, {})
    saw("setPassword: again", set_password(url, special, {"password": password}), 401, error(401, path, "Invalid token"), INVALID)
    login = httpx.post(f"{url}/auth/login", json={"email": email, "password": password})
    saw("login: the new password", login, 200, PAIR)


if __name__ == "__main__":
    run({"tour": tour, "reset": reset, "set-password": set_password_with}, __doc__)
