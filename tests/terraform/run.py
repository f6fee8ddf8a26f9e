#!/usr/bin/env python3
"""terraform/ applied for real, to the emulator: init, plan, apply, a second plan that is empty but for the
rows of terraform/emulation.toml, the functions and the daemon's commands on what was made, destroy,
and nothing left. Beside it, while the apply waits: fmt, validate, `terraform test`.
With --shape prod everything that is optional is on, too (a domain, the roles of workflows, the pipeline), after the root
that makes the state's bucket.

    PYTHON tests/terraform/run.py --binaries target/debug [--shape dev] [--after FILE]

PYTHON is one with tests/aws/requirements.txt. --after: the binaries are there as soon as this
file is; everything up to that point needs none.
"""

import argparse
import json
import pathlib
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
import tomllib

import botocore.exceptions
import stack
import walk
from stack import ROOT, Failed, Stack, log

TERRAFORM = ROOT / "terraform"


def judge_list(rows):
    """Every row names a run of `terraform test` that looks at its type."""
    for kind in ("left_out", "set", "replanned"):
        for row in rows.get(kind, []):
            file, name = row["test"].split(": ")
            said = (TERRAFORM / f"tests/{file}.tftest.hcl").read_text()
            if f'run "{name}"' not in said:
                raise Failed(f"emulation.toml: {row['type']} is covered by {row['test']}, which is no run")
            if not row["reason"]:
                raise Failed(f"emulation.toml: {row['type']} has no reason")


def judge_gates(rows):
    """`emulated` leaves out what is listed, and nothing else."""
    listed = {row["type"] for row in rows["left_out"]}
    sets = {(row["type"], row["attribute"]) for row in rows["set"]}
    gated, changed = set(), set()
    for file in sorted(TERRAFORM.glob("**/*.tf")):
        kind = None
        for line in file.read_text().splitlines():
            opened = re.match(r'(resource|module|provider|variable|data|output|check) "(\w+)"', line)
            if opened:
                kind = opened[2] if opened[1] == "resource" else opened[1]
            if re.match(r"locals|terraform", line):
                kind = "locals"
            if not re.search(r"\b(var|context)\.emulated\b", line):
                continue
            if re.match(r"\s+count\s+= var\.emulated (\|\| !var\.\w+ )?\? 0 : 1$", line):
                gated.add(kind)
            elif kind in ("module", "locals") and re.match(r"\s+emulated\s+= (var|var\.context)\.emulated$", line):
                continue
            elif kind != "provider":
                changed.add((kind, line.split("=")[0].strip()))
    if gated != listed or changed != sets:
        raise Failed(
            f"`emulated` gates {sorted(gated)} and sets {sorted(changed)}; emulation.toml lists {sorted(listed)} and {sorted(sets)}"
        )


def judge_left_out(rows, endpoint, made):
    """The emulator still refuses what is left out, so that the list holds no more than it has to."""
    probes = {
        "sqs.set_queue_attributes": lambda c: redrive_allow(c),
        "cloudfront.create_monitoring_subscription": lambda c: c.create_monitoring_subscription(
            DistributionId="E1", MonitoringSubscription={"RealtimeMetricsSubscriptionConfig": {"RealtimeMetricsSubscriptionStatus": "Enabled"}}
        ),
        "xray.create_sampling_rule": lambda c: c.create_sampling_rule(SamplingRule={
            "RuleName": "probe", "ResourceARN": "*", "Priority": 1, "FixedRate": 0.1, "ReservoirSize": 1,
            "ServiceName": "*", "ServiceType": "*", "Host": "*", "HTTPMethod": "*", "URLPath": "*", "Version": 1,
        }),
        "xray.create_group": lambda c: c.create_group(GroupName="probe"),
    }
    for row in rows["left_out"]:
        if row["type"] in made:
            raise Failed(f"emulation.toml leaves out {row['type']}, which was applied")
        service = row["operation"].split(".")[0]
        try:
            probes[row["operation"]](walk.client(endpoint, service))
        except (botocore.exceptions.ClientError, botocore.exceptions.BotoCoreError, Failed):
            continue
        raise Failed(f"the emulator does {row['operation']} now: {row['type']} does not have to be left out")


