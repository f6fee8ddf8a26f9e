"""moto as AWS for the tests: serves on a free port of 127.0.0.1 until its standard input closes.

Prints one line, `PORT`. moto itself is the emulator; what stands here teaches it what the current
SDK needs and moto lacks:
 - Smithy RPC v2 CBOR for CloudWatch, translated to and from moto's JSON with botocore's serializers;
 - alarms, their history and who changed them (moto_alarms.py);
 - FilterLogEvents with startFromHead=false, and filter patterns of several quoted terms.
"""

import contextlib
import gzip
import io
import json
import logging
import os
import re
import sys
import threading
import time

# moto reads these when it is imported.
os.environ.setdefault("MOTO_IAM_LOAD_MANAGED_POLICIES", "false")
for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
    os.environ.setdefault(name, "test")

import botocore.loaders
import botocore.model
import botocore.parsers
import botocore.serialize
import moto.logs.models
import moto_alarms
import werkzeug.serving
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

CLOUDWATCH = botocore.model.ServiceModel(
    botocore.loaders.Loader().load_service_model("cloudwatch", "service-2")
)
TARGET = "GraniteServiceVersion20100801"
RPC_PATH = re.compile(rf"^/service/{TARGET}/operation/(\w+)$")


class Teacher:
    """A WSGI application around moto's."""

    def __init__(self, inner):
        self.inner = inner
        # What was asked and how long it took in here: {"cloudwatch.DescribeAlarms": [count, seconds]}.
        self.calls = {}
        self.atomic = threading.Lock()

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "")
        if path.startswith("/nightbell/"):
            return self.steer(path, environ, start_response)
        name, began = operation_of(environ), time.perf_counter()
        try:
            # moto checks a condition and writes in two steps, which threads can come between.
            with self.atomic if name.startswith("dynamodb.") else contextlib.nullcontext():
                return self.answer(environ, start_response)
        finally:
            counted = self.calls.setdefault(name, [0, 0.0])
            counted[0] += 1
            counted[1] += time.perf_counter() - began

    def steer(self, path, environ, start_response):
        """What only tests ask: counts of calls, and a tag index that lags."""
        reply = b"{}"
        if path == "/nightbell/calls":
            reply = json.dumps(self.calls).encode()
            if environ["REQUEST_METHOD"] == "DELETE":
                self.calls = {}
        elif path == "/nightbell/lag":
            moto_alarms.lag(environ["REQUEST_METHOD"] == "PUT")
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(reply)))])
        return [reply]

    def answer(self, environ, start_response):
        rpc = RPC_PATH.match(environ.get("PATH_INFO", ""))
        if rpc and environ.get("HTTP_SMITHY_PROTOCOL") == "rpc-v2-cbor":
            return self.cloudwatch(rpc[1], environ, start_response)
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith(".FilterLogEvents"):
            return self.filter_log_events(environ, start_response)
        return self.inner(environ, start_response)

    def call(self, environ, body, **headers):
        """One call of moto with a JSON body: (status, answer)."""
        inner = dict(environ, **headers)
        for name in ("HTTP_CONTENT_ENCODING", "HTTP_SMITHY_PROTOCOL", "HTTP_TRANSFER_ENCODING"):
            inner.pop(name, None)
        data = json.dumps(body, default=lambda moment: moment.timestamp()).encode()
        inner["wsgi.input"] = io.BytesIO(data)
        inner["CONTENT_LENGTH"] = str(len(data))
        told = {}

        def start(status, _headers, _exc_info=None):
            told["status"] = status

        answer = b"".join(self.inner(inner, start))
        try:
            return told["status"], json.loads(answer or b"{}")
        except ValueError:
            # moto answers an operation that it does not know with a web page.
            return "501 Not Implemented", {"__type": "NotImplemented", "message": answer[:200].decode()}

    def cloudwatch(self, operation, environ, start_response):
        data = body_of(environ)
        if environ.get("HTTP_CONTENT_ENCODING") == "gzip":
            data = gzip.decompress(data)
        model = CLOUDWATCH.operation_model(operation)
        asked = from_cbor(data, model.input_shape)
        status, answer = self.call(
            environ,
            asked,
            PATH_INFO="/",
            CONTENT_TYPE="application/x-amz-json-1.0",
            HTTP_X_AMZ_TARGET=f"{TARGET}.{operation}",
        )
        if status.startswith("200"):
            reply = to_cbor(answer, model.output_shape)
        else:
            words = answer.get("message") or answer.get("Message") or ""
            reply = to_cbor({"__type": answer.get("__type", "Unknown"), "message": words}, ERROR)
        start_response(status, [
            ("Content-Type", "application/cbor"),
            ("smithy-protocol", "rpc-v2-cbor"),
            ("Content-Length", str(len(reply))),
        ])
        return [reply]

    def filter_log_events(self, environ, start_response):
        asked = json.loads(body_of(environ))
        backwards = asked.pop("startFromHead", True) is False
        if not backwards and not str(asked.get("nextToken", "")).startswith("back:"):
            status, answer = self.call(environ, asked)
        else:
            limit = int(asked.pop("limit", 10_000))
            first = int(str(asked.pop("nextToken", "back:0")).removeprefix("back:"))
            status, answer = self.call(environ, asked)
            events = answer.get("events", [])[::-1]
            if "events" in answer:
                answer["events"] = events[first : first + limit]
                answer.pop("nextToken", None)
            if len(events) > first + limit:
                answer["nextToken"] = f"back:{first + limit}"
        reply = json.dumps(answer).encode()
        start_response(status, [
            ("Content-Type", "application/x-amz-json-1.1"),
            ("Content-Length", str(len(reply))),
        ])
        return [reply]


