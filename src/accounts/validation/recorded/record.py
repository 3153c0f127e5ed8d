"""Records what FastAPI and Django REST framework answer to the bodies below, one line each: the content type, the body,
the status, the answer.

    pip install fastapi==0.165.0 pydantic==2.14.3 email-validator==2.4.0 httpx==0.28.1 djangorestframework==3.18.3
    python record.py

Python's own words about JSON differ by version; these are those of Python 3.11.
"""

import json
from typing import Annotated, Any, Literal, Optional

JSON = "application/json"
OK = {"email": "a@example.com", "password": "hunter22"}


def whole(**members):
    return json.dumps(OK | members, ensure_ascii=False)


NO_JSON = [
    "", "  ", "{", "{ ", '{"', '{"a', '{"a"', '{"a" 1}', '{"a":', '{"a": }', '{"a":1', '{"a":1 "b"', '{"a":1,', '{"a":1,}',
    '{"a":1, ,}', "{a:1}", "{'a':1}", "{,}", "[", "[1", "[1,", "[1,]", "[1 2]", "[,]", "]", "}", "nul", "tru", "True", "-",
    "01", "1.", "1.e5", "1e", "1e+", "+1", ".5", '{"a":01}', '{"a":-}', '{"a":1.}', '{"a":tru}', '"a\nb"', '{"a":"\t"}',
    '"\\x"', '"\\é"', '{"a":"\\q"}', '"\\u12"', '"\\u12g4"', '"\\u12', '"\\u+123"', '"\\', '"\\ud83d\\u12"', '"abc', "{} {}",
    "[]x", '{"a":1}\n\nx', '{\n  "é": "ü",\n  "b" 1\n}', '{\r\n"a" 1}', "a=1&b=2", "<a/>", "// x", '{"a": undefined}',
    '{"a":[1,{"b":}]}', '{"a":[1,{"b":1]}', "\x00", '{"\U0001f600" 1}', "\ufeff{}", "[1,2", '{"a":{}', '{"a":[]', '"', '""x',
    "null x", '{"a":1,"b"}', "{1:2}", "[[[", "\x0c{}", '{"a"\u00a0:1}', '{"a":1}}', "[1]]", "{]", "[}", "1 2", "tru\u00e9",
]
NO_OBJECT = ["null", "true", "1", "1.5", "-0", '"text"', "[]", "[{}]"]
TYPES = [
    None, "", "text/plain", "application/x-www-form-urlencoded", "application/JSON", "application/json; charset=utf-8",
    "application/json;charset=UTF-8", 'application/json; charset="utf-8"', "text/json", "application/problem+json",
    "application/+json", "application/xjson", "multipart/form-data; boundary=x", "application", "*/*",
]
VALUES = [
    None, True, False, 0, 1, -1, 9, 1.0, 1.5, -1.5, -0.0, 0.0001, 0.00001, 1e5, 1e16, 1e17, 1.5e300, 9223372036854775807,
    -9223372036854775808, "", " ", "a", " a ", "0", "1", "+1", "-1", "--1", "+-1", "-", "007", " 5 ", "5.0", "5.00", "5.",
    "5.5", ".0", "1e3", "1_000", "_1", "1_", "1__0", "1_0.0", "0x10", "١", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "true", "True", "yes", "Y", "on", "t", "f", "no", "OFF", "null", "tRuE", " true", "2", [], [1], {},
    {"a": {"b": [1, "x", None]}},
]
EMAILS = [
    "alice", "", " ", "@", "a@", "@example.com", "a@b@example.com", "a@example", "a@.example.com", "a@example..com",
    "a@example.com.", "a@-example.com", "a@example-.com", "a@example.com-", "a@exa_mple.com", "a@exam ple.com", ".a@example.com",
    "a.@example.com", "a..b@example.com", "a b@example.com", "a(b)@example.com", "a,b@example.com", "a\\b@example.com",
    "a\tb@example.com", "<a@example.com>", "A <a@example.com>", '"a"@example.com', '"a b"@example.com', "a@127.0.0.1",
    "a@[127.0.0.1]", "a@localhost", "a@example.c", " a@example.com ", "a" * 65 + "@example.com", "a@" + "b" * 64 + ".com",
    "a@" + "b" * 65 + ".com", "a@" + "b.c" * 100 + ".com", "a" * 60 + "@" + ("b" * 60 + ".") * 3 + "example.com",
    "jürgen@münchen.example", "a@xn--a.com", "a\u200bb@example.com", "Alice@EXAMPLE.com", "a@b.co", "a@ex\u202eample.com",
    "a;b@example.com", "a@exam(ple.com", "a@example.com,b@example.com", "a" * 2049, "a@example.test",
]
TEXTS = ["1234567890", "12345678901", "é" * 10, "é" * 11, " 1234567890 ", "a\x00b", "\x00", "\u00a0a\u2003", "\ud7ff\U0001f600"]

