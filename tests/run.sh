#!/usr/bin/env bash
# Runs every test: installs missing tools, then `cargo test` with all engines required, then pytest.
#
#   tests/run.sh                                          every test, with those of the Python package
#   tests/run.sh --full                                   the same with some four times as many random cases, others each day
#   tests/run.sh --test conformance                       arguments go to `cargo test`; nothing else is tested
#   FORMULAC_CASES=round tests/run.sh --test conformance  only cases whose name holds this text
#   PROPTEST_RNG_SEED=$RANDOM tests/run.sh                other random cases than every run has
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
full=
if [ "${1-}" = --full ]; then
    full=1
    shift
fi
"$root/tests/setup.sh"
# shellcheck disable=SC1091
. "${FORMULAC_TEST_HOME:-$root/target/test-tools}/env.sh"
export FORMULAC_REQUIRE_ENGINES=1
# A run can be repeated: random cases are the same ones, until somebody asks for others.
if [ "$full" ]; then
    export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-$(date +%Y%m%d)} FORMULAC_SEED=${FORMULAC_SEED:-$(date +%j | sed 's/^0*//')}
    echo "tests/run.sh: PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED FORMULAC_SEED=$FORMULAC_SEED repeat this run" >&2
else
    export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-20261121}
    # How many random cases there are; without these variables, as with `--full`, there are as many as the tests say.
    export FORMULAC_FORMULAS=${FORMULAC_FORMULAS:-6000} FORMULAC_METAMORPHIC=${FORMULAC_METAMORPHIC:-5000}
    export FORMULAC_RANDOM_SPECS=${FORMULAC_RANDOM_SPECS:-1500} FORMULAC_RANDOM_SHEETS=${FORMULAC_RANDOM_SHEETS:-1500}
    export FORMULAC_SYNC_CASES=${FORMULAC_SYNC_CASES:-3000} FORMULAC_OMNI_CASES=${FORMULAC_OMNI_CASES:-3000}
fi
cd "$root"
status=0
cargo test --all-features "$@" || status=$?
case $* in '' | --no-fail-fast) bindings/python/test.sh || status=$? ;; esac
exit $status
