"""`nightbell plan` beside `terraform plan`: the same number of unchanged alarms on the same moto, interleaved.

Run:  PYTHON tests/bench/plan.py --nightbell target/release/nightbell --terraform STACK [--plugins DIR] [--rounds 3] N
PYTHON is one with tests/aws/requirements.txt; STACK is a folder whose main.tf makes `var.n` alarms; DIR is a plugin mirror
(or TF_PLUGIN_DIR). Prints one JSON line a run: wall and CPU seconds, peak memory of the whole process tree, HTTP calls, and
moto's own time for them; then the medians and their ratios. Without --terraform only ours runs.
"""

import argparse
import collections
import json
import os
import pathlib
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request

parser = argparse.ArgumentParser()
parser.add_argument("--nightbell", required=True)
parser.add_argument("--terraform")
parser.add_argument("--plugins", default=os.environ.get("TF_PLUGIN_DIR"))
parser.add_argument("--rounds", type=int, default=3)
parser.add_argument("n", type=int)
arguments = parser.parse_args()

here = pathlib.Path(__file__).resolve().parent
moto = subprocess.Popen(
    [sys.executable, here.parent / "aws/moto_server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
)
endpoint = f"http://127.0.0.1:{moto.stdout.readline().strip()}"
work = pathlib.Path(tempfile.mkdtemp())


def environment(region):
    return dict(
        os.environ,
        AWS_ENDPOINT_URL=endpoint,
        AWS_ACCESS_KEY_ID="test",
        AWS_SECRET_ACCESS_KEY="test",
        AWS_REGION=region,
        AWS_EC2_METADATA_DISABLED="true",
        CHECKPOINT_DISABLE="1",
        TF_IN_AUTOMATION="1",
    )


def memory(root):
    """Resident KiB of a process and all that it started."""
    children = collections.defaultdict(list)
    for process in filter(str.isdigit, os.listdir("/proc")):
        try:
            stat = pathlib.Path(f"/proc/{process}/stat").read_text()
            children[int(stat.rsplit(")", 1)[1].split()[1])].append(int(process))
        except OSError:
            pass
    todo, total = [root], 0
    while todo:
        process = todo.pop()
        todo += children[process]
        try:
            status = pathlib.Path(f"/proc/{process}/status").read_text()
            total += int(re.search(r"VmRSS:\s+(\d+)", status)[1])
        except (OSError, TypeError):
            pass
    return total


def calls(method="GET"):
    request = urllib.request.Request(f"{endpoint}/nightbell/calls", method=method)
    return json.loads(urllib.request.urlopen(request).read())


def run(who, step, command, cwd, region, expect):
    calls("DELETE")
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    with open(cwd / f"{step}.log", "w") as log:
        process = subprocess.Popen(command, cwd=cwd, env=environment(region), stdout=log, stderr=subprocess.STDOUT)
        peak = 0
        while process.poll() is None:
            peak = max(peak, memory(process.pid))
            time.sleep(0.02)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    asked = calls()
    told = {
        "who": who,
        "step": step,
        "n": arguments.n,
        "wall_s": round(wall, 3),
        "cpu_s": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 3),
        "peak_mib": round(peak / 1024, 1),
        "http": sum(count for count, _ in asked.values()),
        "moto_s": round(sum(seconds for _, seconds in asked.values()), 3),
        "load": os.getloadavg()[0],
    }
    print(json.dumps(told), flush=True)
    if process.returncode != expect:
        sys.exit(f"{who} {step} ended with {process.returncode}: {(cwd / f'{step}.log').read_text()[-2000:]}")
    return told


def nightbell_project():
    cwd = work / "nightbell"
    for folder in ("alarms", "dashboards", "runbooks"):
        (cwd / folder).mkdir(parents=True)
    (cwd / "nightbell.yaml").write_text(
        "estate: bench\nregion: us-east-2\nservices: {}\nmetrics: { Bench: [Errors] }\n"
    )
    lines = ["alarms:\n"]
    for i in range(arguments.n):
        lines.append(
            f'  - {{ name: "bench-{i:05}", metric: {{ namespace: Bench, name: Errors, dimensions: {{ Service: "svc-{i:05}" }}, '
            'stat: Sum, period: 1m }, threshold: "> 10", datapoints: 3 }\n'
        )
    (cwd / "alarms/bench.yaml").write_text("".join(lines))
    return cwd


try:
    ours = nightbell_project()
    nightbell = str(pathlib.Path(arguments.nightbell).resolve())
    fast = ["--quota", "PutMetricAlarm=100000"]
    run("nightbell", "create", [nightbell, "apply", "--yes", "--no-wait", *fast], ours, "us-east-2", 0)
    peer = None
    if arguments.terraform:
        peer = work / "terraform"
        shutil.copytree(arguments.terraform, peer)
        mirror = [f"-plugin-dir={arguments.plugins}"] if arguments.plugins else []
        variable = ["-no-color", f"-var=n={arguments.n}"]
        run("terraform", "init", ["terraform", "init", "-no-color", *mirror], peer, "us-east-1", 0)
        run("terraform", "create", ["terraform", "apply", "-auto-approve", *variable], peer, "us-east-1", 0)
    told = collections.defaultdict(list)
    for _ in range(arguments.rounds):
        told["nightbell"].append(run("nightbell", "plan", [nightbell, "plan", "--detailed-exitcode"], ours, "us-east-2", 0))
        if peer:
            told["terraform"].append(
                run("terraform", "plan", ["terraform", "plan", "-detailed-exitcode", *variable], peer, "us-east-1", 0)
            )
    medians = {
        who: {key: statistics.median(one[key] for one in runs) for key in ("wall_s", "cpu_s", "peak_mib", "http", "moto_s")}
        for who, runs in told.items()
    }
    print(json.dumps({"medians": medians}))
    bound = 2 * -(-arguments.n // 100) + 20
    print(f"calls: {medians['nightbell']['http']} of at most {bound}")
    if peer:
        for key in ("wall_s", "cpu_s", "peak_mib", "http"):
            print(f"terraform / nightbell, {key}: {medians['terraform'][key] / medians['nightbell'][key]:.1f}")
finally:
    moto.stdin.close()
    moto.wait()
    shutil.rmtree(work, ignore_errors=True)
