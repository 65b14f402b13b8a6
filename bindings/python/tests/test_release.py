"""The changelog by fragments, and the crates as they are published."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def run(folder, *words):
    return subprocess.run([sys.executable, folder / "packaging/changelog.py", *words], capture_output=True, text=True)


def copied(folder):
    """Copies the changelog and its program, without fragments."""
    (folder / "packaging/changes").mkdir(parents=True)
    shutil.copy(ROOT / "packaging/changelog.py", folder / "packaging")
    shutil.copy(ROOT / "CHANGELOG.md", folder)
    return folder


def test_fragments_have_no_errors():
    assert run(ROOT, "check").returncode == 0


def test_fragments_are_merged(tmp_path):
    changes = copied(tmp_path) / "packaging/changes"
    (changes / "README.md").write_text("How to\n")
    (changes / "a.md").write_text("### Fixed\n\n- A fault\n  of two lines.\n")
    (changes / "b.md").write_text("### Added\n\n- A function.\n\n### Fixed\n\n- Another.\n")
    before = (tmp_path / "CHANGELOG.md").read_text()
    assert run(tmp_path, "merge", "9.1.0").returncode == 0
    assert [path.name for path in changes.iterdir()] == ["README.md"]
    notes = run(tmp_path, "notes", "9.1.0").stdout
    assert notes == "### Added\n\n- A function.\n\n### Fixed\n\n- A fault\n  of two lines.\n- Another.\n\n"
    after = (tmp_path / "CHANGELOG.md").read_text()
    assert re.search(r"^## \[9\.1\.0\] - \d{4}-\d\d-\d\d$", after, re.M)
    assert after.endswith(before[before.index("## [") :])
    assert run(tmp_path, "merge", "9.1.0").returncode == 1


def test_wrong_fragments_are_reported(tmp_path):
    path = copied(tmp_path) / "packaging/changes/a.md"
    for text in ["- No section.\n", "### Improved\n\n- No such section.\n", "### Fixed\n\nNo list.\n", "### Fixed\n"]:
        path.write_text(text)
        checked = run(tmp_path, "check")
        assert (checked.returncode, "a.md: expected" in checked.stderr) == (1, True), text
    path.unlink()
    assert "no fragments" in run(tmp_path, "merge", "9.1.0").stderr


def test_this_version_has_notes():
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    assert run(ROOT, "notes", version).stdout.startswith("formulac")


def test_a_release_is_prepared(tmp_path):
    script = (ROOT / "packaging/bump.sh").read_text()
    copied(tmp_path)
    last = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    named = re.search(r"named=\((.*?)\)", script, re.S)[1].split()
    for name in [*named, "packaging/bump.sh"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "packaging/changes/a.md").write_text("### Added\n\n- A function.\n")
    (tmp_path / "cargo").write_text("#!/bin/sh\n")
    (tmp_path / "cargo").chmod(0o755)
    env = {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    assert subprocess.run([tmp_path / "packaging/bump.sh", "9.1.0"], env=env).returncode == 0
    for name in named:
        text = (tmp_path / name).read_text()
        assert "9.1.0" in text, name
        assert not re.search(rf"(?<![\d.]){re.escape(last)}(?![\d.])", text), name
    assert "## [9.1.0]" in (tmp_path / "CHANGELOG.md").read_text()
    assert subprocess.run([tmp_path / "packaging/bump.sh", "next"], env=env).returncode == 2


def test_the_command_is_built_of_the_published_crates(tmp_path):
    """A crate contains everything that its build reads: unpacked elsewhere, the members alone build the command."""
    crates = tmp_path / "crates"
    package = ["cargo", "package", "--quiet", "--workspace", "--exclude", "formulac-python", "--no-verify"]
    subprocess.run([*package, "--allow-dirty", "--offline", "--target-dir", crates], cwd=ROOT, check=True, capture_output=True)
    for crate in (crates / "package").glob("*.crate"):
        subprocess.run(["tar", "xzf", crate, "-C", tmp_path], check=True)
    members = {folder.name.rpartition("-")[0]: folder for folder in tmp_path.glob("formulac*-*")}
    patches = [word for name, folder in members.items() if name != "formulac"
               for word in ("--config", f'patch.crates-io.{name}.path="{folder}"')]
    assert len(patches) >= 8, members
    # Use the target folder of the other builds, so that cargo checks the dependencies only once.
    build = ["cargo", "check", "--quiet", "--offline", "--bin", "formulac", "--target-dir", ROOT / "target"]
    ran = subprocess.run([*build, *patches], cwd=members["formulac"], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr[-3000:]
