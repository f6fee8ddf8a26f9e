"""moto as an account that Terraform applies to: serves on a free port until its standard input closes.

Prints one line, `PORT`. Beside what ../aws/moto_server.py teaches:
 - a redrive policy is answered without spaces, as SQS does, so that a plan does not see a change;
 - SES's switch for headers in notifications, which moto has not;
 - a build of a pipeline has neither a place of its source nor one of its artifacts: the pipeline has them, and
   says in seconds when it was made;
 - a bucket that refuses requests without TLS: the emulator is asked as if it had TLS;
 - mapped functions are not started, so that what waits for them waits;
 - what is asked again under one invocation id is answered as before and not done twice;
 - what was sent, at `/nightbell/told`: mails of SES, messages of topics.
"""

import logging
import os
import pathlib
import sys
import threading

os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "aws"))

import moto.codebuild.responses
import moto.codepipeline.models
import moto.dynamodb.models.table
import moto.iam.access_control
import moto.ses.models
import moto.sns.models
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
    def steer(self, path, environ, start_response):
        if path != "/nightbell/told":
            return super().steer(path, environ, start_response)
        reply = moto_server.json.dumps(told()).encode()
        start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(reply)))])
        return [reply]

    def answer(self, environ, start_response):
        # Teacher read the body to name the operation, and put it back.
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            body = moto_server.body_of(environ)
            environ["wsgi.input"] = moto_server.io.BytesIO(body)
            if f"Action={HEADERS}".encode() in body:
                start_response("200 OK", [("Content-Type", "text/xml"), ("Content-Length", str(len(DONE)))])
                return [DONE]
        return super().answer(environ, start_response)


def told():
    """Raw mails of SES, and (topic, subject, text) of messages that topics took, oldest first."""
    mails, messages = [], []
    for regions in moto.ses.models.ses_backends.values():
        for backend in regions.values():
            mails += [message.raw_data for message in backend.sent_messages if hasattr(message, "raw_data")]
    for regions in moto.sns.models.sns_backends.values():
        for backend in regions.values():
            for topic in backend.topics.values():
                messages += [[topic.arn, sent[2], sent[1]] for sent in topic.sent_notifications]
    return {"mails": mails, "messages": messages}


class Once:
    """A client whose connection broke within an answer asks again under the same id, and gets the answer that it
    missed: on a busy machine moto's server now and then closes one early, and to create a thing twice is a conflict."""

    KEPT = 4000

    def __init__(self, inner):
        self.inner = inner
        self.lock = threading.Lock()
        self.asked = {}

    def __call__(self, environ, start_response):
        asked = environ.get("HTTP_AMZ_SDK_INVOCATION_ID")
        if not asked:
            return self.inner(environ, start_response)
        with self.lock:
            known = self.asked.get(asked)
            mine = known is None
            if mine:
                known = self.asked[asked] = {"ended": threading.Event()}
                while len(self.asked) > self.KEPT:
                    del self.asked[next(iter(self.asked))]
        if not mine:
            known["ended"].wait(60)
            if "answer" in known:
                status, headers, body = known["answer"]
                start_response(status, headers)
                return [body]
        begun = {}

        def begin(status, headers, exc_info=None):
            begun["answer"] = (status, headers)

        try:
            answer = self.inner(environ, begin)
            body = b"".join(answer)
            if hasattr(answer, "close"):
                answer.close()
            status, headers = begun["answer"]
            # What failed is tried again in earnest.
            if status.startswith("2"):
                known["answer"] = (status, headers, body)
        finally:
            known["ended"].set()
        start_response(status, headers)
        return [body]


def as_if_over_tls():
    statement = moto.iam.access_control.IAMPolicyStatement
    judged = statement.is_action_permitted

    def is_action_permitted(self, *arguments, **named):
        if self._statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}:
            return moto.iam.access_control.PermissionResult.NEUTRAL
        return judged(self, *arguments, **named)

    statement.is_action_permitted = is_action_permitted


def mappings_that_wait():
    """moto would run a mapped function in a container, and take its messages even where it cannot. What
    waits has to wait: the tests bring it to the function."""
    for owner in (moto.sqs.models.Queue, moto.dynamodb.models.table.Table):
        owner.lambda_event_source_mappings = property(lambda self: {}, lambda self, mappings: None)


def builds_of_pipelines():
    judge = moto.codebuild.responses
    for name in ("_validate_required_params_source", "_validate_required_params_artifacts"):
        judged = getattr(judge, name)
        setattr(judge, name, lambda what, judged=judged: None if what["type"] == "CODEPIPELINE" else judged(what))
    moto.codepipeline.models.iso_8601_datetime_with_milliseconds = lambda when=None: when and when.timestamp()


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
    as_if_over_tls()
    builds_of_pipelines()
    mappings_that_wait()
    moto_alarms.teach()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Once(Account(DomainDispatcherApplication(create_backend_app)))
    server = werkzeug.serving.make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.port, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
