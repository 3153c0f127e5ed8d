"""UptimeHunt's Python client (requests), and a tour of everything that its document says.

    uptimehunt.py URL [tour]                          URL with /api, such as http://127.0.0.1:8080/api
    uptimehunt.py URL reset-request EMAIL [FRONTEND]  asks for a mail
    uptimehunt.py URL reset-confirm UID TOKEN EMAIL PASSWORD    with the mail's uid and token; PASSWORD is the new one
    uptimehunt.py URL disabled EMAIL PASSWORD         of a user that was disabled

Environment: EXPIRED_TOKEN, an access token past its expiry, rightly signed, for the one answer that needs it.
The tour makes users of its own. It fails 4 logins, 5 refreshes, 3 confirmations of a reset and 1 change of a password,
and asks for 1 mail.
"""

import base64
import os
import re
from datetime import datetime, timedelta

import requests

from check import INTEGER, TEXT, Like, Wrong, demand, fresh_email, header, jwt, left_out, payload, run, same, saw, spoiled

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="api"'}
NOT_PROVIDED = {"detail": "Authentication credentials were not provided"}
OLD, NEW = "oldpassword123", "newsecurepassword456"
SECOND = Like("a time in whole seconds, UTC", lambda value: re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", str(value)))
RESET_SENT = {
    "status": "PASSWORD_RESET_SENT",
    "detail": "If an account with that email exists, a password reset link has been sent.",
}


class APIClient:
    """As the document has it: refreshes a minute before the token's end, and once after a 401."""

    def __init__(self, base_url):
        self.base_url = base_url
        self.access_token = self.refresh_token = self.token_expiry = None

    def login(self, email, password):
        data = self._post("/v1/auth/login", {"email": email, "password": password})
        self.refresh_token = data["refresh_token"]
        return data["user"]

    def refresh_access_token(self):
        self._post("/v1/auth/refresh", {"refresh_token": self.refresh_token})

    def _post(self, endpoint, body):
        response = requests.post(f"{self.base_url}{endpoint}", json=body)
        response.raise_for_status()
        data = response.json()
        self.access_token = data["access_token"]
        self.token_expiry = datetime.now() + timedelta(seconds=data["expires_in"])
        return data

    def request(self, method, endpoint, **kwargs):
        if self.token_expiry and datetime.now() >= self.token_expiry - timedelta(minutes=1):
            self.refresh_access_token()
        headers = kwargs.pop("headers", {})
        headers["Authorization"] = f"Bearer {self.access_token}"
        response = requests.request(method, f"{self.base_url}{endpoint}", headers=headers, **kwargs)
        if response.status_code == 401:
            self.refresh_access_token()
            headers["Authorization"] = f"Bearer {self.access_token}"
            response = requests.request(method, f"{self.base_url}{endpoint}", headers=headers, **kwargs)
        return response


class Api:
    """The endpoints, without any logic."""

    def __init__(self, url):
        self.url = f"{url}/v1/auth"

    def post(self, path, body, token=None):
        return requests.post(self.url + path, json=body, headers=bearer(token))

    def get(self, path, token=None, authorization=None):
        return requests.get(self.url + path, headers={"Authorization": authorization} if authorization else bearer(token))

    def profile(self, method, body, token=None):
        return requests.request(method, f"{self.url}/profile", json=body, headers=bearer(token))


def bearer(token):
    return {"Authorization": f"Bearer {token}"} if token else {}


def detail(text):
    return {"detail": text}


def not_valid(message):
    messages = [{"token_class": "AccessToken", "token_type": "access", "message": message}]
    return {"detail": "Given token not valid for any token type", "code": "token_not_valid", "messages": messages}


def user_of(email, first_name="", last_name=""):
    return {"id": INTEGER, "email": email, "first_name": first_name, "last_name": last_name, "date_joined": SECOND}


def session_of(user):
    return {
        "access_token": jwt(user_id=INTEGER, token_type="access", exp=INTEGER, iat=INTEGER, jti=TEXT),
        "refresh_token": jwt(user_id=INTEGER, token_type="refresh", exp=INTEGER, iat=INTEGER, jti=TEXT),
        "token_type": "Bearer", "expires_in": 900, "user": user,
    }


def tour(url):
    api, email = Api(url), fresh_email()
    session = register(api, email)
    login(api, email)
    refresh(api, session)
    me(api, session)
    document_client(url, email)
    email = profile(api, email, session)
    change_password(api, email)
    reset_request(url, email)
    reset_errors(api, session["user"]["id"])


def register(api, email):
    body = {"email": email, "password": OLD, "first_name": "John", "last_name": "Doe"}
    session = saw("register", api.post("/register", body), 201, session_of(user_of(email, "John", "Doe")))
    for name, life in (("access_token", 900), ("refresh_token", 7 * 86400)):
        claims = payload(session[name])
        demand(f"{name}: claims", header(session[name])["alg"] == "HS256"
               and claims["exp"] - claims["iat"] == life and claims["user_id"] == session["user"]["id"],
               f"HS256, {life} seconds and the user's id are documented, {claims} came")
    other = fresh_email("bert")
    saw("register without names", api.post("/register", {"email": other, "password": OLD}), 201, session_of(user_of(other)))
    required = detail("Email and password are required")
    for step, body in (("nothing", {}), ("no email", {"password": OLD}), ("no password", {"email": fresh_email()})):
        saw(f"register: {step}", api.post("/register", body), 400, required)
    taken = detail("User with this email already exists")
    for step, address in (("taken", email), ("taken in capitals", email.upper())):
        saw(f"register: {step}", api.post("/register", {"email": address, "password": OLD}), 400, taken)
    saw("register: a short password", api.post("/register", {"email": fresh_email(), "password": "seven77"}), 400)
    saw("register: no address", api.post("/register", {"email": "no address", "password": OLD}), 400,
        {"email": ["Enter a valid email address."]})
    saw("register: a form", requests.post(f"{api.url}/register", data={"email": fresh_email(), "password": OLD}), 415)
    return session


def login(api, email):
    saw("login", api.post("/login", {"email": email, "password": OLD}), 200, session_of(user_of(email, "John", "Doe")))
    both = detail('Must include "email" and "password"')
    for step, body in (("nothing", {}), ("no email", {"password": OLD}), ("no password", {"email": email})):
        saw(f"login: {step}", api.post("/login", body), 400, both)
    wrong = api.post("/login", {"email": email, "password": "wrongpassword"})
    saw("login: wrong password", wrong, 400, detail("Invalid credentials"))
    unknown = api.post("/login", {"email": fresh_email("nobody"), "password": "wrongpassword"})
    saw("login: unknown user", unknown, 400, detail("Invalid credentials"))
    same("login: nobody can tell", wrong, unknown)


def refresh(api, session):
    token = {"refresh_token": session["refresh_token"]}
    shape = {"access_token": session_of(None)["access_token"], "token_type": "Bearer", "expires_in": 900}
    for step in ("refresh", "refresh: the same token again"):
        fresh = saw(step, api.post("/refresh", token), 200, shape)
    saw("refresh: the new token works", api.get("/me", fresh["access_token"]), 200)
    saw("refresh: nothing", api.post("/refresh", {}), 400, detail("Refresh token is required"))
    bad = {"spoiled": spoiled(token["refresh_token"]), "an access token": session["access_token"], "no token": "x"}
    for step, text in bad.items():
        saw(f"refresh: {step}", api.post("/refresh", {"refresh_token": text}), 401, detail("Invalid refresh token"))


def me(api, session):
    token = session["access_token"]
    saw("me", api.get("/me", token), 200, {"data": session["user"]})
    for step, value in (("nothing", None), ("Bearer alone", "Bearer"), ("bearer", f"bearer {token}"), ("Basic", "Basic YTpi")):
        saw(f"me: {step}", api.get("/me", authorization=value), 401, NOT_PROVIDED, CHALLENGE)
    refused = [
        ("spoiled", spoiled(token), "Token is invalid"), ("no JWT", "x.y.z", "Token is invalid"),
        ("a refresh token", session["refresh_token"], "Token has wrong type"),
    ]
    if "EXPIRED_TOKEN" in os.environ:
        refused.append(("expired", os.environ["EXPIRED_TOKEN"], "Token is expired"))
    else:
        left_out("me: expired", "EXPIRED_TOKEN is not set")
    for step, text, message in refused:
        saw(f"me: {step}", api.get("/me", text), 401, not_valid(message), CHALLENGE)


def document_client(url, email):
    client = APIClient(url)
    demand("client: login", client.login(email, OLD)["email"] == email, "the user is another")
    saw("client: me", client.request("GET", "/v1/auth/me"), 200)
    first = client.access_token
    client.token_expiry = datetime.now() + timedelta(seconds=59)
    saw("client: me, a minute before the end", client.request("GET", "/v1/auth/me"), 200)
    demand("client: refreshed before the end", client.access_token != first, "the access token is the same")
    client.access_token = os.environ.get("EXPIRED_TOKEN", spoiled(client.access_token))
    saw("client: me, after a 401", client.request("GET", "/v1/auth/me"), 200)
    client.access_token, client.refresh_token = "x", spoiled(client.refresh_token)
    try:
        client.request("GET", "/v1/auth/me")
    except requests.HTTPError as error:
        saw("client: the refresh token is refused", error.response, 401, detail("Invalid refresh token"))
    else:
        raise Wrong("client: a spoiled refresh token was accepted")


def profile(api, email, session):
    token, taken = session["access_token"], fresh_email("carl")
    saw("register another", api.post("/register", {"email": taken, "password": OLD}), 201)

    def changed(first, last, address=email):
        return {"data": session["user"] | user_of(address, first, last) | {"id": session["user"]["id"]},
                "message": "Profile updated successfully"}

    saw("profile: PUT of a part", api.profile("PUT", {"first_name": "Jane"}, token), 200, changed("Jane", "Doe"))
    saw("profile: PATCH", api.profile("PATCH", {"last_name": "Smith"}, token), 200, changed("Jane", "Smith"))
    saw("profile: its own e-mail", api.profile("PATCH", {"email": email}, token), 200, changed("Jane", "Smith"))
    grab = {"id": 1, "is_staff": True, "date_joined": "2001-01-01T00:00:00Z"}
    grabbed = api.profile("PATCH", grab, token)
    demand("profile: what is not the user's to set", grabbed.status_code in (200, 400), f"{grabbed.status_code} came")
    saw("profile: is as before", api.get("/me", token), 200, {"data": changed("Jane", "Smith")["data"]})
    for method in ("PUT", "PATCH"):
        saw(f"profile: {method} of a taken e-mail", api.profile(method, {"email": taken}, token), 400,
            detail("A user with this email already exists"))
        saw(f"profile: {method} without a token", api.profile(method, {"email": taken}), 401, NOT_PROVIDED, CHALLENGE)
    moved = fresh_email("anna.new")
    saw("profile: another e-mail", api.profile("PUT", {"email": moved}, token), 200, changed("Jane", "Smith", moved))
    saw("login: the old e-mail", api.post("/login", {"email": email, "password": OLD}), 400, detail("Invalid credentials"))
    return moved


def change_password(api, email):
    session = saw("login: the new e-mail", api.post("/login", {"email": email, "password": OLD}), 200)
    token, path = session["access_token"], "/change-password"
    saw("change: no token comes before all else", api.post(path, {}), 401, NOT_PROVIDED, CHALLENGE)
    required, short = ["This field is required"], ["Ensure this field has at least 8 characters"]
    for step, body, answer in (
        ("nothing", {}, {"current_password": required, "new_password": required}),
        ("no current", {"new_password": NEW}, {"current_password": required}),
        ("no new", {"current_password": OLD}, {"new_password": required}),
        ("short", {"current_password": OLD, "new_password": "seven77"}, {"new_password": short}),
        ("wrong current", {"current_password": "x" * 9, "new_password": NEW}, detail("Current password is incorrect")),
    ):
        saw(f"change: {step}", api.post(path, body, token), 400, answer)
    saw("change", api.post(path, {"current_password": OLD, "new_password": NEW}, token), 200,
        {"status": "PASSWORD_CHANGED", "message": "Password changed successfully"})
    ended(api, session)
    saw("change: the old password", api.post("/login", {"email": email, "password": OLD}), 400, detail("Invalid credentials"))
    saw("change: the new password", api.post("/login", {"email": email, "password": NEW}), 200)


def ended(api, session):
    saw("the access token has ended", api.get("/me", session["access_token"]), 401, not_valid("Token is invalid"), CHALLENGE)
    saw("the refresh token has ended", api.post("/refresh", {"refresh_token": session["refresh_token"]}), 401,
        detail("Invalid refresh token"))


def reset_request(url, email, frontend=None):
    api, path = Api(url), "/password-reset/request"
    extra = {"frontend_url": frontend} if frontend else {}
    known = api.post(path, {"email": email} | extra)
    saw("reset: request", known, 200, RESET_SENT)
    unknown = api.post(path, {"email": fresh_email("nobody")} | extra)
    saw("reset: request for nobody", unknown, 200, RESET_SENT)
    same("reset: nobody can tell", known, unknown)
    saw("reset: request without an e-mail", api.post(path, {}), 400, detail("Email is required"))
    elsewhere = api.post(path, {"email": fresh_email("nobody"), "frontend_url": "https://phishing.example"})
    same("reset: a frontend that is not allowed", known, elsewhere)


def reset_errors(api, number):
    uid = base64.urlsafe_b64encode(str(number).encode()).decode().rstrip("=")
    whole = {"uid": uid, "token": "c5h7ke-8f9a2b3c4d5e6f7g8h9i0j1k2", "new_password": NEW}
    path = "/password-reset/confirm"
    for name in whole:
        body = {key: value for key, value in whole.items() if key != name}
        saw(f"confirm: no {name}", api.post(path, body), 400, detail("UID, token, and new password are required"))
    saw("confirm: no uid at all", api.post(path, whole | {"uid": "!!!"}), 400, detail("Invalid reset link"))
    links = Like("one of the two texts", lambda value: value in ("Invalid reset link", "Invalid or expired reset link"))
    saw("confirm: a wrong token", api.post(path, whole), 400, {"detail": links})
    saw("confirm: nobody's uid", api.post(path, whole | {"uid": "OTk5OTk5OTk5"}), 400, {"detail": links})


def reset_confirm(url, uid, token, email, password):
    api, path = Api(url), "/password-reset/confirm"
    body = {"uid": uid, "token": token, "new_password": password}
    saw("confirm: short", api.post(path, body | {"new_password": "seven77"}), 400,
        detail("Password must be at least 8 characters long"))
    saw("confirm: a spoiled token", api.post(path, body | {"token": token[::-1]}), 400)
    answer = saw("confirm", api.post(path, body), 200,
                 {"status": "PASSWORD_RESET_CONFIRMED", "detail": "Password has been reset successfully"})
    demand("confirm: nobody is logged in by it", "access_token" not in answer, "there is a token")
    saw("confirm: again", api.post(path, body), 400, detail("Invalid or expired reset link"))
    saw("login: the new password", api.post("/login", {"email": email, "password": password}), 200)


def disabled(url, email, password):
    api = Api(url)
    saw("disabled: the right password", api.post("/login", {"email": email, "password": password}), 400,
        detail("User account is disabled"))
    saw("disabled: a wrong password", api.post("/login", {"email": email, "password": password + "x"}), 400,
        detail("Invalid credentials"))


if __name__ == "__main__":
    commands = {"tour": tour, "reset-request": reset_request, "reset-confirm": reset_confirm, "disabled": disabled}
    run(commands, __doc__)
