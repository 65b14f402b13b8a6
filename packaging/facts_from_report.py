#!/usr/bin/env python3
"""Prints the entries for `dialects/facts/<dialect>.toml` that a report of `formulac prove` supports.

    packaging/facts_from_report.py REPORT [--formulac PROGRAM]

A function supports entries if all of its cases are proven in the report: the constructs of its templates ran on the
warehouse. Constructs that other functions share are listed once, with all functions that support them. Review the
entries before you copy them: a case does not call every window and every type of argument.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

UNPROVEN = ("differs", "refused", "not_proven")


def proven_functions(report):
    """Returns the subjects whose cases are all proven. A subject may also be an operator or a topic."""
    subjects = report["subjects"].items()
    return [name for name, counts in subjects if counts["proven"] and not any(counts[key] for key in UNPROVEN)]


def constructs(program, function, dialect):
    """Returns the constructs of a function's templates. Empty if the subject is not a function."""
    command = [program, "functions", function, "--dialect", dialect, "--json"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False)
    functions = json.loads(answer.stdout)["functions"] if answer.returncode == 0 else []
    return [construct for found in functions for construct in found["constructs"]]


def supported_entries(report, program):
    """Returns the entries by section and construct, each with the functions that support it."""
    sections = {}
    for function in proven_functions(report):
        for construct in constructs(program, function, report["dialect"]):
            if construct["verdict"] != "run":
                entries = sections.setdefault(construct["section"], {})
                _, functions = entries.setdefault(construct["construct"], (construct["depends_on"], []))
                functions.append(function)
    return sections


def text_of(report, sections):
    """Returns the entries in the form of a facts file."""
    day = report["at"].split("T")[0]
    key = "prove_" + day.replace("-", "_")
    source = json.dumps(f"formulac prove, {report['warehouse']}, {day}", ensure_ascii=False)
    lines = ["[sources]", f"{key} = {source}"]
    for section, entries in sorted(sections.items()):
        lines += ["", f"[{section}]"]
        for construct, (parameters, functions) in sorted(entries.items()):
            depends = f"; depends on {', '.join(parameters)}" if parameters else ""
            name = json.dumps(construct, ensure_ascii=False)
            lines.append(f'{name} = "run {key}{depends}"     # {", ".join(functions)}')
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("report", type=Path, help="file in .formulac/proofs/")
    parser.add_argument("--formulac", default="formulac", help="the program; default: formulac")
    args = parser.parse_args()
    report = json.loads(args.report.read_text(encoding="utf-8"))
    sections = supported_entries(report, args.formulac)
    if not sections:
        print(f"{args.report}: the report supports no entry that is not there already", file=sys.stderr)
        return 1
    print(text_of(report, sections))
    return 0


if __name__ == "__main__":
    sys.exit(main())
