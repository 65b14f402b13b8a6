#!/usr/bin/env bash
# Builds the files of a release for this system: archives, the wheel, and checksums.
#
#   packaging/release.sh [--out DIR] [--profile NAME] [--no-wheel] [TARGET]...
#
#   --out DIR        folder of the files   (target/release-files)
#   --profile NAME   profile of the archives and the wheel, for trials   (dist and wheel)
#   TARGET           Rust targets   (Linux: gnu and musl of this processor; elsewhere: this system)
#
# An archive contains the command, completions, man pages, and the licenses. The wheel is built for the first target.
# A target that cannot be installed is skipped with a warning. FORMULAC_COMMIT is set to the commit.
set -euo pipefail

cd "$(dirname "$0")/.."
out=target/release-files profile='' wheel=yes targets=()
while [ $# -gt 0 ]; do
    case $1 in
    --out) out=$2 && shift 2 ;;
    --profile) profile=$2 && shift 2 ;;
    --no-wheel) wheel=no && shift ;;
    -*) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2 && exit 2 ;;
    *) targets+=("$1") && shift ;;
    esac
done

say() { echo "packaging/release.sh: $*" >&2; }

host=$(rustc -vV | sed -n 's/^host: //p')
case $host in *-linux-gnu) is_linux=yes default=("$host" "${host%gnu}musl") ;; *) is_linux=no default=("$host") ;; esac
[ ${#targets[@]} != 0 ] || targets=("${default[@]}")
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
FORMULAC_COMMIT="$(git rev-parse --short HEAD) $(git show --no-patch --format=%cs)"
git diff --quiet HEAD || FORMULAC_COMMIT+=", changed"
export FORMULAC_COMMIT

tools=$PWD/target/release-tools
[ -d "$tools" ] || "${PYTHON:-python3}" -m venv "$tools"
bin=$tools/bin
[ -d "$bin" ] || bin=$tools/Scripts
"$bin/python" -m pip install --quiet --disable-pip-version-check --requirement packaging/requirements.txt
export PATH="$bin:$PATH"

# build TARGET PROFILE [OPTION]...: builds programs that run with glibc 2.17 (2012) and newer
build() {
    local target=$1 profile=$2
    shift 2
    if [ $is_linux = yes ]; then
        cargo zigbuild --quiet --target "${target/%gnu/gnu.2.17}" --profile "$profile" "$@"
    else
        cargo build --quiet --target "$target" --profile "$profile" "$@"
    fi
}

archive() {
    local target=$1 name=formulac-$version-$1 exe=
    case $target in *windows*) exe=.exe ;; esac
    local command=target/$target/${profile:-dist}/formulac$exe folder
    folder=$(cd "$out" && pwd)/$name
    rm -rf "$folder"
    mkdir -p "$folder/completions" "$folder/man"
    cp "$command" README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$folder"
    FORMULAC_MAN_PAGES=$folder/man/man1 "$command"
    # Completion scripts call the command by the name under which it was run.
    for shell in bash zsh fish powershell; do
        PATH="$folder:$PATH" COMPLETE=$shell formulac >"$folder/completions/formulac.$shell"
    done
    if grep --recursive --fixed-strings "$folder" "$folder/completions"; then
        say "completions name a folder of this machine" && exit 1
    fi
    case $target in
    *windows*) (cd "$out" && "$bin/python" -m zipfile -c "$name.zip" "$name") ;;
    *) tar -czf "$out/$name.tar.gz" -C "$out" "$name" ;;
    esac
    rm -rf "$folder"
}

build_wheel() {
    local target=$1 options=()
    [ $is_linux = no ] || options=(--zig --compatibility manylinux2014)
    build "$target" "${profile:-wheel}" --features man
    # A panic must not end the Python interpreter, although it ends the command.
    CARGO_PROFILE_WHEEL_PANIC=unwind bindings/python/build_wheel.sh --profile "${profile:-wheel}" --out "$out" --target "$target" \
        --command "target/$target/${profile:-wheel}/formulac" ${options[@]+"${options[@]}"} --quiet
}

mkdir -p "$out"
rm -f "$out"/formulac-* "$out/SHA256SUMS"
built=()
for target in "${targets[@]}"; do
    say "$target"
    if ! rustup target add "$target" >&2; then
        say "SKIPPED $target: rustup cannot install it"
        continue
    fi
    build "$target" "${profile:-dist}" --features man
    archive "$target"
    built+=("$target")
done
[ ${#built[@]} != 0 ] || { say "nothing is built" && exit 1; }
[ $wheel = no ] || build_wheel "${built[0]}"
cd "$out"
for file in *.whl; do
    # Trial builds with other profiles are larger.
    [ ! -e "$file" ] || [ -n "$profile" ] || [ "$(wc -c <"$file")" -le 8000000 ] || { say "$file exceeds 8 MB" && exit 1; }
done
{ sha256sum formulac-* 2>/dev/null || shasum -a 256 formulac-*; } >SHA256SUMS
cat SHA256SUMS
