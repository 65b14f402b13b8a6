#!/usr/bin/env bash
# Runs the tests. Without a task, it installs missing tools, then runs every test with all engines required, and pytest.
#
#   tests/run.sh                                          all tests, with those of the Python package
#   tests/run.sh --full                                   all cases, and at least nine times as many random cases, others each day
#   tests/run.sh --test conformance                       arguments are passed to `cargo test`; no other test runs
#   FORMULAC_CASES=round tests/run.sh --test conformance  only cases whose name contains this text
#   PROPTEST_RNG_SEED=$RANDOM tests/run.sh                other random cases than in every run
#
#   tests/run.sh fast            tests that need neither an engine nor dbt
#   tests/run.sh accept [TEST…]  accept the new snapshots of these test binaries, and write the generated docs
#   tests/run.sh docs            write the generated pages of docs/, then test the README and the manual
#   tests/run.sh fault [TEXT]    plant the faults whose name contains TEXT; a test must find each
#   tests/run.sh record          record the answers of the slow engines (tests/oracle/answers.py)
#   tests/run.sh bench           costs as multiples of lexing, with their goals
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
cd "$root"

fast=(diagnostics levels rubric merge artifacts properties)
write_docs() { FORMULAC_WRITE=1 cargo test --all-features --test conformance docs; }
# Prints `--test` before each name.
binaries() { printf -- '--test\n%s\n' "$@"; }

case ${1-} in
fast)
    mapfile -t tests < <(binaries "${fast[@]}")
    exec cargo test --all-features --lib --bins "${tests[@]}"
    ;;
accept)
    shift
    mapfile -t tests < <(binaries "${@:-diagnostics}")
    INSTA_UPDATE=always cargo test --all-features --no-fail-fast "${tests[@]}" || true
    INSTA_UPDATE=always cargo test --all-features --test conformance sql_of
    write_docs
    exec git status --short
    ;;
docs)
    write_docs
    exec cargo test --all-features --test docs
    ;;
bench)
    exec cargo bench --no-default-features --bench ratios
    ;;
esac

task=${1-}
full=
case $task in --full | fault | record) shift ;; esac
[ "$task" != --full ] || full=1
# All tests are built while the tools are installed, which mostly waits for the network.
everything=
case $task:$* in
fault:* | record:*) ;;
:"" | --full:"" | --no-fail-fast:--no-fail-fast | --full:--no-fail-fast) everything=1 ;;
esac
if [ "$everything" ]; then
    cargo test --all-features --no-run &
    build=$!
fi
"$root/tests/setup.sh"
# shellcheck disable=SC1091
. "${FORMULAC_TEST_HOME:-$root/target/test-tools}/env.sh"
[ "$task" != fault ] || exec tests/planted_faults/run.py "$@"

export FORMULAC_REQUIRE_ENGINES=1
# Runs are reproducible, because random cases are always the same unless other seeds are given.
if [ "$full" ]; then
    export FORMULAC_ANSWERS=none PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-$(date +%Y%m%d)} FORMULAC_SEED=${FORMULAC_SEED:-$(date +%j | sed 's/^0*//')}
    export PROPTEST_CASES=${PROPTEST_CASES:-600}
    echo "tests/run.sh: PROPTEST_RNG_SEED=$PROPTEST_RNG_SEED FORMULAC_SEED=$FORMULAC_SEED repeat this run" >&2
else
    # The eighth of the cases, random cases and long builds that this commit tests.
    export FORMULAC_EIGHTH=${FORMULAC_EIGHTH:-$((0x$(git rev-parse --short=7 HEAD || echo 0) % 8))}
    # Numbers of random cases. Without these variables, for example with `--full`, each test draws its default number.
    # Proptest draws other cases for each eighth.
    export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-2026112$FORMULAC_EIGHTH} PROPTEST_CASES=${PROPTEST_CASES:-60}
    export FORMULAC_SYNC_CASES=${FORMULAC_SYNC_CASES:-60} FORMULAC_OMNI_CASES=${FORMULAC_OMNI_CASES:-100}
    # A commit runs an eighth of these cases.
    export FORMULAC_FORMULAS=${FORMULAC_FORMULAS:-1200} FORMULAC_METAMORPHIC=${FORMULAC_METAMORPHIC:-600}
    export FORMULAC_RANDOM_SPECS=${FORMULAC_RANDOM_SPECS:-250} FORMULAC_RANDOM_SHEETS=${FORMULAC_RANDOM_SHEETS:-250}
    export FORMULAC_RANDOM_SETS=${FORMULAC_RANDOM_SETS:-200} FORMULAC_RULED_SPECS=${FORMULAC_RULED_SPECS:-50}
    echo "tests/run.sh: FORMULAC_EIGHTH=$FORMULAC_EIGHTH repeats this run; --full also runs the other eighths" >&2