BODIES = [(JSON, whole()), (JSON, "{}"), (JSON, " {} "), (JSON, '{"other":1}'), (JSON, whole(other=[1]))]
BODIES += [(JSON, text) for text in NO_JSON + NO_OBJECT]
BODIES += [(kind, body) for kind in TYPES for body in [whole(), ""]]
for member in ["zip", "size", "region", "active"]:
    BODIES += [(JSON, whole(**{member: value})) for value in VALUES]
for member in ["email", "password", "extra", "plan"]:
    BODIES += [(JSON, whole(**{member: value})) for value in [None, True, 1, 1.5, [], {}, {"a": {"b": [1, "x", None]}}]]
BODIES += [(JSON, whole(zip=value)) for value in TEXTS]
BODIES += [(JSON, whole(password=value)) for value in ["", " ", " a ", "a\x00b", "\t\n"]]
BODIES += [(JSON, whole(plan=value)) for value in ["free", "Free", "gold"]]
BODIES += [(JSON, whole(email=value)) for value in EMAILS]
BODIES += [
    (JSON, whole(email="nobody", region=0, size="x", zip=True, active="maybe", extra=[], plan="x")),
    (JSON, '{"plan":"x","extra":[],"zip":1}'),
    (JSON, '{"password":true,"region":null}'),
    (JSON, '{"email":""}'),
]


def fastapi():
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    from pydantic import BaseModel, EmailStr, Field

    class Body(BaseModel):
        email: EmailStr
        password: str
        zip: Optional[Annotated[str, Field(max_length=10)]] = None
        size: Optional[int] = None
        region: Annotated[int, Field(ge=1, le=8)] = 1
        active: Optional[bool] = None
        extra: Optional[dict[str, Any]] = None
        plan: Optional[Literal["free", "premium"]] = None

    app = FastAPI()

    @app.post("/")
    def post(body: Body):
        return body.model_dump(exclude_unset=True)

    client = TestClient(app)
    return lambda kind, body: client.post("/", content=body, headers={} if kind is None else {"content-type": kind})


def drf():
    import django
    from django.conf import settings

    settings.configure(
        ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], INSTALLED_APPS=["rest_framework"], USE_I18N=False, SECRET_KEY="x",
        REST_FRAMEWORK={
            "DEFAULT_AUTHENTICATION_CLASSES": [],
            "UNAUTHENTICATED_USER": None,
            "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        },
    )
    django.setup()
    from django.test import Client
    from django.urls import path
    from rest_framework import serializers
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Body(serializers.Serializer):
        email = serializers.EmailField()
        password = serializers.CharField(trim_whitespace=False)
        zip = serializers.CharField(required=False, allow_null=True, allow_blank=True, max_length=10)
        size = serializers.IntegerField(required=False, allow_null=True)
        region = serializers.IntegerField(required=False, min_value=1, max_value=8)
        active = serializers.BooleanField(required=False, allow_null=True)
        extra = serializers.DictField(required=False, allow_null=True)
        plan = serializers.ChoiceField(["free", "premium"], required=False, allow_null=True)

    class View(APIView):
        def post(self, request):
            body = Body(data=request.data)
            body.is_valid(raise_exception=True)
            return Response(body.validated_data)

    global urlpatterns
    urlpatterns = [path("", View.as_view())]
    client = Client()
    return lambda kind, body: client.generic("POST", "/", body, content_type=kind or "")


for name, post in [("fastapi", fastapi()), ("drf", drf())]:
    with open(f"{name}.jsonl", "w") as out:
        for kind, body in BODIES:
            answer = post(kind, body.encode())
            row = [kind, body, answer.status_code, json.loads(answer.content)]
            print(json.dumps(row, separators=(",", ":")), file=out)
