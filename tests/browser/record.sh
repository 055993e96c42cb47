#!/usr/bin/env bash
# Records what the conformance server is told by sockjs-client in Chromium, for `cargo test --test traces`.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"

mkdir -p ../traces
export SOCKJS_RECORD="$PWD/../traces/chromium.trace"
# A few of each transport: enough of a browser's ways, and few enough for a file to be kept.
exec ./run.sh tokio --test-name-pattern='idle|unpaired|hears of|gets what|closes by itself' same-origin.test.mjs
