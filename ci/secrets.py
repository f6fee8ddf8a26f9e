#!/usr/bin/env python3
"""Looks for secrets: in what is staged (--staged), or in every commit of the history.

    python3 ci/secrets.py [--staged] [--sarif FILE]

A finding is a private key, or a text that has the shape of a credential of AWS, GitHub, OpenAI, Slack, or
of a password in an address. What is documented as an example is not one. Ends with 1 on a finding, and never
prints what it found: place and kind are enough to look.
"""

import json
import pathlib
import re
import subprocess
import sys

KINDS = {
    "private key": re.compile(r"-----BEGIN (?:RSA |EC |OPENSSH |DSA |PGP )?PRIVATE KEY(?: BLOCK)?-----\n?[A-Za-z0-9+/=\s]{40,}"),
    "AWS access key": re.compile(r"\b(?:AKIA|ASIA)(?!IOSFODNN7EXAMPLE)[A-Z0-9]{16}\b"),
    "AWS secret key": re.compile(r"(?i)aws_secret_access_key[\"'\s:=]{1,5}(?!.{0,40}EXAMPLE)[A-Za-z0-9/+]{40}\b"),
    "GitHub token": re.compile(r"\b(?:ghp|gho|ghs|ghu|ghr)_[A-Za-z0-9]{36}\b|\bgithub_pat_[A-Za-z0-9_]{60,}\b"),
    "OpenAI key": re.compile(r"\bsk-(?:proj-)?[A-Za-z0-9]{32,}\b"),
    "Slack token": re.compile(r"\bxox[abprs]-[0-9]{6,}-[A-Za-z0-9-]{10,}\b"),
    "password in an address": re.compile(r"\b(?:https?|postgres|mysql|redis|amqp)://[\w.-]+:(?!(?:password|secret|\$|\{|x\b|test\b))[^@/\s\"'<>]{6,}@[\w.-]+"),
}
# Keys that tests make up, by file and kind; each is worthless by what the file says about it.
KNOWN = {}


def git(*arguments):
    return subprocess.run(["git", *arguments], check=True, capture_output=True).stdout


def findings(text):
    """(line, kind) of each."""
    for kind, pattern in KINDS.items():
        for found in pattern.finditer(text):
            yield text.count("\n", 0, found.start()) + 1, kind


def staged():
    for name in git("diff", "--cached", "--name-only", "--diff-filter=ACM", "-z").decode().split("\0"):
        if name:
            yield name, "staged", git("show", f":{name}").decode(errors="ignore")


def history():
    """Every version of every file, once; (path, commit or blob, text)."""
    listed = git("rev-list", "--objects", "--all").decode(errors="ignore").splitlines()
    names = dict(line.split(" ", 1) for line in listed if " " in line)
    reader = subprocess.Popen(["git", "cat-file", "--batch"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    for blob, name in names.items():
        reader.stdin.write(f"{blob}\n".encode())
        reader.stdin.flush()
        head = reader.stdout.readline().split()
        body = reader.stdout.read(int(head[2]))
        reader.stdout.read(1)
        if head[1] == b"blob" and b"\0" not in body[:8000]:
            yield name, blob[:12], body.decode(errors="ignore")
    reader.stdin.close()
    reader.wait()


def sarif(found):
    rules = [{"id": kind, "properties": {"security-severity": "9.0"}} for kind in KINDS]
    results = [{
        "ruleId": kind, "level": "error", "message": {"text": f"{kind} ({where})"},
        "locations": [{"physicalLocation": {"artifactLocation": {"uri": name}, "region": {"startLine": line}}}],
    } for name, where, line, kind in found]
    return {"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
            "runs": [{"tool": {"driver": {"name": "nightbell-secrets", "rules": rules}}, "results": results}]}


def main():
    texts = staged() if "--staged" in sys.argv else history()
    found = [(name, where, line, kind) for name, where, text in texts for line, kind in findings(text) if kind not in KNOWN.get(name, ())]
    if "--sarif" in sys.argv:
        pathlib.Path(sys.argv[sys.argv.index("--sarif") + 1]).write_text(json.dumps(sarif(found)))
    for name, where, line, kind in found:
        print(f"{name}:{line} ({where}): {kind}", file=sys.stderr)
    print(f"{len(found)} secrets")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
