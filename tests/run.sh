#!/usr/bin/env bash
# Runs every test: installs missing tools, then `cargo test` with all engines required, then pytest.
#
#   tests/run.sh                                          everything, with the tests of the Python package
#   tests/run.sh --test conformance                       arguments go to `cargo test`; nothing else is tested
#   FORMULAC_CASES=round tests/run.sh --test conformance  only cases whose name holds this text
#   PROPTEST_RNG_SEED=$RANDOM tests/run.sh                other random cases than every run has
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
"$root/tests/setup.sh"
# shellcheck disable=SC1091
. "${FORMULAC_TEST_HOME:-$root/target/test-tools}/env.sh"
export FORMULAC_REQUIRE_ENGINES=1
# A run can be repeated: random cases are the same ones, until somebody asks for others.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-20261121}
cd "$root"
status=0
cargo test --all-features "$@" || status=$?
case $* in '' | --no-fail-fast) bindings/python/test.sh || status=$? ;; esac
exit $status
