#!/usr/bin/env bash
# Runs every test: installs what is missing, then `cargo test` with all engines required.
#
#   tests/run.sh                                          everything
#   tests/run.sh --test conformance                       arguments go to `cargo test`
#   FORMULAC_CASES=round tests/run.sh --test conformance  only cases whose name holds this text
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
"$root/tests/setup.sh"
# shellcheck disable=SC1091
. "${FORMULAC_TEST_HOME:-$root/target/test-tools}/env.sh"
export FORMULAC_REQUIRE_ENGINES=1
cd "$root"
exec cargo test --all-features "$@"
