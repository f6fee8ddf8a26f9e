"""Functions at their start: from the process's start to its first answer, beside a Python handler of the same job.

Run:  PYTHON tests/bench/cold.py --binary target/release/counter [--package counter.zip] [--rounds 20] [--function NAME] [--runner COMMAND]
PYTHON is one with tests/aws/requirements.txt. Both count a visit in the emulator's DynamoDB under the same stand-in of
the runtime API, interleaved; the first request is one that needs no table, so that what is measured is the start.
Another function (--function) is measured alone, by a first event that needs nothing of AWS. --runner goes before the
binary: an emulator of another machine, with --tiny, since its times say nothing.
Prints one JSON line a subject: median and worst milliseconds, resident KiB, and the package's bytes. Exits with 1 when
the binary's median is over 10 ms or its package over 5 MB, which holds for optimised builds.
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import sys
import time

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "terraform"))

from functions import Function  # noqa: E402
import stack  # noqa: E402

HANDLER = r'''
import http.client, json, os
import boto3
table = boto3.resource("dynamodb").Table(os.environ["TABLE_NAME"])
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    answer = api.getresponse()
    event, request = json.loads(answer.read()), answer.headers["lambda-runtime-aws-request-id"]
    if event["path"] == "/count":
        count = table.update_item(Key={"pk": "visitors"}, UpdateExpression="ADD visitCount :one",
                                  ExpressionAttributeValues={":one": 1}, ReturnValues="UPDATED_NEW")["Attributes"]["visitCount"]
        said = {"statusCode": 200, "body": json.dumps({"count": int(count)})}
    else:
        said = {"statusCode": 404, "body": "{}"}
    api.request("POST", f"/2018-06-01/runtime/invocation/{request}/response", json.dumps(said))
    api.getresponse().read()
'''

# What the others are given, and asked first.
VARIABLES = {
    "BUCKET_NAME": "b", "TABLE_NAME": "t", "PICTURES_URL": "https://cdn.example.org", "LINKS_URL": "https://go.example.org/short",
    "EVENTS_TABLE": "e", "SUBSCRIPTIONS_TABLE": "s", "PUBLIC_URL": "https://example.org/prod", "FAN_OUT_QUEUE": "q", "DEAD_LETTER_QUEUE": "d",
    "MAIL_FROM": "events@example.org",
    "JOBS_TABLE": "j", "AUDIT_TABLE": "a", "BUCKET": "b", "GENERATE_QUEUE": "g", "POST_QUEUE": "p",
    "GENERATE_DEAD_LETTER_QUEUE": "gd", "POST_DEAD_LETTER_QUEUE": "pd",
    "USER_POOL_ISSUER": "https://pool.example.org", "CLIENT_ID": "c",
}
# An answer, too: that an event is refused, or a caller, is told to the runtime as an error.
NO_LETTERS = {"Records": []}, "`Records` is empty"
NOBODY = {"type": "TOKEN", "authorizationToken": "Bearer none", "methodArn": "arn:aws:execute-api:us-east-1:1:a/prod/GET/"}, "Unauthorized"
FIRST = {
    "resize": None, "announcement": None, "posting": None,
    "announcement-notify": NO_LETTERS, "posting-generate": NO_LETTERS, "posting-post": NO_LETTERS, "posting-authorizer": NOBODY,
}


def first(name, command, endpoint):
    applied = {"function_name": name, "memory_size": 128, "version": "1", "environment": [{"variables": VARIABLES}]}
    began = time.perf_counter()
    with Function(command, applied, endpoint) as function:
        if FIRST[name] is None:
            function.ask("GET", "/nothing", expect=404)
        else:
            event, refusal = FIRST[name]
            try:
                function.invoke(event)
            except stack.Failed as refused:
                if refusal not in str(refused):
                    raise
        took = (time.perf_counter() - began) * 1000
        status = pathlib.Path(f"/proc/{function.process.pid}/status").read_text()
        return took, int(status.split("VmRSS:")[1].split()[0])


def once(command, endpoint):
    applied = {
        "function_name": "cold", "memory_size": 128, "version": "1", "environment": [{"variables": {"TABLE_NAME": "visitors", "AWS_DEFAULT_REGION": "us-east-1"}}],
    }
    began = time.perf_counter()
    with Function(command, applied, endpoint) as function:
        function.ask("GET", "/nothing", expect=404)
        took = (time.perf_counter() - began) * 1000
        status = pathlib.Path(f"/proc/{function.process.pid}/status").read_text()
        memory = int(status.split("VmRSS:")[1].split()[0])
        # It does its job, too.
        if "count" not in function.ask("GET", "/count"):
            raise SystemExit("it does not count")
    return took, memory


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binary", required=True)
    parser.add_argument("--package", type=pathlib.Path)
    parser.add_argument("--function", choices=["counter", *FIRST], default="counter")
    parser.add_argument("--runner", default="")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="once each, without a judgement")
    arguments = parser.parse_args()
    command = [*arguments.runner.split(), arguments.binary]
    if arguments.function != "counter":
        # Nothing of AWS is asked: nobody listens there.
        took = [first(arguments.function, command, "http://127.0.0.1:9") for _ in range(1 if arguments.tiny else arguments.rounds)]
        return judge({arguments.function: took}, arguments)
    moto, endpoint = stack.start_emulator()
    try:
        import boto3
        boto3.client("dynamodb", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test").create_table(
            TableName="visitors", BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}])
        subjects = {"counter": command, "python": [sys.executable, "-c", HANDLER]}
        seen = {name: [] for name in subjects}
        for _ in range(1 if arguments.tiny else arguments.rounds):
            for name, command in subjects.items():
                seen[name].append(once(command, endpoint))
    finally:
        moto.stdin.close()
        moto.wait(10)
    return judge(seen, arguments)


def judge(seen, arguments):
    bad = False
    for name, all_of in seen.items():
        times = [took for took, _ in all_of]
        row = {"subject": name, "median_ms": round(statistics.median(times), 1), "worst_ms": round(max(times), 1), "kib": max(m for _, m in all_of)}
        if name == arguments.function:
            row["package"] = arguments.package.stat().st_size if arguments.package else None
            bad = row["median_ms"] > 10 or (row["package"] or 0) > 5_000_000
        print(json.dumps(row))
    return 1 if bad and not arguments.tiny else 0


if __name__ == "__main__":
    sys.exit(main())
