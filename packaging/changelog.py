#!/usr/bin/env python3
"""Merges the fragments of the changelog into CHANGELOG.md, as a new version.

    packaging/changelog.py check            exit with 1 if a fragment has an error
    packaging/changelog.py notes VERSION    print the notes of a version
    packaging/changelog.py merge VERSION    add the version to CHANGELOG.md and remove the fragments

A fragment is a file `packaging/changes/NAME.md`: a heading `### SECTION`, an empty line, and list items for users; more sections may follow.
"""

import datetime
import re
import sys
from pathlib import Path

HERE = Path(__file__).parent
CHANGELOG = HERE.parent / "CHANGELOG.md"
FRAGMENTS = HERE / "changes"
SECTIONS = ["Added", "Changed", "Changed SQL", "Fixed"]


def fragments():
    """Returns the files of fragments, sorted by name."""
    return sorted(path for path in FRAGMENTS.glob("*.md") if path.name != "README.md")


def read(path):
    """Returns the sections of a fragment, each with its items."""
    sections = []
    for part in re.split(r"\n(?=### )", path.read_text(encoding="utf-8")):
        found = re.fullmatch(r"### (.+)\n\n((?:(?:- |  )\S.*\n)+)", part)
        if not found or found[1] not in SECTIONS or not found[2].startswith("- "):
            sys.exit(f"{path}: expected `### {'`, `### '.join(SECTIONS)}`, an empty line, and list items")
        sections.append((found[1], found[2]))
    return sections


def release(version, date):
    """Returns the text of a new version."""
    items = {}
    for path in fragments():
        for section, text in read(path):
            items.setdefault(section, []).append(text)
    if not items:
        sys.exit(f"no fragments in {FRAGMENTS}")
    parts = [f"### {section}\n\n{''.join(items[section])}" for section in SECTIONS if section in items]
    return f"## [{version}] - {date}\n\n" + "\n".join(parts)


def notes(version):
    """Returns the notes for a version that is in CHANGELOG.md."""
    found = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n\n(.*?)(?=^## |\Z)", CHANGELOG.read_text(encoding="utf-8"), re.M | re.S)
    return found[1] if found else sys.exit(f"CHANGELOG.md has no version {version}")


def merge(version):
    text = CHANGELOG.read_text(encoding="utf-8")
    if f"## [{version}]" in text:
        sys.exit(f"CHANGELOG.md has {version} already")
    at = text.index("## [")
    added = release(version, datetime.date.today().isoformat())
    CHANGELOG.write_text(f"{text[:at]}{added}\n{text[at:]}", encoding="utf-8")
    for path in fragments():
        path.unlink()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["check"]:
            for path in fragments():
                read(path)
        case ["notes", version]:
            print(notes(version), end="")
        case ["merge", version]:
            merge(version)
        case _:
            sys.exit(__doc__)
