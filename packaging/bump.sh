#!/usr/bin/env bash
# Prepares a release: replaces the last version everywhere, and merges the changelog fragments.
#
#   packaging/bump.sh 0.3.0
#   git commit --all --message 'Version 0.3.0' && git tag --annotate v0.3.0 --message 'Version 0.3.0' && git push --follow-tags
#
# The workflow `release` then builds and publishes the files.
set -euo pipefail

cd "$(dirname "$0")/.."
[[ ${1-} =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2 && exit 2; }
last=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -1)
packaging/changelog.py merge "$1"
named=(Cargo.toml bindings/python/Cargo.toml pyproject.toml packaging/Containerfile docs/guides/ci.md
    integrations/github/action.yml integrations/gitlab/formulac.gitlab-ci.yml integrations/pre-commit/.pre-commit-config.yaml
    tests/cli/snapshots/cli__formats__every_format.snap)
for file in "${named[@]}"; do
    sed "s#\(version = \"\|version\": \"\|formulac==\|VERSION: \"\|VERSION=\|default: \"\|rev: v\|@v\|/v\)${last//./\\.}\b#\1$1#" "$file" >"$file.new"
    cmp --quiet "$file" "$file.new" && { echo "packaging/bump.sh: $file does not name $last" >&2 && exit 1; }
    cat "$file.new" >"$file"
    rm "$file.new"
done
cargo update --quiet --workspace