def redrive_allow(sqs):
    url = sqs.create_queue(QueueName="probe")["QueueUrl"]
    try:
        sqs.set_queue_attributes(QueueUrl=url, Attributes={"RedriveAllowPolicy": json.dumps({"redrivePermission": "denyAll"})})
        said = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
    finally:
        sqs.delete_queue(QueueUrl=url)
    if "RedriveAllowPolicy" not in said:
        raise Failed("not kept")


def judge_replanned(rows, changes, shape):
    listed = {(row["type"], row["attribute"]) for row in rows["replanned"] if row.get("shape", shape) == shape}
    new = {key: changes[key] for key in changes if key not in listed}
    gone = listed - set(changes)
    if new:
        raise Failed("the second plan is not empty: " + "; ".join(f"{t}.{a} of {', '.join(where)}" for (t, a), where in sorted(new.items())))
    if gone:
        raise Failed(f"emulation.toml lists what the second plan does not change any more: {sorted(gone)}")


def judge_outputs(output, resources):
    """What was made is printed, named and tagged by project and environment."""
    for name in ("services", "sites", "apis", "topic_arns", "bucket_names", "distribution_ids", "console_url"):
        if not output.get(name):
            raise Failed(f"the output {name} is empty")
    estate = output["estate"]
    for address, kind, values in resources:
        tags = values.get("tags_all")
        if tags is not None and (tags.get("Project"), tags.get("Environment")) != ("nightbell", estate.split("-")[1]):
            raise Failed(f"{address} is tagged {tags}")
    state = json.dumps(resources)
    for word in ("secret_string", "BEGIN PRIVATE KEY"):
        if re.search(rf'"{word}": "[^"]', state) or word == "BEGIN PRIVATE KEY" and word in state:
            raise Failed(f"a secret value is in the state: {word}")


class First:
    """The other root, which makes the bucket of the state, and is there before the estate and after it."""

    def __init__(self, folder, endpoint):
        self.stack = Stack(folder, endpoint, "dev", {})
        plugins = stack.plugin_folder()
        self.run("init", *([f"-plugin-dir={plugins}"] if plugins else []))
        self.run("apply", "-auto-approve", "-var=emulated=true")
        self.run("plan", "-detailed-exitcode", "-var=emulated=true")
        said = json.loads(self.stack.run("-chdir=bootstrap", "output", "-json", quiet=True).stdout)
        self.bucket, self.key_arn = said["bucket"]["value"], said["key_arn"]["value"]

    def run(self, command, *arguments):
        self.stack.run("-chdir=bootstrap", command, "-no-color", *arguments)

    def destroy(self):
        self.run("destroy", "-auto-approve", "-var=emulated=true")


def optional(first, endpoint):
    """What is off unless it is said: names of one's own, the roles of workflows, the pipeline."""
    walk.client(endpoint, "route53").create_hosted_zone(Name="example.org", CallerReference="1")
    return {
        "domain_name": "example.org",
        "github_repo": "acme/estate",
        "github_connection_arn": "arn:aws:codeconnections:us-east-1:123456789012:connection/00000000-0000-0000-0000-000000000000",
        "state_bucket": first.bucket,
        "state_key_arn": first.key_arn,
    }


