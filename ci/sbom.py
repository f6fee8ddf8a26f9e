#!/usr/bin/env python3
"""The list of parts, as CycloneDX 1.5, from the lock files alone: ci/sbom.py FILE"""

import json
import pathlib
import re
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent


def parts():
    lock = tomllib.loads((ROOT / "Cargo.lock").read_text())
    for package in lock["package"]:
        if "source" in package:
            yield "cargo", package["name"], package["version"], package.get("checksum"), "required"
    node = json.loads((ROOT / "tests/browser/package-lock.json").read_text())
    for path, package in node.get("packages", {}).items():
        if path:
            yield "npm", path.rpartition("node_modules/")[2], package["version"], None, "excluded"
    for file in ("tests/aws/requirements.txt", "ci/requirements-scan.txt", "ci/requirements-packaging.txt"):
        for name, version in re.findall(r"^([\w.-]+)(?:\[\w+\])?==([\w.]+)", (ROOT / file).read_text(), re.M):
            yield "pypi", name.lower(), version, None, "excluded"


def main():
    components = []
    for kind, name, version, checksum, scope in sorted(set(parts()), key=str):
        purl = f"pkg:{kind}/{name.replace('@', '%40')}@{version}"
        part = {"type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "scope": scope}
        if checksum:
            part["hashes"] = [{"alg": "SHA-256", "content": checksum}]
        components.append(part)
    version = re.search(r'^version = "([^"]+)"', (ROOT / "Cargo.toml").read_text(), re.M)
    bom = {
        "bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1,
        "metadata": {"component": {"type": "application", "name": "nightbell", "version": version[1] if version else "0"}},
        "components": components,
    }
    pathlib.Path(sys.argv[1]).write_text(json.dumps(bom, indent=1) + "\n")
    print(f"{len(components)} parts")


if __name__ == "__main__":
    main()
