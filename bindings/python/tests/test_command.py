"""The command, as installed by the wheel."""

import os
import subprocess
import sys
from pathlib import Path

import formulac

COMMAND = Path(sys.executable).parent / ("formulac.exe" if os.name == "nt" else "formulac")


def run(*arguments, **options):
    return subprocess.run([COMMAND, *arguments], capture_output=True, text=True, **options)


def test_it_has_the_version_of_the_module():
    assert run("--version").stdout.split()[:2] == ["formulac", formulac.__version__]


def test_it_compiles_as_the_module_does(tmp_path):
    printed = run("compile", "SUM(amount) / COUNT()", "--dialect", "snowflake", cwd=tmp_path).stdout
    assert printed.strip() == formulac.compile("SUM(amount) / COUNT()", "snowflake").definitions[0].sql
