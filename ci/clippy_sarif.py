#!/usr/bin/env python3
"""Clippy's messages (--message-format=json on standard input) as SARIF; ends with 1 when there is one."""

import json
import sys


def main():
    results = []
    for line in sys.stdin:
        message = json.loads(line).get("message") if line.startswith("{") else None
        if not message or not message.get("code"):
            continue
        for span in (span for span in message["spans"] if span["is_primary"]):
            results.append({
                "ruleId": message["code"]["code"], "level": "error" if message["level"] == "error" else "warning",
                "message": {"text": message["message"]},
                "locations": [{"physicalLocation": {
                    "artifactLocation": {"uri": span["file_name"]},
                    "region": {"startLine": span["line_start"], "startColumn": span["column_start"]},
                }}],
            })
    json.dump({"version": "2.1.0", "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
               "runs": [{"tool": {"driver": {"name": "clippy"}}, "results": results}]}, sys.stdout)
    return 1 if results else 0


if __name__ == "__main__":
    sys.exit(main())
