#!/usr/bin/env bash
# The resize workload beside sharp, interleaved on one machine: images a second, CPU, memory, bytes,
# quality. Installs what it needs into the build folder; see README.md beside it.
#
#   src/resize/benches/peers/run.sh [ROUNDS]
set -euo pipefail
cd "$(dirname "$0")/../../../.."
rounds=${1:-2}
here=$PWD/src/resize/benches/peers
target="${CARGO_TARGET_DIR:-$PWD/target}"
work="$target/resize-peers"
mkdir -p "$work"

if [ ! -e "$work/corpus/CORPUS.sha256" ]; then
    python3 -m venv "$work/venv"
    "$work/venv/bin/pip" install --quiet --disable-pip-version-check numpy pillow scikit-image scikit-learn
    "$work/venv/bin/python" "$here/corpus.py" "$work/corpus"
fi
if [ ! -d "$work/node_modules/sharp" ]; then
    npm install --prefix "$work" --no-audit --no-fund --loglevel=error sharp@0.35.5
fi
cp "$here/sharp.mjs" "$work/sharp.mjs"
python="$work/venv/bin/python"

# The two builds of ours: Rust and a C compiler alone, and libjpeg-turbo.
build() {
    cargo bench --quiet -p resize "${@:2}" --bench images --no-run --message-format=json |
        "$python" -c 'import json, sys
for line in sys.stdin:
    message = json.loads(line)
    if message.get("executable") and message["target"]["name"] == "images":
        print(message["executable"])' | while read -r built; do cp "$built" "$work/$1"; done
}
build pure
build turbo --features turbo

for round in $(seq "$rounds"); do
    echo "# round $round, two in flight"
    node "$work/sharp.mjs" "$work/corpus" cascade jpeg 2 2
    "$work/turbo" --corpus "$work/corpus" --in-flight 2 --rounds 2
    "$work/pure" --corpus "$work/corpus" --in-flight 2 --rounds 2
done
echo '# one in flight'
node "$work/sharp.mjs" "$work/corpus" cascade jpeg 1 1
"$work/turbo" --corpus "$work/corpus" --in-flight 1 --rounds 1
"$work/pure" --corpus "$work/corpus" --in-flight 1 --rounds 1

echo '# quality, against a full decode by Pillow with Lanczos, lossless'
[ -d "$work/reference" ] || { mkdir -p "$work/reference" && "$python" "$here/pillow.py" "$work/corpus" full ref 1 1 "$work/reference"; }
for peer in sharp turbo pure; do
    rm -rf "${work:?}/$peer-out"
    mkdir -p "$work/$peer-out"
done
node "$work/sharp.mjs" "$work/corpus" cascade jpeg 1 1 "$work/sharp-out"
"$work/turbo" --corpus "$work/corpus" --dump "$work/turbo-out"
"$work/pure" --corpus "$work/corpus" --dump "$work/pure-out"
"$python" "$here/quality.py" "$work/reference" "$work/sharp-out" "$work/turbo-out" "$work/pure-out"
