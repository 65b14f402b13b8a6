#!/usr/bin/env python3
"""Plants each fault of faults.toml in a copy of the repository and wants the random specs to find it.

  tests/setup.sh && tests/planted_faults/run.py [TEXT]     only faults whose name holds TEXT

Exit status 1 when the copy fails without a fault, when a fault is not found, or when it does not compile.
"""
import os
import pathlib
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = ROOT / "target" / "planted"
COPY = HOME / "copy"


def copy():
    """The files that git knows, written only where they differ, so that little is built again."""
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


# Most faults are found by few specs on the engine that is fast to start; what is not is looked for by all of them.
FEW = dict(FORMULAC_ENGINES="duckdb", FORMULAC_RANDOM_SPECS="400")
ALL = dict(FORMULAC_ENGINES="duckdb,postgres", FORMULAC_RANDOM_SPECS="2000")


def cargo(*arguments, **drawn):
    settings = dict(os.environ, CARGO_TARGET_DIR=str(HOME / "build"), RUST_BACKTRACE="0", **drawn,
                    FORMULAC_REQUIRE_ENGINES="1", FORMULAC_SHRINK="0", CARGO_PROFILE_DEV_DEBUG="false")
    settings.setdefault("FORMULAC_PYTHON", str(ROOT / "target" / "test-tools" / "engines" / "bin" / "python"))
    # Without the command there is less to build.
    command = ["cargo", "test", "--no-default-features", "--test", "reference", *arguments]
    return subprocess.run(command, cwd=COPY, env=settings, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def state(*draws):
    """`right`, how it was found, or `broken` with what was said."""
    built = cargo("--no-run")
    if built.returncode:
        return "broken", built.stdout[-3000:]
    for drawn in draws:
        run = cargo(**drawn)
        for line in run.stdout.splitlines():
            if "answers differ" in line or "must compile" in line:
                return "found", f"{line.strip()[:200]} (of {drawn['FORMULAC_RANDOM_SPECS']} specs)"
        if run.returncode:
            return "broken", run.stdout[-3000:]
    return "right", ""


def main():
    chosen = sys.argv[1] if len(sys.argv) > 1 else ""
    faults = tomllib.loads((pathlib.Path(__file__).parent / "faults.toml").read_text())["fault"]
    COPY.mkdir(parents=True, exist_ok=True)
    copy()
    what, said = state(ALL)
    print(f"without a fault: {what}", flush=True)
    if what != "right":
        print(said)
        return 1
    missed = 0
    for fault in (f for f in faults if chosen in f["name"]):
        path = COPY / fault["file"]
        right = path.read_text()
        if right.count(fault["take"]) != 1:
            what, said = "stale", f"`take` stands {right.count(fault['take'])} times in {fault['file']}"
        else:
            path.write_text(right.replace(fault["take"], fault["give"]))
            what, said = state(FEW, ALL)
            path.write_text(right)
        missed += what != "found"
        print(f"{what:7} {fault['name']}: {said}", flush=True)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
