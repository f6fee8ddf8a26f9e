"""Terraform against the emulator: a copy of terraform/ with a state of its own, and what it says."""

import json
import os
import pathlib
import shutil
import subprocess
import sys
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
REGISTRY = "registry.terraform.io"


class Failed(Exception):
    """What did not hold, in words."""


def log(words):
    print(f"{time.strftime('%H:%M:%S')} {words}", flush=True)


def plugin_folder():
    """A mirror of provider plugins, or None where Terraform finds one by itself.

    Looked for in what the environment names, then what the CLI configuration names, then Terraform's
    implied local mirrors (all three are Terraform's own business), then any folder that is called
    like the registry, near the top of the file system.
    """
    for name in ("TF_PLUGIN_DIR", "TF_PLUGIN_CACHE_DIR"):
        folder = os.environ.get(name)
        if folder and (pathlib.Path(folder) / REGISTRY).is_dir():
            return folder
    home = pathlib.Path.home()
    for settings in (os.environ.get("TF_CLI_CONFIG_FILE"), home / ".terraformrc"):
        if settings and pathlib.Path(settings).is_file() and "mirror" in pathlib.Path(settings).read_text():
            return None
    implied = [home / ".terraform.d/plugins", home / ".local/share/terraform/plugins"]
    data = os.environ.get("XDG_DATA_DIRS", "/usr/local/share:/usr/share").split(":")
    implied += [pathlib.Path(folder) / "terraform/plugins" for folder in data]
    if any((folder / REGISTRY).is_dir() for folder in implied):
        return None
    for depth in ("*", "*/*"):
        for found in pathlib.Path("/").glob(f"{depth}/{REGISTRY}"):
            return str(found.parent)
    # The registry itself, where it is reached.
    return None


class Stack:
    """One shape of the estate in one folder."""

    def __init__(self, folder, endpoint, shape, variables):
        self.folder = pathlib.Path(folder)
        shutil.copytree(
            ROOT / "terraform", self.folder, ignore=shutil.ignore_patterns(".terraform", "*.tfstate*"), dirs_exist_ok=True
        )
        # The state of a test is a file in its folder.
        (self.folder / "backend_override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
        self.variables = [f"-var-file={shape}.tfvars", "-var=emulated=true"]
        self.variables += [f"-var={name}={value}" for name, value in variables.items()]
        self.environment = dict(
            os.environ,
            AWS_ENDPOINT_URL=endpoint,
            AWS_ACCESS_KEY_ID="test",
            AWS_SECRET_ACCESS_KEY="test",
            AWS_REGION="us-east-1",
            AWS_EC2_METADATA_DISABLED="true",
            CHECKPOINT_DISABLE="1",
            TF_IN_AUTOMATION="1",
            TF_INPUT="0",
        )
        # A configuration that is named and not there is a warning in front of every answer.
        settings = os.environ.get("TF_CLI_CONFIG_FILE")
        if settings and not pathlib.Path(settings).is_file():
            del self.environment["TF_CLI_CONFIG_FILE"]

    def run(self, *arguments, expect=(0,), quiet=False, limit=600):
        began = time.monotonic()
        try:
            done = subprocess.run(
                ["terraform", *arguments], cwd=self.folder, env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                timeout=limit,
            )
        except subprocess.TimeoutExpired as late:
            raise Failed(f"terraform {' '.join(arguments)} did not end in {limit} s:\n{(late.stdout or b'').decode()[-4000:]}") from None
        if not quiet:
            log(f"terraform {arguments[0]}: {time.monotonic() - began:.0f} s")
        if done.returncode not in expect:
            raise Failed(f"terraform {' '.join(arguments)} ended with {done.returncode}:\n{done.stdout[-6000:]}\n{done.stderr[-6000:]}")
        return done

    def init(self):
        plugins = plugin_folder()
        self.run("init", "-no-color", *([f"-plugin-dir={plugins}"] if plugins else []))

    def apply(self):
        self.run("plan", "-no-color", "-out=first.plan", *self.variables)
        self.run("apply", "-no-color", "-parallelism=60", "first.plan")

    def destroy(self):
        """Takes everything away. What one try leaves a second one takes: the emulator's server sometimes closes a
        connection within an answer, and the provider gives up on that resource. The second must end well."""
        destroy = ("destroy", "-no-color", "-auto-approve", "-parallelism=60", *self.variables)
        first = self.run(*destroy, expect=(0, 1))
        if first.returncode:
            log(f"terraform destroy is tried again: {first.stderr.strip()[-600:]}")
            self.run(*destroy)

    def output(self):
        said = json.loads(self.run("output", "-json", quiet=True).stdout)
        return {name: value["value"] for name, value in said.items()}

    def resources(self):
        """(address, type, values) of all that was made."""
        said = json.loads(self.run("show", "-json", quiet=True).stdout)
        found, todo = [], [said.get("values", {}).get("root_module", {})]
        while todo:
            module = todo.pop()
            todo += module.get("child_modules", [])
            found += [(r["address"], r["type"], r["values"]) for r in module.get("resources", []) if r["mode"] == "managed"]
        return found

    def changes(self):
        """What a plan would change: {(type, attribute)} with the addresses."""
        self.run("plan", "-no-color", "-detailed-exitcode", "-out=next.plan", *self.variables, expect=(0, 2))
        said = json.loads(self.run("show", "-json", "next.plan", quiet=True).stdout)
        found = {}
        for change in said.get("resource_changes", []):
            if change["change"]["actions"] in (["no-op"], ["read"]):
                continue
            before, after = change["change"]["before"] or {}, change["change"]["after"] or {}
            unknown = change["change"].get("after_unknown") or {}
            names = [n for n in set(before) | set(after) if before.get(n) != after.get(n) and not unknown.get(n) is True]
            if change["change"]["actions"] != ["update"] or not names:
                names = ["/".join(change["change"]["actions"])] + names
            for name in names:
                found.setdefault((change["type"], name), []).append(change["address"])
        return found


def packages(folder, names):
    """Packages that hold no more than a function's name for its file: what runs in the tests is built by cargo."""
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        with zipfile.ZipFile(folder / f"{name}.zip", "w") as package:
            package.writestr(zipfile.ZipInfo("bootstrap"), f"# {name}\n")
    return folder


def start_emulator():
    process = subprocess.Popen(
        [sys.executable, HERE / "moto_estate.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    port = process.stdout.readline().strip()
    if not port:
        raise Failed("the emulator did not start; its own words stand above")
    return process, f"http://127.0.0.1:{port}"