def body_of(environ):
    return environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))


ERROR = botocore.model.DenormalizedStructureBuilder().with_members(
    {"__type": {"type": "string"}, "message": {"type": "string"}}
).build_model()


def from_cbor(data, shape):
    parser = botocore.parsers.RpcV2CBORParser()
    value = parser.parse_data_item(parser.get_peekable_stream_from_bytes(data))
    return parser._parse_shape(shape, value)


def to_cbor(answer, shape):
    if shape is None:
        return b"\xa0"
    # moto answers JSON; its parser makes datetimes where the model has timestamps.
    value = answer if shape is ERROR else botocore.parsers.JSONParser()._parse_shape(shape, answer)
    data = bytearray()
    botocore.serialize.RpcV2CBORSerializer()._serialize_data_item(data, value, shape)
    return bytes(data)


def operation_of(environ):
    """`service.Operation`, or the service with method and path where an API is RESTful."""
    signed = re.search(r"Credential=[^/]+/\d+/[^/]+/([^/]+)/", environ.get("HTTP_AUTHORIZATION", ""))
    service = {"monitoring": "cloudwatch"}.get(signed[1], signed[1]) if signed else "unsigned"
    target, rpc = environ.get("HTTP_X_AMZ_TARGET"), RPC_PATH.match(environ.get("PATH_INFO", ""))
    if target or rpc:
        return f"{service}.{target.rpartition('.')[2] if target else rpc[1]}"
    if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
        body = body_of(environ)
        environ["wsgi.input"] = io.BytesIO(body)
        action = re.search(rb"(?:^|&)Action=(\w+)", body)
        if action:
            return f"{service}.{action[1].decode()}"
    return f"{service}.{environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}"


class QuotedTerms(moto.logs.models.EventMessageFilter):
    """A pattern of quoted terms matches messages that contain all of them."""

    def __init__(self, pattern):
        quoted = re.findall(r'"((?:[^"\\]|\\.)*)"', pattern or "")
        self.terms = [re.sub(r"\\(.)", r"\1", term) for term in quoted]
        super().__init__(pattern)

    def matches(self, message):
        if self.terms:
            return all(term in message for term in self.terms)
        return super().matches(message)


def main():
    moto.logs.models.EventMessageFilter = QuotedTerms
    moto_alarms.teach()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Teacher(DomainDispatcherApplication(create_backend_app))
    server = werkzeug.serving.make_server(
        "127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler
    )
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    # Whoever started this holds the other end; when it is gone, nobody is left to serve.
    sys.stdin.read()


if __name__ == "__main__":
    main()
