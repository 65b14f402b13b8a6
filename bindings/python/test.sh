#!/usr/bin/env bash
# Builds the wheel without optimizations, installs it into a new environment, and runs the tests there.
# Arguments go to pytest. tests/run.sh runs this too.
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
tools=${FORMULAC_TEST_HOME:-$root/target/test-tools}
venv=$root/target/python-tests
cd "$root"
# Build the command as the Rust tests use it.
cargo test --quiet --all-features --no-run --test rubric
rm -rf "$venv"
"$tools/python/bin/python" -m venv --without-pip "$venv"
MATURIN="$tools/python/bin/maturin" "$here/build_wheel.sh" --profile dev --command target/debug/formulac \
    --out "$venv" --auditwheel=skip --quiet
"$tools/pip/bin/python" -m pip --python "$venv/bin/python" install --quiet --no-deps --no-compile "$venv"/*.whl
# The environment also sees the packages that tests import.
"$tools/python/bin/python" -c 'import site; print(site.getsitepackages()[0])' >"$(echo "$venv"/lib/python*/site-packages)/tools.pth"
"$venv/bin/python" -m mypy.stubtest formulac
exec "$venv/bin/python" -m pytest --quiet -p no:cacheprovider "$here/tests" "$@"
