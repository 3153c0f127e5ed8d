"""An API with Django REST framework and SimpleJWT, as it comes: pairs of tokens for one user, and one view to protect.

    python api.py SECRET

It says `listening PORT` when it serves. Then each line that it reads is a command, answered by a line:

    expired                     an access token that is past its expiry
    hash HASHER PASSWORD        what Django keeps of a password: with argon2, bcrypt_sha256, pbkdf2_sha256, scrypt …
    verify HASH PASSWORD        True or False

It ends with its input, so that nothing of a test that fails is left behind.
"""

import os
import sys
import threading
from datetime import timedelta
from wsgiref.simple_server import WSGIRequestHandler, make_server

import django
from django.conf import settings

settings.configure(
    SECRET_KEY=sys.argv[1],
    ALLOWED_HOSTS=["*"],
    ROOT_URLCONF=__name__,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes"],
    PASSWORD_HASHERS=[
        f"django.contrib.auth.hashers.{name}PasswordHasher"
        for name in ("PBKDF2", "PBKDF2SHA1", "Argon2", "BCryptSHA256", "BCrypt", "Scrypt")
    ],
    REST_FRAMEWORK={
        "DEFAULT_AUTHENTICATION_CLASSES": ["rest_framework_simplejwt.authentication.JWTAuthentication"],
        "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    },
)
django.setup()

from django.contrib.auth.hashers import check_password, make_password  # noqa: E402, Django has to be set up before it
from django.contrib.auth.models import User  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.core.wsgi import get_wsgi_application  # noqa: E402
from django.urls import path  # noqa: E402
from rest_framework.decorators import api_view  # noqa: E402
from rest_framework.response import Response  # noqa: E402
from rest_framework_simplejwt.tokens import AccessToken  # noqa: E402
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView  # noqa: E402


@api_view()
def me(request):
    """Who is calling: by Django's own check, and by what the gateway says."""
    return Response({"user": request.user.username, "told": request.headers.get("X-User-Id")})


urlpatterns = [
    path("api/v1/auth/login", TokenObtainPairView.as_view()),
    path("api/v1/auth/refresh", TokenRefreshView.as_view()),
    path("api/v1/auth/me", me),
]


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


def expired(user):
    token = AccessToken.for_user(user)
    token.set_exp(lifetime=-timedelta(seconds=1))
    return token


def answer_commands(user):
    for line in sys.stdin:
        match line.rstrip("\n").split(" ", 2):
            case ["expired"]:
                answer = expired(user)
            case ["hash", hasher, password]:
                answer = make_password(password, hasher=hasher)
            case ["verify", encoded, password]:
                answer = check_password(password, encoded)
            case other:
                raise ValueError(other)
        print("done", answer, flush=True)
    os._exit(0)


call_command("migrate", verbosity=0)
alice = User.objects.create_user("alice", password="correct horse")
server = make_server("127.0.0.1", 0, get_wsgi_application(), handler_class=Quiet)
threading.Thread(target=answer_commands, args=[alice], daemon=True).start()
print("listening", server.server_port, flush=True)
server.serve_forever()
