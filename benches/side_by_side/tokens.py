"""Keys, and tokens signed with them: as an identity provider would issue them, and as many as one likes."""

import base64
import dataclasses
import hashlib
import hmac
import json
import pathlib
import time

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from configurations import AUDIENCE, ISSUER

LIFE = 24 * 3600


@dataclasses.dataclass
class Keys:
    """One key for each algorithm, and the files in which the products find them."""

    folder: pathlib.Path

    def __post_init__(self):
        self.secret = "0123456789abcdef0123456789abcdef"
        self.private = ec.generate_private_key(ec.SECP256R1())
        public = self.private.public_key()
        numbers = public.public_numbers()
        self.jwk = {
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "es256",
            "x": encoded(numbers.x.to_bytes(32, "big")), "y": encoded(numbers.y.to_bytes(32, "big"))}
        self.jwks = {
            "keys": [self.jwk, {"kty": "oct", "alg": "HS256", "kid": "hs256", "k": encoded(self.secret.encode())}]}
        self.secret_file, self.jwks_file, self.pem_file = (
            self.folder / name for name in ("secret", "jwks.json", "es256.pem"))
        self.secret_file.write_text(self.secret)
        self.jwks_file.write_text(json.dumps({"keys": [self.jwk]}))
        self.pem_file.write_bytes(
            public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo))

    def token(self, algorithm, number, more=None):
        """The token of user `number`, who is nobody else's."""
        now = int(time.time())
        claims = {
            "iss": ISSUER, "aud": AUDIENCE, "sub": subject(number), "iat": now, "exp": now + LIFE, "jti": f"{number:032x}",
            "scope": "read:items write:items profile email", **(more or {})}
        header = {"alg": algorithm, "kid": algorithm.lower(), "typ": "JWT"}
        signed = encoded(compact(header)) + "." + encoded(compact(claims))
        return signed + "." + encoded(self._signature(algorithm, signed.encode()))

    def _signature(self, algorithm, signed):
        if algorithm == "HS256":
            return hmac.digest(self.secret.encode(), signed, hashlib.sha256)
        r, s = utils.decode_dss_signature(self.private.sign(signed, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")

    def write_tokens(self, algorithm, count):
        """A file of `count` different tokens, one a line; none of them is user 1's."""
        path = self.folder / f"tokens.{algorithm}"
        with open(path, "w") as file:
            file.writelines(self.token(algorithm, number) + "\n" for number in range(2, count + 2))
        return path


def subject(number):
    return f"user-{number:06d}"


def realistic_claims(number):
    """About 1 KiB of what Keycloak and Auth0 put into an access token."""
    session = f"6f1c2a77-90be-4c1d-a3f5-{number:012x}"
    return {
        "aud": [AUDIENCE, "account", "https://tenant.eu.auth0.example/userinfo"], "typ": "Bearer", "azp": "web-frontend",
        "auth_time": int(time.time()) - 60, "session_state": session, "sid": session, "acr": "1",
        "allowed-origins": ["https://app.example.com", "https://admin.example.com"],
        "realm_access": {"roles": ["default-roles-production", "offline_access", "uma_authorization", "editor"]},
        "resource_access": {
            "api": {"roles": ["plants:read", "plants:write", "reports:read"]},
            "account": {"roles": ["manage-account", "manage-account-links", "view-profile"]}},
        "email_verified": True, "name": f"Alexandra Example {number}", "preferred_username": f"alexandra.{number}",
        "given_name": "Alexandra", "family_name": f"Example {number}", "locale": "en",
        "email": f"alexandra.example.{number}@customers.example.com"}


def compact(value):
    return json.dumps(value, separators=(",", ":")).encode()


def encoded(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()
