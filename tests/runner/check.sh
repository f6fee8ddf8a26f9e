#!/usr/bin/env bash
# Tests tests/runner/steps.sh: what a run prints and how it ends.
set -euo pipefail
cd "$(dirname "$0")"

# check NAME CODE TEXT SCRIPT: the script, run with the steps at hand, ends with that code and says that text.
check() {
    local name=$1 code=$2 text=$3 script=$4 said ended=0
    said=$(bash -c "set -euo pipefail; . ./steps.sh; $script" 2>&1) || ended=$?
    if [ "$ended" -ne "$code" ] || [[ $said != *"$text"* ]]; then
        printf '%s: expected code %s and "%s", got code %s and:\n%s\n' "$name" "$code" "$text" "$ended" "$said" >&2
        exit 1
    fi
}

check 'steps that pass are counted' 0 '2 passed, 0 failed, 0 not run' 'step a true; step b true; summary'
check 'the first that fails ends the run' 1 '1 passed, 1 failed, 0 not run' 'step a true; step b false; step c true; summary'
check 'a failure names its step and its command' 1 'FAILED: b (exit code 3' 'step b bash -c "exit 3"'
check 'a function fails at its first command that fails' 1 'FAILED: f' 'f() { false; true; }; step f f'
check 'a step reads no input' 1 'FAILED: a' 'step a read -r line; summary'
check 'a missing tool is said' 1 'NOT RUN: no-such-tool' 'step_with no-such-tool a true; summary'
check 'a missing tool fails only the end' 1 '1 passed, 0 failed, 1 not run' 'step_with no-such-tool a true; step b true; summary'
check 'a missing tool can be allowed' 0 '1 passed, 0 failed, 1 not run' 'allowed=" x no-such-tool "; step_with no-such-tool a true; step b true; summary'
check 'allowing one allows no other' 1 'NOT RUN: no-such-tool' 'allowed=" no-such "; step_with no-such-tool a true; summary'
check 'a tool that is there is needed although it may be missing' 1 'FAILED: a' 'allowed=" sh "; step_with sh a false; summary'
