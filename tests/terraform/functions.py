"""Functions as Lambda runs them: the binaries that cargo built, with the variables that Terraform gave
them, asked by a stand-in of the runtime API."""

import base64
import http.server
import json
import os
import queue
import subprocess
import threading
import time

from stack import Failed

PATIENCE = 60


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A function is ended while it waits for its next event: that is how one goes."""


class Runtime:
    """The runtime API, version 2018-06-01, for one function."""

    def __init__(self):
        self.events, self.answers = queue.Queue(), queue.Queue()
        runtime = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                event = runtime.events.get()
                if event is None:
                    self.close_connection = True
                    return
                body = json.dumps(event).encode()
                self.send_response(200)
                self.send_header("lambda-runtime-aws-request-id", f"request-{time.monotonic_ns()}")
                self.send_header("lambda-runtime-deadline-ms", "4102444800000")
                self.send_header("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:123456789012:function:f")
                self.send_header("lambda-runtime-trace-id", "Root=1-65a0b1c2-0123456789abcdef01234567;Parent=00000000000000aa;Sampled=1")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0)) if "Content-Length" in self.headers else self.chunks()
                runtime.answers.put((self.path.rsplit("/", 1)[1], body))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def chunks(self):
                body = b""
                while size := int(self.rfile.readline(), 16):
                    body += self.rfile.read(size)
                    self.rfile.readline()
                self.rfile.readline()
                return body

            def log_message(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"127.0.0.1:{self.server.server_port}"


class Function:
    """One function of the applied estate, running until it is closed."""

    def __init__(self, binary, applied, endpoint, more=()):
        self.runtime = Runtime()
        environment = {
            "AWS_LAMBDA_RUNTIME_API": self.runtime.address,
            "AWS_LAMBDA_FUNCTION_NAME": applied["function_name"],
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(applied["memory_size"]),
            "AWS_LAMBDA_FUNCTION_VERSION": applied["version"],
            "AWS_ENDPOINT_URL": endpoint,
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
            **applied["environment"][0]["variables"],
            **dict(more),
        }
        for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
            if name in os.environ:
                environment[name] = os.environ[name]
        self.name = applied["function_name"]
        self.process = subprocess.Popen(
            binary if isinstance(binary, list) else [binary], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.said = []
        threading.Thread(target=lambda: self.said.extend(self.process.stdout), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.runtime.server.shutdown()

    def invoke(self, event):
        """What the function answers to an event."""
        self.runtime.events.put(event)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                kind, body = self.runtime.answers.get(timeout=1)
                break
            except queue.Empty:
                if self.process.poll() is not None or time.monotonic() > until:
                    raise Failed(f"{self.name} does not answer: {''.join(self.said)[-3000:]}") from None
        if kind == "error":
            raise Failed(f"{self.name} failed: {body.decode()} {''.join(self.said)[-3000:]}")
        return json.loads(body or b"null")

    def ask(self, method, path, body=None, headers=(), expect=200):
        """An HTTP request as the REST API passes it on."""
        path, _, query = path.partition("?")
        parameters = dict(part.split("=", 1) for part in query.split("&") if part) or None
        headers = {"Host": "api.example.org", **dict(headers)}
        binary = isinstance(body, bytes)
        answer = self.invoke({
            "resource": path, "path": path, "httpMethod": method,
            "headers": headers, "multiValueHeaders": {name: [value] for name, value in headers.items()},
            "queryStringParameters": parameters,
            "multiValueQueryStringParameters": parameters and {name: [value] for name, value in parameters.items()},
            "pathParameters": None, "stageVariables": None,
            "body": base64.b64encode(body).decode() if binary else body, "isBase64Encoded": binary,
            "requestContext": {
                "accountId": "123456789012", "apiId": "api", "httpMethod": method, "path": f"/prod{path}", "protocol": "HTTP/1.1",
                "requestId": "gateway-1", "requestTime": "01/Jan/2026:00:00:00 +0000", "requestTimeEpoch": 1767225600000,
                "resourceId": "r", "resourcePath": path, "stage": "prod", "identity": {"sourceIp": "192.0.2.1", "userAgent": "test"},
            },
        })
        if answer["statusCode"] != expect:
            raise Failed(f"{method} {path} of {self.name} answered {answer['statusCode']}: {answer.get('body')}")
        said = answer.get("body") or ""
        try:
            return json.loads(said)
        except ValueError:
            return answer
