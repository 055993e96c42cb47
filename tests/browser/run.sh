#!/usr/bin/env bash
# Tests of the conformance server with the npm SockJS client: ./run.sh [RUNTIME] [node --test options or files…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

export SOCKJS_RUNTIME="${1:-tokio}"
shift || true

if [[ ! -x /usr/bin/chromium ]]; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq
  apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi

# npm writes node_modules/.package-lock.json at the end of every installation.
if [[ ! node_modules/.package-lock.json -nt package-lock.json ]]; then
  npm ci --silent
fi

if [[ -z "${SOCKJS_URL:-}" ]]; then
  root="$(cd ../.. && pwd)"
  export SOCKJS_SERVER="${SOCKJS_SERVER:-${CARGO_TARGET_DIR:-$root/target}/release/conformance-server}"
  if [[ ! -x "$SOCKJS_SERVER" ]]; then
    echo "run.sh: no $SOCKJS_SERVER: run \`cargo build --release -p sockjs-tests\` first" >&2
    exit 1
  fi
fi

# A file is a process with a server and browser of its own, and runs its tests side by side: two such files at once only
# compete for the processors.
run() {
  node --test --test-reporter=spec --test-concurrency=1 "$@"
}

if (($# > 0)); then
  run "$@"
  exit
fi

# Under Node the tests wait for a heartbeat, and hardly for a processor: beside the others.
beside="$(mktemp)"
trap 'rm -f "$beside"' EXIT
run node.test.mjs >"$beside" 2>&1 &
under_node=$!
status=0
mapfile -t pages < <(ls -- *.test.mjs | grep -v '^node\.')
run "${pages[@]}" || status=$?
wait "$under_node" || status=$?
cat "$beside"
exit "$status"
