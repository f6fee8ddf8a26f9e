#!/bin/sh
# Makes the Python environment of the AWS tests under the ignored build folder: target/aws-venv.
# Does nothing when it is already there with these very requirements.
set -eu
cd "$(dirname "$0")/../.."
venv=target/aws-venv
if cmp -s tests/aws/requirements.txt "$venv/requirements.txt"; then
    exit 0
fi
python3 -m venv --clear "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes \
    -r tests/aws/requirements.txt
# Copied last, so that an installation that broke off is begun again.
cp tests/aws/requirements.txt "$venv/requirements.txt"
