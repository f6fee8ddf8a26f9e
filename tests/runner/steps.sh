# The steps of `tests/run`: each is named, timed and counted; the first that fails ends the run.
# Sourced by bash. `tests/runner/check.sh` tests it.

passed=0 failed=0 left_out=0 lacking=0
begun=$SECONDS
allowed=" "  # names given by --allow-missing, between spaces

# Runs a command as a step: `step NAME COMMAND...`
step() {
    local name=$1 from=$SECONDS
    shift
    printf '\n== %s\n' "$name"
    # No input: a tool that asks a question fails instead of waiting. In a subshell of its own that
    # is no condition, so that `set -e` holds inside functions that are steps.
    local code=0
    set +e
    (
        set -e
        "$@"
    ) </dev/null
    code=$?
    set -e
    if [ "$code" -ne 0 ]; then
        failed=$((failed + 1))
        printf '\nFAILED: %s (exit code %s, after %s s): %s\n' "$name" "$code" $((SECONDS - from)) "$*" >&2
        summary
        exit 1
    fi
    passed=$((passed + 1))
    printf -- '-- %s: passed in %s s\n' "$name" $((SECONDS - from))
}

# A step that needs a tool which no package registry holds: `step_with TOOL NAME COMMAND...`
# Where the tool is found the step is as any other. Where it is not, nothing is run and the run
# ends non-zero, unless --allow-missing=TOOL was given.
step_with() {
    local tool=$1
    shift
    if command -v "$tool" >/dev/null; then
        step "$@"
        return
    fi
    printf '\nNOT RUN: %s (%s is not installed)\n' "$tool" "$tool"
    left_out=$((left_out + 1))
    case $allowed in
        *" $tool "*) ;;
        *)
            lacking=$((lacking + 1))
            printf 'install %s, or allow this with --allow-missing=%s\n' "$tool" "$tool" >&2
            ;;
    esac
}

# The closing lines; fails when a needed tool was missing and that was not allowed.
summary() {
    local took=$((SECONDS - begun))
    printf '\n%s passed, %s failed, %s not run; %s min %02d s\n' \
        "$passed" "$failed" "$left_out" $((took / 60)) $((took % 60))
    [ "$failed" -eq 0 ] && [ "$lacking" -eq 0 ]
}
