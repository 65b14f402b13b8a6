#!/usr/bin/env bash
# Installs what the tests need in addition to Rust: the engines that run the generated SQL, a spreadsheet,
# dbt, and the program `duckdb`.
#
#   tests/setup.sh        safe to repeat; installed parts are left alone
#   . target/test-tools/env.sh && cargo test
#
# Needs Debian (or Ubuntu) with Python 3.11 or newer. As root, it installs the missing Debian
# packages (postgresql, openssh-client, python3-venv, libreoffice-calc, valgrind, libc6-dbg); as another
# user, it lists the packages to install.
#
#   FORMULAC_TEST_HOME  folder for all installed tools         (target/test-tools)
#   PYTHON              Python that creates the environments   (python3)
set -euo pipefail

tests=$(cd "$(dirname "$0")" && pwd)
home=${FORMULAC_TEST_HOME:-$(dirname "$tests")/target/test-tools}
python=${PYTHON:-python3}
mkdir -p "$home"
home=$(cd "$home" && pwd)
exec 9>"$home/.lock"
if command -v flock >/dev/null; then flock 9; fi

say() { echo "tests/setup.sh: $*" >&2; }

need_packages() {
    if [ "$(id -u)" != 0 ]; then
        say "missing; please run: sudo apt-get install $*"
        exit 1
    fi
    say "apt-get install $*"
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

have_postgres() {
    [ -n "${FORMULAC_POSTGRES_DSN-}${FORMULAC_POSTGRES_BIN-}" ] && return
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null && return
    local initdb
    initdb=$(command -v initdb) && [ -x "$(dirname "$(readlink -f "$initdb")")/postgres" ]
}

have_venv() { "$python" -c 'import ensurepip, venv' 2>/dev/null; }

# environment NAME REQUIREMENTS: creates a virtual environment with exactly these packages
environment() {
    local venv=$home/$1 requirements=$2 stamp
    stamp=$venv/.installed-$(cksum <"$requirements" | tr ' ' -)
    if [ -e "$stamp" ] && "$venv/bin/python" -c pass 2>/dev/null; then return; fi
    say "installing $1 into $venv"
    rm -rf "$venv"
    "$python" -m venv --without-pip "$venv"
    # The lists are complete, so nothing else is resolved: dbt-core names a package that cannot be built without a
    # download, and dbt runs without that package. Modules are compiled when they are first imported, and the result is
    # cached (env.sh).
    "$home/pip/bin/python" -m pip --python "$venv/bin/python" install --quiet \
        --disable-pip-version-check --no-compile --no-deps --requirement "$requirements"
    touch "$stamp"
}

"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || {
    say "needs Python 3.11 or newer, found $("$python" --version 2>&1)"
    exit 1
}
packages=()
have_postgres || packages+=(postgresql)
# A test signs commits with it.
command -v ssh-keygen >/dev/null || packages+=(openssh-client)
have_venv || packages+=(python3-venv)
command -v soffice >/dev/null || packages+=(libreoffice-calc)
# `.ci/run` counts instructions with it; it needs the symbols of the C library.
command -v valgrind >/dev/null || packages+=(valgrind libc6-dbg)
[ ${#packages[@]} = 0 ] || need_packages "${packages[@]}"

# One pip installs packages into all environments.
"$home/pip/bin/python" -c 'import pip' 2>/dev/null || "$python" -m venv --clear "$home/pip"
# Installs two environments at a time, the largest first, because pip spends half of its time waiting for the index.
running=()
begin() {
    if [ ${#running[@]} = 2 ]; then
        wait "${running[0]}"
        running=("${running[1]}")
    fi
    environment "$@" &
    running+=($!)
}
begin engines "$tests/oracle/requirements.txt"
begin dbt "$tests/oracle/dbt-requirements.txt"
begin dbt-1.10 "$tests/oracle/dbt-1.10-requirements.txt"
begin dbt-1.8 "$tests/oracle/dbt-1.8-requirements.txt"
begin sqlfluff "$tests/oracle/sqlfluff-requirements.txt"
begin python "$tests/oracle/python-requirements.txt"
begin duckdb "$tests/oracle/duckdb-requirements.txt"
for one in "${running[@]}"; do wait "$one"; done

# served NAME: installs a `dbt` that does the same as the environment's `dbt` but starts in a tenth of the time
# (tests/oracle/dbt_client.py). The environment's Python is next to it, as in the environment.
served() {
    local folder=$home/$1/served
    mkdir -p "$folder"
    ln -sfn ../bin/python "$folder/python"
    cat >"$folder/dbt" <<END
#!/bin/sh
exec "$home/$1/bin/python" -I -S "$tests/oracle/dbt_client.py" "$home/$1" "\$@"
END
    chmod +x "$folder/dbt"
}
for name in dbt dbt-1.10 dbt-1.8; do served "$name"; done

cat >"$home/env.sh" <<END
export FORMULAC_PYTHON="$home/engines/bin/python"
export FORMULAC_ORACLE_CACHE="$home/cache"
export FORMULAC_DBT="$home/dbt/served/dbt"
export FORMULAC_DBT_1_10="$home/dbt-1.10/served/dbt"
export FORMULAC_DBT_1_8="$home/dbt-1.8/served/dbt"
export FORMULAC_DBT_UNSERVED="$home/dbt/bin/dbt"
export FORMULAC_DUCKDB="$home/duckdb/bin/duckdb"
export FORMULAC_SQLFLUFF="$home/sqlfluff/bin/sqlfluff"
# Otherwise, each start of Python compiles its imports again.
unset PYTHONDONTWRITEBYTECODE
END
# shellcheck disable=SC1091
. "$home/env.sh"
# Fills the machine-code cache of the GoogleSQL evaluator, so that later starts take under a second.
echo 'select 1 as one' |
    "$FORMULAC_PYTHON" "$tests/oracle/oracle.py" --engine bigquery --sql - >/dev/null
say "ready: . $home/env.sh"
