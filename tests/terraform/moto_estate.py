"""moto as an account that Terraform applies to: serves on a free port until its standard input closes.

Prints one line, `PORT`. Beside what ../aws/moto_server.py teaches:
 - a redrive policy is answered without spaces, as SQS does, so that a plan does not see a change;
 - SES's switch for headers in notifications, which moto has not.
"""

import logging
import os
import pathlib
import sys
import threading

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "aws"))

import moto.sqs.models
import moto_alarms
import moto_server
import werkzeug.serving
from moto.moto_server.werkzeug_app import (
    DomainDispatcherApplication,
    MotoRequestHandler,
    create_backend_app,
)

HEADERS = "SetIdentityHeadersInNotificationsEnabled"
DONE = (
    f'<{HEADERS}Response xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><{HEADERS}Result/>'
    f"<ResponseMetadata><RequestId>0</RequestId></ResponseMetadata></{HEADERS}Response>"
).encode()


class Account(moto_server.Teacher):
    def answer(self, environ, start_response):
        # Teacher read the body to name the operation, and put it back.
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            body = moto_server.body_of(environ)
            environ["wsgi.input"] = moto_server.io.BytesIO(body)
            if f"Action={HEADERS}".encode() in body:
                start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(DONE)))])
                return [DONE]
        return super().answer(environ, start_response)


def compact_redrive_policies():
    queue = moto.sqs.models.Queue
    said = queue.attributes.fget

    def attributes(self):
        result = said(self)
        if "RedrivePolicy" in result:
            result["RedrivePolicy"] = moto_server.json.dumps(self.redrive_policy, separators=(",", ":"))
        return result

    queue.attributes = property(attributes)


def main():
    compact_redrive_policies()
    moto_alarms.teach()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Account(DomainDispatcherApplication(create_backend_app))
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
