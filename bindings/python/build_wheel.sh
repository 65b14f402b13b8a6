#!/usr/bin/env bash
# Builds the wheel with the module and the command.
#
#   bindings/python/build_wheel.sh [--out DIR] [--command FILE] [MATURIN_OPTION]...
#
#   --out DIR        folder of the wheel   (target/wheels)
#   --command FILE   built command to put into the wheel   (built here with --profile dist)
#
# Other options go to `maturin build`; --profile is `dist` by default. MATURIN specifies the program   (maturin).
set -euo pipefail

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
out=$root/target/wheels command='' profile=dist options=()
while [ $# -gt 0 ]; do
    case $1 in
    --out) out=$2 && shift 2 ;;
    --command) command=$2 && shift 2 ;;
    --profile) profile=$2 && shift 2 ;;
    *) options+=("$1") && shift ;;
    esac
done
if [ -z "$command" ]; then
    cargo build --manifest-path "$root/Cargo.toml" --profile "$profile" --features man
    command=$root/target/$profile/formulac
fi
[ -e "$command" ] || command=$command.exe
scripts=$here/formulac.data/scripts
rm -rf "$scripts"
mkdir -p "$scripts"
cp "$command" "$scripts/"
"${MATURIN:-maturin}" build --manifest-path "$here/Cargo.toml" --profile "$profile" --out "$out" \
    ${options[@]+"${options[@]}"}
