"""boto3 as an independent client: one JSON request a line, one JSON answer a line.

A request is {"region", "service", "operation", "params"}; times are ISO 8601 texts. An answer is
{"ok": ...} or {"error": code}.
"""

import json
import sys

import boto3
import botocore.config
import botocore.exceptions

endpoint = sys.argv[1]
clients = {}


def client(service, region):
    if (service, region) not in clients:
        clients[service, region] = boto3.client(
            service,
            endpoint_url=endpoint,
            region_name=region,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            config=botocore.config.Config(retries={"total_max_attempts": 1}),
        )
    return clients[service, region]


def plain(value):
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


for line in sys.stdin:
    asked = json.loads(line)
    try:
        answer = getattr(client(asked["service"], asked["region"]), asked["operation"])(**asked["params"])
        answer.pop("ResponseMetadata", None)
        reply = {"ok": answer}
    except botocore.exceptions.ClientError as error:
        reply = {"error": error.response["Error"]["Code"]}
    print(json.dumps(reply, default=plain), flush=True)
