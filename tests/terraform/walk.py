"""The applied estate at work: each function's handler is run on what Terraform made, and the daemon's
commands on the project file that Terraform filled in."""

import base64
import email
import http.server
import json
import os
import pathlib
import shutil
import subprocess
import threading
import time
import urllib.request
import zlib

import boto3
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from functions import Function
from stack import ROOT, Failed, log

ACCOUNT = "123456789012"
SIGN_IN = {
    "issuer": "https://login.example.org", "authorization_endpoint": "https://login.example.org/authorize", "token_endpoint": "https://login.example.org/token",
    "user_info_endpoint": "https://login.example.org/userinfo", "client_id": "nightbell", "roles": {"viewer": ["*"], "admin": ["platform"]},
}


def hold(condition, words):
    if not condition:
        raise Failed(words)


def png():
    """A picture of 8 by 8, made here."""
    def chunk(kind, data):
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    rows = b"".join(b"\0" + bytes((x * 30, y * 30, 128)[i] for x in range(8) for i in range(3)) for y in range(8))
    header = (8).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


class Pool:
    """A user pool's keys over HTTP, and tokens of it: the emulator's own tokens name an issuer that only AWS serves."""

    def __init__(self):
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        numbers = self.key.public_key().public_numbers()
        n = numbers.n.to_bytes(256, "big")
        keys = json.dumps({"keys": [{"kid": "k", "kty": "RSA", "alg": "RS256", "use": "sig", "n": text(n), "e": "AQAB"}]}).encode()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", str(len(keys)))
                self.end_headers()
                self.wfile.write(keys)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.issuer = f"http://127.0.0.1:{self.server.server_port}/pool"

    def token(self, client, groups):
        now = int(time.time())
        claims = {
            "sub": "you", "iss": self.issuer, "client_id": client, "token_use": "access", "scope": "openid",
            "exp": now + 600, "iat": now, "auth_time": now, "username": "you", "cognito:groups": groups,
        }
        signed = text(json.dumps({"alg": "RS256", "kid": "k"}).encode()) + "." + text(json.dumps(claims).encode())
        signature = self.key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{signed}.{text(signature)}"


class Upstreams:
    """OpenAI's images and X, as far as one picture needs them."""

    def __init__(self):
        self.posts = []
        upstreams = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                if self.path == "/v1/images/generations":
                    return self.answer({"created": 1, "data": [{"b64_json": base64.b64encode(png()).decode()}]})
                if self.path.startswith("/2/media/upload"):
                    return self.answer({"data": {"id": "1", "media_key": "3_1"}})
                upstreams.posts.append(json.loads(body)["text"])
                return self.answer({"data": {"id": str(len(upstreams.posts)), "text": upstreams.posts[-1]}}, 201)

            def do_GET(self):
                if self.path.startswith("/2/users/me"):
                    return self.answer({"data": {"id": "1", "username": "walked", "name": "Walked"}})
                return self.answer({"meta": {"result_count": 0}})

            def answer(self, value, status=200):
                data = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{self.server.server_port}"


def text(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def certificate(aws):
    """A certificate for the load balancer, as terraform/deploy/certificate imports one."""
    import datetime
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "nightbell.example.org")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now).not_valid_after(now + datetime.timedelta(days=30)).sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return aws("acm").import_certificate(Certificate=made.public_bytes(serialization.Encoding.PEM), PrivateKey=pem)["CertificateArn"]