fi
if [ "$task" = record ]; then
    export FORMULAC_RECORD=$root/target/answers
    rm -rf "$FORMULAC_RECORD"
    # All cases are recorded.
    unset FORMULAC_EIGHTH
    cargo test --all-features --test conformance --test reference --test sheets
    exec "$FORMULAC_PYTHON" tests/oracle/answers.py merge "$FORMULAC_RECORD"
fi
status=0
# Only `--full` builds the command again from the packed crates.
python=(-k "not published_crates")
[ -z "$full" ] || python=()
[ "$everything" ] || exec cargo test --all-features "$@"

# Tests that build with dbt, of `example_project` and `first_evening`. A run skips the tests that are only in other
# eighths, and prints their number as filtered out. A test on DuckDB that others resemble is in two eighths.
eighths=(
    "shop::older_dbt_versions_build_the_files_generated_for_them kinds::every_kind_of_file_follows_the_style
     story::from_omni_to_dbt_on_duckdb prove::formulas_are_proven_on_the_lowest_versions"
    "incremental::incremental_runs_equal_full_refreshes_on_postgres verify::built_models_are_verified_on_duckdb
     story::from_a_proposal_to_production_on_duckdb lending::the_first_evening_at_the_lender"
    "served::the_dbt_server_returns_the_output_of_dbt shop::models_are_added_to_a_handwritten_project_on_postgres
     drafts::drafted_unit_tests_pass_on_duckdb_and_detect_faults env_diff::what_two_environments_built_is_compared
     coffee_shop::the_first_evening_in_the_coffee_shop"
    "story::from_a_proposal_to_production_on_postgres shop::models_are_added_to_a_handwritten_project
     prove::formulas_are_proven_on_duckdb modified::irrelevant_changes_do_not_make_a_model_modified_in_dbt
     proofs::each_test_fails_on_invalid_data"
    "story::from_omni_to_dbt_on_postgres nested::a_push_lets_dbt_parse_the_whole_project
     kinds::every_kind_of_file_follows_the_style dbt_keys::dbt_reads_the_keys_of_a_spec
     prove::formulas_are_proven_on_postgres style::sqlfluff_finds_nothing"
    "incremental::incremental_runs_equal_full_refreshes_on_duckdb drafts::drafted_unit_tests_pass_on_postgres
     story::from_omni_to_dbt_on_duckdb lending::the_first_evening_at_the_lender
     proofs::every_engine_finds_the_same_rows"
    "semantic::dbt_accepts_both_formats_and_metrics_match_the_formulas dbt_builds_the_expected_tables_on_postgres
     story::from_a_proposal_to_production_on_duckdb prove::formulas_are_proven_on_the_newest_postgres
     coffee_shop::the_first_evening_in_the_coffee_shop"
    "verify::built_models_are_verified_on_postgres shop::models_are_added_to_a_handwritten_project
     knowledge::all_commands_use_the_same_facts_about_the_shop env_diff::what_two_environments_built_is_compared
     served::a_signal_ends_a_served_dbt_and_its_query"
)
skipped=()
if [ "${FORMULAC_EIGHTH-}" ]; then
    read -rd '' -a chosen <<<"${eighths[FORMULAC_EIGHTH]}" || true
    for test in $(printf '%s\n' ${eighths[*]} | sort -u); do
        [[ " ${chosen[*]} " == *" $test "* ]] || skipped+=(--skip "$test")
    done
    echo "tests/run.sh: tests in other eighths: ${skipped[*]//--skip/}" >&2
fi

# These tests and the Python tests run in parallel with all others, because dbt and single long tests leave a core idle. Their output is printed last.
first=(example_project first_evening decompile properties sync)
mapfile -t others < <(sed -n '/^\[\[test\]\]/ { n; s/^name = "\(.*\)"/\1/p }' Cargo.toml | grep -vxF "$(printf '%s\n' "${first[@]}")")
mapfile -t first < <(binaries "${first[@]}")
mapfile -t others < <(binaries "${others[@]}")
printed=$(mktemp)
trap 'rm -f "$printed"' EXIT
wait "$build" || exit
{
    cargo test --all-features "$@" "${first[@]}" -- --exact "${skipped[@]}" || status=$?
    bindings/python/test.sh "${python[@]}" || status=$?
    exit $status
} >"$printed" 2>&1 &
beside=$!
cargo test --all-features "$@" --lib --bins --examples "${others[@]}" || status=$?
cargo test --all-features "$@" --doc || status=$?
wait $beside || status=$?
cat "$printed"
exit $status
