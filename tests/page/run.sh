#!/bin/sh
# Tests the impact page in Debian's Chromium: its contents, mouse and keyboard, and screenshots. It takes about 15 s after
# the build, and is not part of tests/run.sh, because it needs a browser (apt-get install chromium nodejs npm).
#
#     tests/page/run.sh            pictures are left in target/page/
set -eu
cd "$(dirname "$0")/../.."
: "${FORMULAC:=target/debug/formulac}"
[ -x "$FORMULAC" ] || cargo build --all-features --bin formulac
work=target/page
mkdir -p "$work"
cp tests/page/package.json tests/page/package-lock.json "$work"
[ -d "$work/node_modules/playwright-core" ] || npm ci --silent --no-audit --no-fund --prefix "$work"
cp tests/page/page.mjs "$work"
FORMULAC="$(realpath "$FORMULAC")" node "$work/page.mjs" "$(pwd)" "$(realpath "$work")"
