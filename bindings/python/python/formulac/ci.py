"""Runs the checks of a merge request: `formulac-ci`, which the GitHub action and the GitLab template call.

The steps are check, generate, plan, impact and authorize. All steps run, and the exit status is 1 if one has failed. The output
of plan and impact becomes a single comment on the merge request, which the next run updates.
"""

import argparse
import json
import os
import subprocess
import sys
from urllib.request import Request, urlopen

STEPS = ["check", "generate", "plan", "impact", "authorize"]
OF_A_BRANCH = ["impact", "authorize"]
MARK = "<!-- formulac-ci -->"
# GitHub accepts at most 65,536 characters.
LONGEST = 60_000


def parse():
    parser = argparse.ArgumentParser(prog="formulac-ci", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--steps", default=",".join(STEPS), help="names of steps, separated by commas [default: all]")
    parser.add_argument("--base", help="revision to merge into [default: the target branch of the merge request]")
    parser.add_argument("--deny-warnings", action="store_true", help="let check fail on warnings")
    parser.add_argument("--fail-on", choices=["breaking", "changing"], help="let impact fail on this grade or a worse one")
    parser.add_argument("--sarif", metavar="FILE", help="also write the diagnostics to this file, for code scanning")
    parser.add_argument("--comment", action="store_true", help="post the comment, with GITHUB_TOKEN or FORMULAC_GITLAB_TOKEN")
    parser.add_argument("--project-dir", default=".", metavar="DIR", help="folder of the dbt project")
    arguments = parser.parse_args()
    arguments.steps = [step.strip() for step in arguments.steps.split(",") if step.strip()]
    unknown = [step for step in arguments.steps if step not in STEPS]
    if unknown:
        parser.error(f"unknown step `{unknown[0]}`; the steps are {', '.join(STEPS)}")
    arguments.base = arguments.base or target_branch()
    return arguments


def target_branch():
    """Returns the branch to merge into, `None` outside of merge requests."""
    name = os.environ.get("GITHUB_BASE_REF") or os.environ.get("CI_MERGE_REQUEST_TARGET_BRANCH_NAME")
    # The complete name, because a tag could be called `origin/main`.
    return f"refs/remotes/origin/{name}" if name else None


def formulac(arguments, *words, capture=False):
    """Runs formulac. Returns the exit status and, if it is captured, the output."""
    sys.stdout.flush()
    folder = [] if arguments.project_dir == "." else ["--project-dir", arguments.project_dir]
    command = ["formulac", *folder, "--no-input", *words]
    run = subprocess.run(command, stdout=subprocess.PIPE if capture else None, encoding="utf-8")
    return run.returncode, run.stdout or ""


def check(arguments):
    options = ["--deny", "warnings"] if arguments.deny_warnings else []
    if arguments.sarif:
        with open(arguments.sarif, "w", encoding="utf-8") as file:
            file.write(formulac(arguments, "check", "--quiet", "--output-format", "sarif", capture=True)[1])
    shown = ["--output-format", "github"] if os.environ.get("GITHUB_ACTIONS") else []
    return formulac(arguments, "check", *shown, *options)[0], ""


def generate(arguments):
    return formulac(arguments, "generate", "--check")[0], ""


def plan(arguments):
    return formulac(arguments, "plan", "--markdown", capture=True)


def impact(arguments):
    fail_on = ["--fail-on", arguments.fail_on] if arguments.fail_on else []
    return formulac(arguments, "impact", "--since", arguments.base, "--format", "markdown", *fail_on, capture=True)


def authorize(arguments):
    return formulac(arguments, "authorize", "--base", arguments.base)[0], ""


def call(url, token, method="GET", body=None):
    """Sends a JSON request and returns the response."""
    headers = {"Content-Type": "application/json", "User-Agent": "formulac-ci", **token}
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, headers, method=method), timeout=30) as answer:
        return json.load(answer)


def place_of_comments():
    """Returns the address of the merge request's comments, that of one comment, the method of updates, and the token's header."""
    env = os.environ.get
    if env("GITHUB_TOKEN") and env("GITHUB_EVENT_PATH"):
        with open(env("GITHUB_EVENT_PATH"), encoding="utf-8") as file:
            number = json.load(file).get("number")
        repository = f"{env('GITHUB_API_URL', 'https://api.github.com')}/repos/{env('GITHUB_REPOSITORY')}/issues"
        if number:
            token = {"Authorization": f"Bearer {env('GITHUB_TOKEN')}"}
            return f"{repository}/{number}/comments", f"{repository}/comments", "PATCH", token
    if env("FORMULAC_GITLAB_TOKEN") and env("CI_MERGE_REQUEST_IID"):
        request = f"{env('CI_API_V4_URL')}/projects/{env('CI_PROJECT_ID')}/merge_requests/{env('CI_MERGE_REQUEST_IID')}"
        return f"{request}/notes", f"{request}/notes", "PUT", {"PRIVATE-TOKEN": env("FORMULAC_GITLAB_TOKEN")}
    return None


def post(text):
    """Writes the comment, replacing an earlier one. Returns an error message, or `None` on success."""
    place = place_of_comments()
    if not place:
        return "no merge request or no token (GITHUB_TOKEN, FORMULAC_GITLAB_TOKEN)"
    comments, one, method, token = place
    try:
        for page in range(1, 100):
            found = call(f"{comments}?per_page=100&page={page}", token)
            earlier = next((it["id"] for it in found if MARK in (it.get("body") or "")), None)
            if earlier or len(found) < 100:
                break
        if earlier:
            call(f"{one}/{earlier}", token, method, {"body": text})
        else:
            call(comments, token, "POST", {"body": text})
    except (OSError, ValueError) as error:
        return str(error)
    return None


def comment(failed, texts):
    """Returns the text of the comment."""
    state = f"Failed: {', '.join(failed)}." if failed else "All checks pass."
    parts = [text.strip() for text in texts if text.strip()]
    text = "\n\n".join([MARK, f"**formulac**: {state}", *parts])
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}\n\n… The job's log has the rest.\n"


def main():
    """Runs the steps. Returns the exit status."""
    arguments = parse()
    failed, texts = [], []
    for step in arguments.steps:
        if step in OF_A_BRANCH and not arguments.base:
            print(f"formulac-ci: {step} is skipped because there is no branch to merge into; --base names one")
            continue
        print(f"formulac-ci: {step}")
        status, text = globals()[step](arguments)
        print(text, end="")
        texts.append(text)
        if status != 0:
            failed.append(step)
            print(f"formulac-ci: {step} failed (exit status {status})")
    text = comment(failed, texts)
    if os.environ.get("GITHUB_STEP_SUMMARY"):
        with open(os.environ["GITHUB_STEP_SUMMARY"], "a", encoding="utf-8") as file:
            file.write(text + "\n")
    fault = post(text) if arguments.comment else None
    if fault:
        # Jobs on forks have no permission to comment, but their checks still count.
        print(f"formulac-ci: no comment is posted: {fault}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