def mocked(folder, problems):
    """fmt, validate and `terraform test`, in a folder of their own."""
    try:
        tests = Stack(folder, "http://127.0.0.1:1", "dev", {})
        tests.run("fmt", "-check", "-recursive", "-diff", str(TERRAFORM))
        tests.init()
        tests.run("validate", "-no-color")
        done = tests.run("test", "-no-color", limit=480)
        log(done.stdout.strip().splitlines()[-1])
        # The other root, which makes the bucket of the state.
        plugins = stack.plugin_folder()
        first = [f"-plugin-dir={plugins}"] if plugins else []
        tests.run("-chdir=bootstrap", "init", "-no-color", *first)
        tests.run("-chdir=bootstrap", "validate", "-no-color")
    except Failed as failed:
        problems.append(str(failed))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--binaries", required=True, type=pathlib.Path)
    parser.add_argument("--shape", default="dev")
    parser.add_argument("--after", type=pathlib.Path)
    arguments = parser.parse_args()
    began = time.monotonic()
    # Ended from outside, it ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    rows = tomllib.loads((TERRAFORM / "emulation.toml").read_text())
    judge_list(rows)
    judge_gates(rows)

    work = pathlib.Path(tempfile.mkdtemp(prefix="nightbell-terraform-"))
    moto, endpoint = stack.start_emulator()
    problems, first = [], None
    beside = threading.Thread(target=mocked, args=(work / "mocked", problems))
    try:
        names = re.findall(r'package\s+= "([\w-]+)"', "".join(f.read_text() for f in TERRAFORM.glob("modules/*/main.tf")))
        if arguments.shape == "prod":
            first = First(work / "first", endpoint)
            more = optional(first, endpoint)
        else:
            more = {"certificate_arn": walk.certificate(lambda service: walk.client(endpoint, service))}
        estate = Stack(work / "estate", endpoint, arguments.shape, {
            **more,
            "packages": stack.packages(work / "packages", sorted(set(names))),
            "emails": '{oncall=["you@example.org"]}',
            "mail_from": "Events <events@example.org>",
            # Off unless it is said; `terraform test` has the estate without it.
            "sign_in": json.dumps(walk.SIGN_IN),
            # What is protected could not be destroyed at the end.
            "protected": "false",
        })
        estate.init()
        if arguments.shape == "dev":
            beside.start()
        estate.apply()
        judge_replanned(rows, estate.changes(), arguments.shape)
        steps = walk.Walk(estate, endpoint, arguments.binaries)
        judge_outputs(steps.output, steps.resources)
        judge_left_out(rows, endpoint, {kind for _, kind, _ in steps.resources})
        log(f"{len(steps.resources)} resources of {len({k for _, k, _ in steps.resources})} types applied and planned again")

        while arguments.after and not arguments.after.exists():
            time.sleep(0.2)
        walked(steps, work)
        estate.destroy()
        if first:
            first.destroy()
        left = walk.left_over(endpoint)
        if left:
            raise Failed(f"left after `nightbell destroy` and `terraform destroy`: {left}")
        log("nothing is left")
        if beside.ident:
            beside.join()
        if problems:
            raise Failed("\n".join(problems))
        log(f"all of it in {time.monotonic() - began:.0f} s")
    except Failed as failed:
        print(f"FAILED: {failed}", file=sys.stderr)
        return 1
    finally:
        moto.stdin.close()
        moto.wait(10)
        shutil.rmtree(work, ignore_errors=True)
    return 0


def walked(steps, work):
    folder = steps.project(work / "project")
    steps.nightbell(folder, "check")
    services = json.loads(steps.services_json())
    steps.counter(services)
    steps.resize(services)
    steps.announcement(services)
    steps.posting(services)
    steps.alarm(services)
    # At the emulator's own pace; new alarms cannot settle without data, which 69 says.
    quotas = [f"--quota={api}=1000" for api in ("PutMetricAlarm", "PutCompositeAlarm", "DeleteAlarms", "PutDashboard", "DeleteDashboards")]
    steps.nightbell(folder, "apply", "--yes", "--no-wait", *quotas, expect=69)
    alarms = walk.left_over(steps.endpoint).get("alarms", [])
    if len(alarms) < 10:
        raise Failed(f"`nightbell apply` made {alarms}")
    log(f"nightbell keeps {len(alarms)} alarms on what Terraform made")
    if services.get("host"):
        steps.signed_in(folder)
        steps.daemon(services, folder)
    steps.nightbell(folder, "destroy", "--yes", *quotas)
    alarms = walk.left_over(steps.endpoint).get("alarms", [])
    if alarms != [f"{steps.output['estate']}-heartbeat"]:
        raise Failed(f"after `nightbell destroy` there are {alarms}")


if __name__ == "__main__":
    sys.exit(main())
