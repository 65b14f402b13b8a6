#!/usr/bin/env python3
"""Plants each fault in faults.toml in a copy of the repository, and checks that a test finds it.

Each fault says `by` what it must be found: random `specs`, `formulas` or `sheets`, `cases` of the conformance suite, the
`relations` of a formula and its neighbors, `edits` of a project in a session, the `rules` of the warehouses, or the `build`.

  tests/setup.sh && tests/planted_faults/run.py [TEXT]     only faults found by TEXT, or whose name holds it
  tests/planted_faults/run.py --check                      only checks that the code of every fault exists

Exit status 1 when the copy fails without a fault, when a fault is not found, or when it does not compile.
"""
import os
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
COPY = ROOT / "target" / "planted"
# The crates of the repository.
MEMBERS = ["formulac", *(name for name in tomllib.loads((ROOT / "Cargo.toml").read_text())["workspace"]["dependencies"]
                         if name.startswith("formulac-"))]
# Build settings of these crates: no optimization and many codegen units, so that only a small part of a crate is built
# again after each fault.
SETTINGS = ("opt-level=0", "codegen-units=256")


def copy():
    """Copies the files that git tracks, but only files that differ, so that little is built again."""
    listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
                            cwd=ROOT, check=True, capture_output=True).stdout
    names = {name for name in listed.decode().split("\0") if name and (ROOT / name).is_file()}
    for old in [p for p in COPY.rglob("*") if p.is_file() and str(p.relative_to(COPY)) not in names]:
        old.unlink()
    for name in names:
        source, target = ROOT / name, COPY / name
        content = source.read_bytes()
        if not target.exists() or target.read_bytes() != content:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)


# The test that finds a fault, the variable that selects the cases, and for each attempt its value and the engines. A
# few random cases on the engine that starts fastest find most faults. Many random cases on both engines find the
# others. `cases` always run on all engines.
FINDS = {
    "specs": ("reference", "random_specs_match_the_interpreter", "FORMULAC_RANDOM_SPECS",
              [("400", "duckdb"), ("2000", "duckdb,postgres")]),
    "formulas": ("reference", "random_formulas_give_what_the_interpreter_says", "FORMULAC_FORMULAS",
                 [("3000", "duckdb"), ("10000", "duckdb,postgres")]),
    "sheets": ("sheets", "random_sheets_match_the_interpreter", "FORMULAC_RANDOM_SHEETS",
               [("400", "duckdb"), ("2000", "duckdb,postgres")]),
    "cases": ("conformance", "specs", "FORMULAC_CASES", [("null_keys", "all"), ("holidays", "all"), ("periods_shown", "all")]),
    "relations": ("properties", "independence::of_order", "FORMULAC_CASES", [("", "all")]),
    "edits": ("properties", "session::equals_fresh_compilation", "FORMULAC_CASES", [("", "all")]),
    "rules": ("conformance", "statements_keep_the_rules_of_the_warehouses", "FORMULAC_CASES", [("", "all")]),
    # The fault makes the build itself fail.
    "build": ("levels", "", "", []),
}
# Text in the output if a test or the build found the fault.
FOUND = ("answers differ", "must compile", "the engine fails", "fault    ", "Test failed:", "some break rules", "are not in dialects/facts")
REFUSED = ("inside the scope of", "has no entry for")
# Message about an entry in `dialects/facts` that no template uses because of the fault.
UNUSED_FACT = re.compile(r"error: .*?(/\S+/facts/\w+\.toml):(\d+): no template, .* remove the entry")


def cargo(*arguments, **drawn):
    # All other crates are reused from the builds of the tests.
    settings = dict(os.environ, CARGO_TARGET_DIR=str(ROOT / "target"), RUST_BACKTRACE="0", **drawn,
                    FORMULAC_REQUIRE_ENGINES="1", FORMULAC_SHRINK="0", CARGO_INCREMENTAL="1")
    settings.setdefault("FORMULAC_PYTHON", str(ROOT / "target" / "test-tools" / "engines" / "bin" / "python"))
    # Builds only the libraries, without the `formulac` binary and without optimization, and reuses the last build, so each fault takes only seconds.
    command = ["cargo", "test", "--no-default-features", "--features", "drafts,lineage",
               *(word for member in MEMBERS for setting in SETTINGS
                 for word in ("--config", f"profile.test.package.{member}.{setting}")), *arguments]
    return subprocess.run(command, cwd=COPY, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def remove_unused_facts(output):
    """Removes the facts that the build reports as unused. Returns the former texts of the files."""
    removed = {}
    for path, line in set(UNUSED_FACT.findall(output)):
        removed.setdefault(pathlib.Path(path), set()).add(int(line))
    texts = {path: path.read_text() for path in removed}
    for path, text in texts.items():
        lines = enumerate(text.splitlines(keepends=True), 1)
        path.write_text("".join(line for number, line in lines if number not in removed[path]))
    return texts


def state(by, only_few=False):
    """Returns `right`, the way in which the fault was found, or `broken` with the output."""
    target, _, _, tries = FINDS[by]
    build = ("--test", target, "--no-run")
    built = cargo(*build)
    # A test must find the fault, but the build already fails on unused entries of `dialects/facts`.
    facts = remove_unused_facts(built.stdout)
    if facts:
        built = cargo(*build)
    try:
        return tested(by, built, tries[:1] if only_few else tries)
    finally:
        for path, text in facts.items():
            path.write_text(text)


def tested(by, built, tries):
    target, test, variable, _ = FINDS[by]
    refused = [line for line in built.stdout.splitlines() if any(sign in line for sign in REFUSED)]
    if by == "build" and refused:
        return "found", refused[0].strip()[:160]
    if built.returncode:
        return "broken", built.stdout[-3000:]
    for value, engines in tries:
        drawn = {variable: value, "FORMULAC_ENGINES": engines}
        run = cargo("--test", target, "--", "--exact", test, **drawn)
        for line in run.stdout.splitlines():
            if any(sign in line for sign in FOUND):
                return "found", f"{line.strip()[:160]} (of {value} {by})"
        if run.returncode or "1 passed" not in run.stdout:
            return "broken", run.stdout[-3000:]
    return "right", ""


def main():
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    faults = tomllib.loads((pathlib.Path(__file__).parent / "faults.toml").read_text())["fault"]
    stale = [fault["name"] for fault in faults if (ROOT / fault["file"]).read_text().count(fault["take"]) != 1]
    if stale:
        print("stale:", ", ".join(stale))
        return 1
    if chosen == "--check":
        return 0
    faults = [fault for fault in faults if chosen in (fault["by"], "") or chosen in fault["name"]]
    COPY.mkdir(parents=True, exist_ok=True)
    copy()
    for by in sorted({fault["by"] for fault in faults}):
        what, said = state(by, only_few=True)
        print(f"{by} without a fault: {what}", flush=True)
        if what != "right":
            print(said)
            return 1
    missed = 0
    for fault in faults:
        path = COPY / fault["file"]
        right = path.read_text()
        path.write_text(right.replace(fault["take"], fault["give"]))
        what, said = state(fault["by"])
        path.write_text(right)
        missed += what != "found"
        print(f"{what:7} {fault['name']}: {said}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
