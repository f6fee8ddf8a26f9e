#!/usr/bin/env python3
"""`nightbell test` beside `promtool test rules` on the same shape, in one run.

Usage: promtool.py NIGHTBELL PROMTOOL [--alarms N] [--days N] [--rounds N] [--at-least RATIO]

Writes the same seeded series for both (one-minute samples: a daily wave, noise, spikes, 1 % of
them missing), runs the two in turn, and prints the CPU seconds of each round and the ratio of the
least ones. Each alarm is on the average of five minutes, judged every minute, and has to hold for a
while:

  promtool   avg_over_time(m{i="k"}[5m]) > 80, for: 10m
  nightbell  Average over 5m > 80, 3 of 3

The two languages differ, so their states are not compared. The last hours are calm, and both assert
that nothing fires at the end; a run in which that fails ends this with 1, as a ratio below
--at-least does.
"""

import argparse
import json
import math
import os
import random
import subprocess
import sys
import tempfile


def series(alarms, days):
    generator = random.Random(20260101)
    for _ in range(alarms):
        phase = generator.random() * 2 * math.pi
        values, spike = [], 0
        for minute in range(days * 1440):
            calm = minute >= days * 1440 - 240
            if not calm and generator.random() < 0.0005:
                spike = 30
            value = 40 + 15 * math.sin(minute / 229.18 + phase) + generator.gauss(0, 4)
            value += 40 if spike and not calm else 0
            spike = max(0, spike - 1)
            values.append("_" if generator.random() < 0.01 else f"{value:.2f}")
        yield " ".join(values)


def write(path, lines):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def for_promtool(folder, all_values, last):
    rules, tests = ["groups:", "- name: g", "  interval: 1m", "  rules:"], []
    tests += ["rule_files: [rules.yml]", "evaluation_interval: 1m", "tests:", "- interval: 1m", "  input_series:"]
    for k, values in enumerate(all_values):
        rules += [f"  - alert: A{k}", f'    expr: avg_over_time(m{{i="{k}"}}[5m]) > 80', "    for: 10m"]
        tests += [f"  - series: 'm{{i=\"{k}\"}}'", f"    values: '{values}'"]
    tests.append("  alert_rule_test:")
    tests += [f"  - {{eval_time: {last}m, alertname: A{k}, exp_alerts: []}}" for k in range(len(all_values))]
    write(f"{folder}/rules.yml", rules)
    write(f"{folder}/test.yml", tests)


def for_nightbell(folder, all_values, last):
    # A file of ours has at most 4 MiB, so that the alarms are in several.
    size = max(1, min(20, 2_000_000 // max(len(values) for values in all_values)))
    for first in range(0, len(all_values), size):
        alarms = ["defaults: { service: peer, severity: info }", "alarms:"]
        tests = [f"alarms: [peer-{first}.yaml]", "tests:", f"  - name: peer {first}", "    series:"]
        expect = ["    expect:"]
        for k, values in list(enumerate(all_values))[first : first + size]:
            metric = f'namespace: Peer, name: m, dimensions: {{ i: "{k}" }}'
            alarms += [
                f"  - name: a{k}",
                f"    metric: {{ {metric}, stat: Average, period: 5m }}",
                '    threshold: "> 80"',
                "    datapoints: 3",
            ]
            tests += [f"      - metric: {{ {metric} }}", f'        values: "{values}"']
            expect.append(f"      - {{ at: {last}m, alarm: a{k}, state: OK }}")
        write(f"{folder}/alarms/peer-{first}.yaml", alarms)
        write(f"{folder}/alarms/peer-{first}.test.yaml", tests + expect + [f"    until: {last}m"])
    project = ["estate: peer", "region: us-east-1", "services: { peer: {} }", "metrics: { Peer: [m] }"]
    write(f"{folder}/nightbell.yaml", project)
    for name in ("dashboards", "runbooks"):
        os.makedirs(f"{folder}/{name}", exist_ok=True)


def run(command, folder):
    """CPU seconds, the most memory in MiB; a failing run ends this."""
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode != 0:
            said.seek(0)
            sys.exit(f"{command[0]} ended with {child.returncode}:\n{said.read()[-2000:].decode(errors='replace')}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("nightbell", type=os.path.abspath)
    parser.add_argument("promtool", type=os.path.abspath)
    parser.add_argument("--alarms", type=int, default=100)
    parser.add_argument("--days", type=int, default=7)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--at-least", type=float, default=0.0)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        all_values = list(series(asked.alarms, asked.days))
        last = asked.days * 1440
        for_promtool(f"{folder}/promtool", all_values, last - 1)
        for_nightbell(f"{folder}/nightbell", all_values, last)
        commands = {
            "nightbell": [asked.nightbell, "test", "--quiet"],
            "promtool": [asked.promtool, "test", "rules", "test.yml"],
        }
        least = {}
        for turn in range(asked.rounds):
            for name in sorted(commands, reverse=turn % 2 == 1):
                cpu, memory = run(commands[name], f"{folder}/{name}")
                print(f"round {turn + 1}  {name:<10} {cpu:8.2f} CPU s  {memory:7.0f} MiB", flush=True)
                least[name] = min(cpu, least.get(name, cpu))
    ratio = least["promtool"] / max(least["nightbell"], 0.001)
    evaluations = asked.alarms * last
    print(f"{asked.alarms} alarms x {asked.days} days, {evaluations} evaluations: promtool takes {ratio:.0f} times the CPU of nightbell")
    print(json.dumps({"alarms": asked.alarms, "days": asked.days, "cpu_s": least, "ratio": round(ratio, 1)}))
    return 0 if ratio >= asked.at_least else 1


if __name__ == "__main__":
    sys.exit(main())