class Walk:
    def __init__(self, stack, endpoint, binaries):
        self.endpoint, self.binaries = endpoint, pathlib.Path(binaries)
        self.output = stack.output()
        self.resources = stack.resources()
        self.services = None
        self.applied = {values["function_name"]: values for _, kind, values in self.resources if kind == "aws_lambda_function"}
        self.clients = {}

    def aws(self, service):
        if service not in self.clients:
            self.clients[service] = client(self.endpoint, service)
        return self.clients[service]

    def function(self, binary, name, more=()):
        return Function(self.binaries / binary, self.applied[name], self.endpoint, more)

    def project(self, folder):
        """The deployed project: the shipped files, the estate's own name, what Terraform printed."""
        folder = pathlib.Path(folder)
        for part in ("alarms", "dashboards", "runbooks"):
            shutil.copytree(ROOT / part, folder / part, dirs_exist_ok=True)
        done = subprocess.run(
            [ROOT / "terraform/deploy/project", folder], input=json.dumps({n: {"value": v} for n, v in self.output.items()}),
            text=True, capture_output=True,
        )
        hold(done.returncode == 0, f"terraform/deploy/project failed: {done.stderr}")
        return folder

    def nightbell(self, folder, *arguments, expect=0):
        environment = dict(
            os.environ, AWS_ENDPOINT_URL=self.endpoint, AWS_ACCESS_KEY_ID="test", AWS_SECRET_ACCESS_KEY="test", AWS_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true", NIGHTBELL_DATA=str(folder / ".nightbell"),
        )
        done = subprocess.run(
            [self.binaries / "nightbell-aws", "--config", folder / "nightbell.yaml", *arguments],
            env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
        )
        hold(done.returncode == expect, f"nightbell {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}")
        return done.stdout

    def services_json(self):
        """services.auto.yaml as the daemon reads it, as JSON: yamlencode writes YAML that PyYAML reads."""
        import yaml

        return json.dumps(yaml.safe_load(self.output["services"]))

    # --- The four paths ---

    def counter(self, services):
        with self.function("counter", services["counter"]["function"]) as function:
            counts = [function.ask("GET", "/count")["count"] for _ in range(2)]
        hold(counts == [1, 2], f"the counter counted {counts}")
        log("a page was counted twice")

    def resize(self, services):
        names = services["resize"]
        with self.function("resize", names["function"]) as function:
            image = function.ask("POST", "/upload", png(), {"Content-Type": "image/png"}, expect=201)
            objects = self.aws("s3").list_objects_v2(Bucket=names["bucket"], Prefix="pictures/")
            hold(objects["KeyCount"] >= 1, "the bucket of pictures is empty after an upload")
            listed = function.ask("GET", "/images")
            hold(image["id"] in json.dumps(listed), "the uploaded picture is not listed")
            hold(image["short_url"].startswith(self.output["sites"]["resize"]), f"the short link leads to {image['short_url']}")
            code = image["short_url"].rsplit("/", 1)[1]
            function.ask("GET", f"/short/{code}", expect=302)
        with self.function("resize-sweep", names["sweep"]) as function:
            function.invoke({"schedule": "sweep", "at": "2026-01-05T08:00:00Z", "input": None})
        log("a picture was uploaded, listed and followed; the sweep ran")

    def announcement(self, services):
        names, pool = services["announcement"], Pool()
        settings = {"USER_POOL_ISSUER": pool.issuer}
        token = pool.token(self.output["user_pool"]["clients"]["announcement"], ["publisher", "subscriber"])
        signed_in = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        with self.function("announcement", names["function"], settings) as function:
            function.ask("POST", "/events", json.dumps({"title": "x"}), {"Content-Type": "application/json"}, expect=401)
            function.ask("POST", "/subscriptions", json.dumps({"email": "ann@example.com"}), signed_in, expect=202)
            mail = self.mails()[-1]
            link = mail.split("/confirm?token=")
            hold(len(link) > 1, f"the first mail has no link to confirm: {mail[:500]}")
            path = "/subscriptions/" + link[0].rsplit("/", 1)[1] + "/confirm?token=" + link[1].split()[0].strip('">')
            function.ask("POST", path)
            soon = time.strftime("%Y-%m-%d", time.gmtime(time.time() + 30 * 86_400))
            event = {"title": "A walk", "description": "Through the applied estate.", "date": soon}
            function.ask("POST", "/events", json.dumps(event), signed_in, expect=201)
        with self.function("announcement-notify", names["notify"], settings) as function:
            function.invoke({"Records": self.stream_records(names["table"])})
        fan_out = self.queue_event(names["queue"])
        with self.function("announcement-notify", names["fan_out"], settings) as function:
            function.invoke(fan_out)
        told = [mail for mail in self.mails() if "A walk" in mail]
        hold(len(told) == 1, f"the subscriber was told {len(told)} times")
        log("an event was announced: stream, queue, mail")

    def mails(self):
        """What the emulator's SES sent, oldest first."""
        sent = json.loads(urllib.request.urlopen(f"{self.endpoint}/nightbell/told").read())["mails"]
        mails = []
        for raw in sent:
            parts = email.message_from_string(raw).walk()
            mails.append("\n".join(
                part.get_payload(decode=True).decode(errors="replace") for part in parts if part.get_content_maintype() == "text"
            ))
        return mails

    def stream_records(self, table):
        streams = self.aws("dynamodbstreams")
        arn = self.aws("dynamodb").describe_table(TableName=table)["Table"]["LatestStreamArn"]
        shard = streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"][0]["ShardId"]
        iterator = streams.get_shard_iterator(StreamArn=arn, ShardId=shard, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        records = streams.get_records(ShardIterator=iterator)["Records"]
        hold(records, f"nothing happened in the stream of {table}")
        for record in records:
            record["eventSource"], record["eventSourceARN"] = "aws:dynamodb", arn
            record["dynamodb"]["ApproximateCreationDateTime"] = record["dynamodb"]["ApproximateCreationDateTime"].timestamp()
        return json.loads(json.dumps(records, default=lambda data: base64.b64encode(data).decode()))

    def queue_event(self, name):
        sqs = self.aws("sqs")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        arn = f"arn:aws:sqs:us-east-1:{ACCOUNT}:{name}"
        messages = sqs.receive_message(
            QueueUrl=url, MaxNumberOfMessages=10, WaitTimeSeconds=10, AttributeNames=["All"], MessageAttributeNames=["All"]
        ).get("Messages", [])
        hold(messages, f"nothing waits in {name}")
        return {"Records": [{
            "messageId": m["MessageId"], "receiptHandle": m["ReceiptHandle"], "body": m["Body"], "attributes": m["Attributes"],
            "messageAttributes": {}, "md5OfBody": m["MD5OfBody"], "eventSource": "aws:sqs", "eventSourceARN": arn, "awsRegion": "us-east-1",
        } for m in messages]}

    def posting(self, services):
        """A date is drawn and posted: queue, picture in the bucket, event, queue, post; the upstreams are stand-ins."""
        names, upstreams = services["posting"], Upstreams()
        settings = {"OPENAI_URL": upstreams.address, "X_URL": upstreams.address}
        days = {"Prompt": 'A ghost for "{day}"', "january": {"14": ["Dress Up Your Pet"]}}
        self.aws("s3").put_object(Bucket=names["bucket"], Key="national-days.json", Body=json.dumps(days).encode(), ContentType="application/json")
        estate = self.output["estate"]
        keys = {name: "walked" for name in ("api_key", "api_secret", "access_token", "access_token_secret")}
        for name, value in (("openai", "sk-walked"), ("x", json.dumps(keys))):
            self.aws("secretsmanager").put_secret_value(SecretId=f"{estate}/{name}", SecretString=value)
        sqs = self.aws("sqs")
        url = sqs.get_queue_url(QueueName=names["queues"]["generate"])["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody=json.dumps({"run": "2026-01-14", "by": "ann"}))
        with self.function("posting-generate", names["functions"]["generate"], settings) as function:
            # The date becomes a message for each of its pictures.
            for _ in range(2):
                self.handled(function, self.queue_event(names["queues"]["generate"]))
        with self.function("posting-post", names["functions"]["post"], settings) as function:
            event = self.queue_event(names["queues"]["post"])
            for _ in range(2):
                self.handled(function, event)
        hold(upstreams.posts == ["National Dress Up Your Pet Day!"], f"X was told {upstreams.posts}")
        log(f"posted from the queue, once: {upstreams.posts[0]}")

    def handled(self, function, event):
        """Messages of a queue, of which none fails; they are deleted, as Lambda does."""
        answer = function.invoke(event)
        hold(not answer["batchItemFailures"], f"{function.name} did not manage {answer}: {''.join(function.said)[-3000:]}")
        for record in event["Records"]:
            name = record["eventSourceARN"].rsplit(":", 1)[1]
            url = self.aws("sqs").get_queue_url(QueueName=name)["QueueUrl"]
            self.aws("sqs").delete_message(QueueUrl=url, ReceiptHandle=record["receiptHandle"])

    def daemon(self, services, folder):
        """A change of a page's alarm, as EventBridge tells it, becomes a message of the topic."""
        self.aws("secretsmanager").put_secret_value(SecretId=self.output["link_secret"], SecretString="a key of the tests")
        settings = {
            "AWS_ENDPOINT_URL": self.endpoint, "AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true", "NIGHTBELL_DATA": str(folder / ".nightbell"),
            "NIGHTBELL_JOURNAL": services["host"]["journal"], "NIGHTBELL_QUEUE": services["alerting"]["queue"],
            "NIGHTBELL_DEAD_LETTER": services["alerting"]["dlq"],
        }
        log_file = folder / "serve.log"
        with log_file.open("w") as said:
            process = subprocess.Popen(
                [self.binaries / "nightbell-aws", "--config", folder / "nightbell.yaml", "serve", "--listen", "127.0.0.1:0", "--observe-only"],
                env={**os.environ, **settings}, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT,
            )
        try:
            self.change("counter-errors")
            until = time.monotonic() + 90
            while not (told := [m for m in self.messages() if "counter-errors" in json.dumps(m)]):
                hold(process.poll() is None and time.monotonic() < until, f"nobody was told: {log_file.read_text()[-3000:]}")
                time.sleep(0.5)
        finally:
            process.terminate()
            process.wait(60)
        hold(told[0][0] == services["alerting"]["oncall_topic"], f"{told[0][0]} was told")
        log(f"the topic was told: {told[0][1]}")

    def signed_in(self, folder):
        """The balancer signs people in, and the project file believes this balancer, this issuer and this client."""
        said = self.output["sign_in"]
        elb = self.aws("elbv2")
        listener = elb.describe_listeners(ListenerArns=[said["listener_arn"]])["Listeners"][0]
        kinds = [action["Type"] for action in sorted(listener["DefaultActions"], key=lambda action: action["Order"])]
        hold(kinds == ["authenticate-oidc", "forward"], f"the listener does {kinds}")
        rules = [rule for rule in elb.describe_rules(ListenerArn=said["listener_arn"])["Rules"] if not rule["IsDefault"]]
        done = {path: [action["Type"] for action in rule["Actions"]] for rule in rules for condition in rule["Conditions"] for path in condition["PathPatternConfig"]["Values"]}
        hold(done["/api/v1/events/sns"] == done["/l/*"] == done["/health"] == ["forward"], f"what is signed does not get through: {done}")
        hold(done["/api/*"] == ["authenticate-oidc", "forward"], f"programs do not get through: {done}")
        file = (folder / "nightbell.yaml").read_text()
        written = json.loads(next(line for line in file.splitlines() if line.startswith("sign_in: ")).split(": ", 1)[1])
        hold((written["issuer"], written["client"], written["roles"]) == (SIGN_IN["issuer"], SIGN_IN["client_id"], SIGN_IN["roles"]), f"the project file says {written}")
        log("people are signed in at the balancer, and the project file says who counts")

    def messages(self):
        return json.loads(urllib.request.urlopen(f"{self.endpoint}/nightbell/told").read())["messages"]

    def change(self, alarm):
        now = time.strftime("%Y-%m-%dT%H:%M:%S.000+0000", time.gmtime())
        said = {"reason": "walked", "timestamp": now}
        self.aws("events").put_events(Entries=[{
            "Source": "aws.cloudwatch", "DetailType": "CloudWatch Alarm State Change",
            "Detail": json.dumps({"alarmName": alarm, "state": {"value": "ALARM", **said}, "previousState": {"value": "OK", **said}}),
            "Resources": [f"arn:aws:cloudwatch:us-east-1:{ACCOUNT}:alarm:{alarm}"],
        }])

    # --- Alarms: what the daemon needs is there, and nothing stays behind ---

    def alarm(self, services):
        self.change("walk")
        event = self.queue_event(services["alerting"]["queue"])
        body = json.loads(event["Records"][0]["body"])
        hold(body["detail-type"] == "CloudWatch Alarm State Change" and body["detail"]["alarmName"] == "walk", f"the daemon's queue got {body}")
        # Of an alarm that nobody knows; the next one is the daemon's.
        self.aws("sqs").purge_queue(QueueUrl=self.output["alarm_queue_url"])
        log("a change of an alarm went by the rule into the daemon's queue")


def client(endpoint, service, region="us-east-1"):
    return boto3.client(service, endpoint_url=endpoint, region_name=region, aws_access_key_id="test", aws_secret_access_key="test")


def ours(key):
    """AWS's own keys are made by whoever first needs them, and stay."""
    return key["KeyState"] == "Enabled" and key.get("KeyManager") == "CUSTOMER" and not key["Description"].startswith("Default")


def left_over(endpoint):
    """What an account still holds that Terraform or Nightbell may have made."""
    def aws(service, region="us-east-1"):
        return client(endpoint, service, region)

    left = {
        "functions": [f["FunctionName"] for f in aws("lambda").list_functions()["Functions"]],
        "tables": aws("dynamodb").list_tables()["TableNames"],
        "buckets": [b["Name"] for b in aws("s3").list_buckets()["Buckets"]],
        "queues": aws("sqs").list_queues().get("QueueUrls", []),
        "topics": [t["TopicArn"] for t in aws("sns").list_topics()["Topics"]],
        "alarms": [
            alarm["AlarmName"]
            for page in aws("cloudwatch").get_paginator("describe_alarms").paginate(AlarmTypes=["MetricAlarm", "CompositeAlarm"])
            for alarm in page["MetricAlarms"] + page["CompositeAlarms"]
        ],
        "dashboards": [d["DashboardName"] for d in aws("cloudwatch").list_dashboards().get("DashboardEntries", [])],
        "log groups": [g["logGroupName"] for g in aws("logs").describe_log_groups()["logGroups"]],
        "APIs": [a["name"] for a in aws("apigateway").get_rest_apis()["items"]],
        "distributions": [d["Id"] for d in aws("cloudfront").list_distributions()["DistributionList"].get("Items", [])],
        "pools": [p["Name"] for p in aws("cognito-idp").list_user_pools(MaxResults=60)["UserPools"]],
        "roles": [r["RoleName"] for r in aws("iam").list_roles()["Roles"] if r["RoleName"].startswith("nightbell")],
        "secrets": [s["Name"] for s in aws("secretsmanager").list_secrets()["SecretList"]],
        "schedules": [s["Name"] for s in aws("scheduler").list_schedules()["Schedules"]],
        "rules": [r["Name"] for r in aws("events").list_rules()["Rules"]],
        "load balancers": [b["LoadBalancerName"] for b in aws("elbv2").describe_load_balancers()["LoadBalancers"]],
        "groups": [g["AutoScalingGroupName"] for g in aws("autoscaling").describe_auto_scaling_groups()["AutoScalingGroups"]],
        "networks": [v["VpcId"] for v in aws("ec2").describe_vpcs()["Vpcs"] if not v["IsDefault"]],
        "NAT gateways": [n["NatGatewayId"] for n in aws("ec2").describe_nat_gateways()["NatGateways"] if n["State"] != "deleted"],
        "repositories": [r["repositoryName"] for r in aws("ecr").describe_repositories()["repositories"]],
        "pipelines": [p["name"] for p in aws("codepipeline").list_pipelines()["pipelines"]],
        "builds": aws("codebuild").list_projects()["projects"],
        # A zone is there before the estate, with these two.
        "names": [
            f"{record['Name']} {record['Type']}"
            for zone in aws("route53").list_hosted_zones()["HostedZones"]
            for record in aws("route53").list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
            if record["Type"] not in ("NS", "SOA")
        ],
        # But the one that was imported for the test.
        "certificates": [c["CertificateArn"] for c in aws("acm").list_certificates()["CertificateSummaryList"] if c["DomainName"] != "nightbell.example.org"],
        "issuers": [p["Arn"] for p in aws("iam").list_open_id_connect_providers()["OpenIDConnectProviderList"]],
        "identities": aws("ses").list_identities()["Identities"],
        # A key is never gone at once: it has to be on its way.
        "keys": [k["KeyId"] for k in aws("kms").list_keys()["Keys"] if ours(aws("kms").describe_key(KeyId=k["KeyId"])["KeyMetadata"])],
    }
    return {what: names for what, names in left.items() if names}
