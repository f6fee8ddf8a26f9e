#!/usr/bin/env bash
# Tests what pipelines call, with stand-ins of aws, terraform, docker, curl and nightbell that write down how
# they were called. Needs bash and python3.
set -euo pipefail
cd "$(dirname "$0")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/bin"
# Python itself, not a wrapper that puts its own tools in front of the stand-ins.
ln -s "$(python3 -c 'import sys; print(sys.executable)')" "$work/bin/python3"

# A stand-in: says what it was asked, then answers by the first pattern of $work/answers that fits.
for tool in aws terraform docker curl nightbell; do
    cat >"$work/bin/$tool" <<'STAND_IN'
#!/usr/bin/env bash
asked="$(basename "$0") $*"
printf '%s\n' "$asked" >>"$STAND_INS/asked"
# A file that it is given is gone when the script ends.
for word in "$@"; do if [[ $word == file://*.json ]]; then cat "${word#file://}" >>"$STAND_INS/files" && echo >>"$STAND_INS/files"; fi; done
while IFS='|' read -r pattern code answer; do
    if [[ $asked =~ $pattern ]]; then
        printf '%b' "$answer"
        exit "$code"
    fi
done <"$STAND_INS/answers"
STAND_IN
    chmod +x "$work/bin/$tool"
done
export STAND_INS=$work PATH="$work/bin:$PATH" STATE_BUCKET=states NIGHTBELL_TOKEN=t POLL=0 SMOKE_TRIES=1
passed=0
# check NAME CODE COMMAND...: it ends with the code; what was asked is in $work/asked.
check() {
    local name=$1 code=$2 ended=0
    shift 2
    : >"$work/asked"
    "$@" >"$work/said" 2>&1 || ended=$?
    if [ "$ended" -ne "$code" ]; then
        printf '%s: expected %s, ended with %s\n' "$name" "$code" "$ended" >&2
        cat "$work/said" "$work/asked" >&2
        exit 1
    fi
    passed=$((passed + 1))
}
asked() { # PATTERN: the last command asked this
    grep -Eq -- "$1" "$work/asked" || {
        printf 'nobody asked: %s\n' "$1" >&2
        cat "$work/asked" >&2
        exit 1
    }
}
never() {
    if grep -Eq -- "$1" "$work/asked"; then
        printf 'somebody asked: %s\n' "$1" >&2
        exit 1
    fi
}

# A bare service, so that the smoke test has something to ask.
cat >"$work/serve.py" <<'SERVE'
import http.server, json, sys
count = [0]
fall = len(sys.argv) > 1
class Handler(http.server.BaseHTTPRequestHandler):
    def answer(self, status, body=None, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers: self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
    def do_GET(self):
        if self.path == "/count":
            count[0] += -1 if fall else 1
            return self.answer(200, {"count": count[0]}, [("Access-Control-Allow-Origin", "*")])
        if self.path.startswith("/short/"): return self.answer(302, None, [("Location", "/x")])
        if "/admin/" in self.path: return self.answer(401)
        self.answer(200, {"events": [], "images": []})
    def do_POST(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if self.path == "/upload": return self.answer(201, {"id": "i", "short_url": "http://x/short/c", "owner_token": "t"})
        self.answer(401)
    def do_DELETE(self): self.answer(200)
    def log_message(self, *_): pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(server.server_port, flush=True)
server.serve_forever()
SERVE
served() { # [fall]: starts it; its address is in $address
    exec 3< <(exec python3 "$work/serve.py" "$@")
    server=$!
    read -r port <&3
    address=http://127.0.0.1:$port
}
output() { # HOST
    cat <<JSON
{"functions": {"value": ["f", "g"]}, "daemon_host": {"value": $1}, "estate": {"value": "acme-dev"}, "region": {"value": "eu-west-1"},
 "console_url": {"value": null}, "image_tag": {"value": "before"}, "image_repository": {"value": "1.dkr.ecr/acme"}, "group": {"value": "asg"},
 "sites": {"value": {"counter": "$address", "resize": "$address", "announcement": "$address", "posting": "$address"}},
 "distribution_ids": {"value": {"counter": "E1", "resize": "E2", "announcement": "E3", "posting": "E4"}}, "origin_secret": {"value": "acme-dev/origin"},
 "bucket_names": {"value": {"counter_site": "c", "resize_site": "r", "announcement_site": "a", "posting_site": "p", "sources": "s"}},
 "services": {"value": "\"counter\":\n  \"function\": \"f\"\n"}}
JSON
}

# --- The smoke test ---
served
check 'an estate that works' 0 env COUNTER_URL="$address" RESIZE_URL="$address" ANNOUNCEMENT_URL="$address" POSTING_URL="$address" tests/smoke/run
check 'addresses come from Terraform, too' 0 bash -c "tests/smoke/run <<<'$(output false | tr -d '\n')'"
check 'nobody answers' 1 env COUNTER_URL=http://127.0.0.1:9 tests/smoke/run
kill "$server"
served fall
check 'a count that falls' 1 env COUNTER_URL="$address" tests/smoke/run
grep -q 'the count fell' "$work/said"
kill "$server"

# --- The project file of a deployed estate ---
served
output true >"$work/output.json"
check 'a project file is made' 0 bash -c "terraform/deploy/project '$work/estate' --remote <'$work/output.json'"
grep -q '^estate: acme-dev$' "$work/estate/nightbell.yaml"
grep -q '^actions: none$' "$work/estate/nightbell.yaml"
grep -q 's3://s/alarms' "$work/estate/nightbell.yaml"
[ "$(grep -c '^estate:' "$work/estate/nightbell.yaml")" = 1 ]
output false >"$work/output.json"
check 'without a daemon alarms act directly' 0 bash -c "terraform/deploy/project '$work/estate' <'$work/output.json'"
grep -q '^actions: direct$' "$work/estate/nightbell.yaml"

# --- Signing in ---
check 'nobody is signed in unless it is said' 0 bash -c "terraform/deploy/sign-in <'$work/output.json'"
never .
signed_in() { # the same estate with sign_in
    output true | python3 -c 'import json, sys; said = json.load(sys.stdin); said["sign_in"] = {"value": json.loads(sys.argv[1])}; print(json.dumps(said))' \
        '{"listener_arn": "arn:l", "secret": "acme-dev/sign-in", "redirect_url": "https://c/oauth2/idpresponse", "issuer": "https://i", "client": "it", "claim": "groups", "roles": {"viewer": ["*"], "admin": ["a: b"]}}'
}
signed_in >"$work/signed.json"
check 'the project file says who counts' 0 bash -c "terraform/deploy/project '$work/signed' --remote <'$work/signed.json'"
grep -Fqx 'sign_in: {"load_balancer": "${host.load_balancer_arn}", "issuer": "https://i", "client": "it", "claim": "groups", "roles": {"viewer": ["*"], "admin": ["a: b"]}}' "$work/signed/nightbell.yaml"
oidc='{"Type": "authenticate-oidc", "Order": 1, "AuthenticateOidcConfig": {"ClientId": "it"}}, {"Type": "forward", "Order": 2}'
printf '%s\n' 'get-secret-value|0|{"SecretString": "hush\\n"}' "describe-listeners|0|{\"Listeners\": [{\"DefaultActions\": [$oidc]}]}" \
    "describe-rules|0|{\"Rules\": [{\"RuleArn\": \"arn:open\", \"IsDefault\": false, \"Actions\": [{\"Type\": \"forward\"}]}, {\"RuleArn\": \"arn:programs\", \"IsDefault\": false, \"Actions\": [$oidc]}, {\"RuleArn\": \"arn:last\", \"IsDefault\": true, \"Actions\": [$oidc]}]}" \
    >"$work/answers"
check 'the secret goes to the balancer' 0 bash -c "terraform/deploy/sign-in <'$work/signed.json'"
asked 's3 cp --quiet .*nightbell.yaml s3://s/nightbell.yaml'
asked 'modify-listener --listener-arn arn:l --default-actions file://'
asked 'modify-rule --rule-arn arn:programs --actions file://'
never 'arn:open|arn:last|hush'
[ "$(grep -c '"ClientSecret": "hush"' "$work/files")" = 2 ]
if grep -q hush "$work/said"; then echo 'the secret is printed' >&2 && exit 1; fi
printf '%s\n' 'get-secret-value|254|' >"$work/answers"
check 'without a value it says what to do' 0 bash -c "terraform/deploy/sign-in <'$work/signed.json'"
grep -q 'put-secret-value --secret-id acme-dev/sign-in' "$work/said"
never 'modify-'
printf '%s\n' 'get-secret-value|0|{"SecretString": "hush"}' 'describe-listeners|0|{"Listeners": [{"DefaultActions": [{"Type": "forward"}]}]}' 'describe-rules|0|{"Rules": []}' >"$work/answers"
check 'a balancer that signs nobody in is no success' 1 bash -c "terraform/deploy/sign-in <'$work/signed.json'"

# --- What is live ---
printf '%s\n' 'get-alias.* f |0|3\n' 'get-alias.* g |0|5\n' 'list-versions|0|7\n' >"$work/answers"
check 'aliases move to the newest version' 0 bash -c "terraform/deploy/functions live '$work/live' <'$work/output.json'"
asked 'update-alias --function-name f .*--function-version 7'
[ "$(cat "$work/live")" = $'f 3\ng 5' ]
check 'and back' 0 terraform/deploy/functions back "$work/live"
asked 'update-alias --function-name g .*--function-version 5'
check 'words that are none' 64 terraform/deploy/functions sideways "$work/live"

# --- The origin's header ---
printf '%s\n' 'get-distribution-config|0|{"ETag": "e", "DistributionConfig": {"Origins": {"Items": [{"Id": "pages"}, {"Id": "api"}]}}}' >"$work/answers"
check 'the header is new at both ends' 0 bash -c "terraform/deploy/origin-header <'$work/output.json'"
asked 'put-secret-value --secret-id acme-dev/origin --secret-string file://'
asked 'update-distribution --id E4 --if-match e'

# --- A deployment ---
fresh() { # an answer for Terraform's output, then what comes before the others
    printf '%s\n' "$@" "terraform .*output -json|0|$(output true | tr -d '\n' | sed 's/\\/\\\\/g')" \
        'get-alias|0|1\n' 'list-versions|0|2\n' 'describe-instance-refreshes|0|Successful\n' 'describe-images|0|' >"$work/answers"
    printf 'image' >"$work/image.tar"
}
fresh 's3 cp .*manifest .*before|1|'
check 'a commit is brought out' 0 ci/deploy dev abc nightbell
asked 'terraform -chdir=terraform apply .*image_tag=abc'
asked 'update-alias .*--function-version 2'
asked 's3 sync .*alarms s3://s/alarms'
asked 'plan --detailed-exitcode'
never 'image_tag=before'
fresh 'describe-instance-refreshes|0|RollbackSuccessful\n'
check 'instances that do not come up take everything back' 1 ci/deploy dev abc nightbell
asked 'image_tag=before'
asked 'update-alias .*--function-version 1$|update-alias .*--function-version 1 '
kill "$server"
served fall
fresh 's3 cp .*manifest .*before|1|'
check 'a path that does not work takes everything back' 1 ci/deploy dev abc nightbell
asked 'image_tag=before'
kill "$server"

# --- The comment ---
served
printf '%s\n' 'show -no-color|0|Plan: 1 to add, 0 to change, 0 to destroy.\n' "output -json|0|$(output true | tr -d '\n' | sed 's/\\/\\\\/g')" \
    'show -json|0|{"values": {"root_module": {}}}\n' 'nightbell cost|0|in all $5.00\n' 'nightbell .*plan --markdown|0|**1 to create**\n' >"$work/answers"
check 'a plan becomes a comment' 0 env NIGHTBELL=nightbell ci/plan dev "$work/comment.md"
grep -q 'Plan: 1 to add' "$work/comment.md"
grep -q 'in all \$5.00' "$work/comment.md"
grep -q '1 to create' "$work/comment.md"
asked 'cost .*--before'
sed -i 's/nightbell cost|0/nightbell cost|1/' "$work/answers"
check 'a price over the policy fails, and is told' 1 env NIGHTBELL=nightbell ci/plan dev "$work/comment.md"
kill "$server"

# --- The image ---
: >"$work/answers"
check 'an image that is there stays' 0 ci/image push image.tar 1.dkr.ecr/acme abc
never 'docker push'
printf 'describe-images|1|\n' >"$work/answers"
check 'a new one is pushed under its commit' 0 ci/image push image.tar 1.dkr.ecr/acme abc
asked 'docker push 1.dkr.ecr/acme:abc'

# --- A function's package ---
head -c 100000 /bin/sh >"$work/binary"
check 'a binary is packed' 0 terraform/deploy/pack "$work/binary" "$work/one.zip"
check 'the same bytes make the same package' 0 terraform/deploy/pack "$work/binary" "$work/two.zip"
cmp "$work/one.zip" "$work/two.zip"
check 'Lambda can run what is in it' 0 python3 - "$work/one.zip" "$work/binary" <<'LOOK'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as package:
    entry, = package.infolist()
    assert package.testzip() is None and package.read(entry) == open(sys.argv[2], "rb").read()
    assert (entry.filename, entry.external_attr >> 16, entry.create_system) == ("bootstrap", 0o100755, 3), entry
LOOK
# The tables of unwinding are blanked, and a program that does not unwind does not miss them.
check 'a program is packed' 0 terraform/deploy/pack "$(readlink -f "$(type -P true)")" "$work/true.zip"
(cd "$work" && python3 -m zipfile -e true.zip . && chmod +x bootstrap)
check 'it still runs' 0 "$work/bootstrap"
check 'nothing for unwinding is left in it' 0 python3 - "$work/bootstrap" "$(readlink -f "$(type -P true)")" <<'LOOK'
import pathlib, sys
packed, program = (pathlib.Path(path).read_bytes() for path in sys.argv[1:])
different = [at for at, (one, other) in enumerate(zip(packed, program)) if one != other]
assert len(packed) == len(program) and len(different) > 500 and not any(packed[at] for at in different), len(different)
LOOK

# --- Secrets ---
git init --quiet "$work/repository"
cp ci/secrets.py "$work/secrets.py"
(
    cd "$work/repository"
    git config user.email a@example.org
    git config user.name a
    # Put together here, so that this file holds none.
    printf 'key = "AKIA%s"\n' QWERTYUIOPASDFGH >leaked.txt
    git add leaked.txt
    git commit --quiet --message one
    git rm --quiet leaked.txt
    git commit --quiet --message two
)
check 'a secret of the past is found' 1 bash -c "cd '$work/repository' && python3 '$work/secrets.py'"
grep -q 'leaked.txt:1 .*AWS access key' "$work/said"
if grep -q QWERTYUIOP "$work/said"; then echo 'the secret is printed' >&2 && exit 1; fi

# --- What changed ---
changed() { # NAME ANSWER PATH...: the next commit of the repository changes these
    (
        cd "$work/repository"
        for path in "${@:3}"; do
            mkdir -p "$(dirname "$path")"
            echo line >>"$path"
        done
        git add --all
        git commit --quiet --allow-empty --message "$1"
    )
    check "$1" 0 bash -c "cd '$work/repository' && '$PWD/ci/changes' HEAD^1"
    [ "$(cat "$work/said")" = "code=$2" ] || { printf '%s: %s\n' "$1" "$(cat "$work/said")" >&2 && exit 1; }
}
changed 'documents only' no README.md docs/deploy/a.md 'docs/with a blank.md'
changed 'a document and code' yes README.md src/main.rs
changed 'what only looks like a document' yes README.md.txt
changed 'a runbook is desired state' yes runbooks/daemon.md
changed 'nothing at all' yes
(cd "$work/repository" && git mv src/main.rs src/main.md)
changed 'code that became a document' yes
check 'a commit that is not there' 128 bash -c "cd '$work/repository' && '$PWD/ci/changes' 0000000"

printf '%s passed, 0 failed\n' "$passed"
