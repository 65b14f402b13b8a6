"""`formulac-ci`, and the templates that call it, in a scratch repository with a stand-in for the API of comments."""

import json
import os
import re
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
BIN = Path(sys.executable).parent
SPEC = """
model: takings
from: ref('tickets')
group_by: shop
columns: {shop: {data_tests: [not_null]}}
definitions: |
  takings = SUM(amount)
"""


class Comments(BaseHTTPRequestHandler):
    """Comments of one merge request, as GitHub and GitLab keep them."""

    def answer(self, value):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(json.dumps(value).encode())

    def body(self):
        return json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]

    def do_GET(self):
        page = int(re.search(r"[?&]page=(\d+)", self.path)[1])
        self.answer(self.server.comments[(page - 1) * 100 : page * 100])

    def do_POST(self):
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        self.server.comments.append({"id": 1000 + len(self.server.comments), "body": self.body()})
        self.answer({})

    def change(self):
        self.server.asked.append((self.command, self.path, dict(self.headers)))
        comment = next(it for it in self.server.comments if str(it["id"]) == self.path.rsplit("/", 1)[1])
        comment["body"] = self.body()
        self.answer({})

    do_PATCH = do_PUT = change

    def log_message(self, *_):
        pass


@pytest.fixture
def api():
    server = HTTPServer(("127.0.0.1", 0), Comments)
    server.comments, server.asked = [{"id": number, "body": "a review"} for number in range(120)], []
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()


class Repository:
    """A dbt project whose branch adds a spec."""

    def __init__(self, folder):
        self.folder = folder
        self.env = {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder.parent)}
        self.env.update(GIT_CONFIG_NOSYSTEM="1", LANG="C.UTF-8")
        for name in ["AUTHOR", "COMMITTER"]:
            self.env.update({f"GIT_{name}_NAME": "Ada", f"GIT_{name}_EMAIL": "ada@example.com"})
        self.write("dbt_project.yml", "name: shops\nprofile: shops\nversion: '1.0'\n")
        self.write("formulac.yml", "dialect: duckdb\n")
        self.write("models/tickets.sql", "select 'a' as shop, 1 as amount\n")
        self.run("git init --quiet --initial-branch main && git add --all && git commit --quiet --message begin")
        self.run("git update-ref refs/remotes/origin/main main && git checkout --quiet -b work")
        self.write("metrics/takings.yml", SPEC)
        self.commit()

    def write(self, name, text):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def run(self, script, **env):
        run = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=self.folder, env={**self.env, **env}, capture_output=True, text=True
        )
        run.all = run.stdout + run.stderr
        return run

    def commit(self):
        generated = self.run("formulac generate --quiet && git add --all && git commit --quiet --message change")
        assert generated.returncode == 0, generated.all

    def break_spec(self):
        self.write("metrics/takings.yml", SPEC.replace("SUM(amount)", "SUMM(amount)"))

    def request(self, api, host):
        """Returns the environment of a job for a merge request."""
        if host == "gitlab":
            return {
                "CI_API_V4_URL": api.url,
                "CI_PROJECT_ID": "7",
                "CI_MERGE_REQUEST_IID": "5",
                "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
                "FORMULAC_GITLAB_TOKEN": "secret",
            }
        self.write("../event.json", json.dumps({"number": 5}))
        return {
            "GITHUB_ACTIONS": "true",
            "GITHUB_API_URL": api.url,
            "GITHUB_BASE_REF": "main",
            "GITHUB_EVENT_PATH": str(self.folder.parent / "event.json"),
            "GITHUB_REPOSITORY": "shops/dbt",
            "GITHUB_STEP_SUMMARY": str(self.folder.parent / "summary.md"),
            "GITHUB_TOKEN": "secret",
        }


@pytest.fixture
def repository(tmp_path):
    return Repository(tmp_path / "project")


def test_all_steps_pass(repository):
    run = repository.run("formulac-ci --base main --sarif found.sarif")
    assert run.returncode == 0, run.all
    assert re.findall(r"^formulac-ci: (.*)$", run.stdout, re.M) == ["check", "generate", "plan", "impact", "authorize"]
    assert json.loads((repository.folder / "found.sarif").read_text())["runs"][0]["results"] == []


def test_steps_of_a_branch_need_a_base(repository):
    run = repository.run("formulac-ci --steps check,impact,authorize")
    assert run.returncode == 0, run.all
    assert run.stdout.count("is skipped because there is no branch to merge into") == 2


def test_each_step_can_fail(repository):
    repository.break_spec()
    run = repository.run("formulac-ci --base main --sarif found.sarif", GITHUB_ACTIONS="true")
    assert run.returncode == 1
    assert "formulac-ci: check failed (exit status 1)" in run.stdout
    assert "::error file=metrics/takings.yml" in run.stdout
    assert json.loads((repository.folder / "found.sarif").read_text())["runs"][0]["results"][0]["ruleId"] == "F0301"
    repository.write("metrics/takings.yml", SPEC.replace("SUM(", "MAX("))
    run = repository.run("formulac-ci --steps check,generate")
    assert (run.returncode, "generate failed" in run.stdout, "check failed" in run.stdout) == (1, True, False), run.all
    repository.run("git commit --all --quiet --message 'only the spec'")
    run = repository.run("formulac-ci --steps authorize --base main")
    assert (run.returncode, "authorize failed (exit status 4)" in run.stdout) == (1, True), run.all


def test_tags_named_like_the_target_branch(repository):
    repository.write("metrics/takings.yml", SPEC.replace("SUM(", "MAX("))
    repository.run("git commit --all --quiet --message 'only the spec' && git tag origin/main && git tag main")
    run = repository.run("formulac-ci --steps authorize", GITHUB_BASE_REF="main")
    assert (run.returncode, "authorize failed (exit status 4)" in run.stdout) == (1, True), run.all
    run = repository.run("formulac-ci --steps authorize --base origin/main")
    assert (run.returncode, "authorize failed (exit status 2)" in run.stdout) == (1, True), run.all


def test_options_that_are_wrong(repository):
    run = repository.run("formulac-ci --steps check,deploy")
    assert (run.returncode, "unknown step `deploy`" in run.stderr) == (2, True)


@pytest.mark.parametrize(
    ("host", "created", "updated", "token"),
    [
        ("github", "/repos/shops/dbt/issues/5/comments", "PATCH /repos/shops/dbt/issues/comments/1120", "Authorization"),
        ("gitlab", "/projects/7/merge_requests/5/notes", "PUT /projects/7/merge_requests/5/notes/1120", "Private-Token"),
    ],
)
def test_one_comment(repository, api, host, created, updated, token):
    repository.write("metrics/takings.yml", SPEC.replace("SUM(", "MAX("))
    env = repository.request(api, host)
    run = repository.run("formulac-ci --comment", **env)
    assert run.returncode == 1
    assert [(method, path) for method, path, _ in api.asked] == [("POST", created)]
    text = api.comments[-1]["body"]
    assert "**formulac**: Failed: generate" in text
    assert "### takings" in text
    assert "MAX(amount)" in text
    repository.commit()
    run = repository.run("formulac-ci --comment", **env)
    assert run.returncode == 0, run.all
    method, path, headers = api.asked[-1]
    assert (len(api.asked), f"{method} {path}") == (2, updated)
    assert "secret" in {name.lower(): value for name, value in headers.items()}[token.lower()]
    assert "All checks pass." in api.comments[-1]["body"]


def test_without_the_right_to_comment(repository, api):
    env = repository.request(api, "github")
    run = repository.run("formulac-ci --comment", **{**env, "GITHUB_API_URL": "http://127.0.0.1:1"})
    assert (run.returncode, "no comment is posted" in run.stdout) == (0, True), run.all
    assert "All checks pass." in Path(env["GITHUB_STEP_SUMMARY"]).read_text()


def test_the_github_action(repository, api, tmp_path):
    action = yaml.safe_load((ROOT / "integrations/github/action.yml").read_text())
    inputs = {name: it["default"] for name, it in action["inputs"].items()}
    inputs.update({"sarif": "true", "deny-warnings": "true", "fail-on": "breaking", "token": "secret"})
    install, check, upload = action["runs"]["steps"]
    assert "upload-sarif" in upload["uses"]

    def value(text):
        return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda it: inputs[it[1]], text)

    def step(of):
        env = {name: value(text) for name, text in of["env"].items()}
        places = {"RUNNER_TEMP": str(tmp_path), "GITHUB_PATH": str(tmp_path / "path")}
        # Install the wheel that this run built instead of the wheel from PyPI.
        index = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(BIN.parent)}
        return repository.run(of["run"], **{**repository.request(api, "github"), **env, **places, **index})

    run = step(install)
    assert run.returncode == 0, run.all
    installed = Path((tmp_path / "path").read_text().strip())
    assert (installed / "formulac-ci").exists()
    repository.env["PATH"] = f"{installed}{os.pathsep}{repository.env['PATH']}"
    run = step(check)
    assert run.returncode == 0, run.all
    assert (repository.folder.parent / "formulac.sarif").exists()
    assert "All checks pass." in api.comments[-1]["body"]
    repository.break_spec()
    assert step(check).returncode == 1


def test_the_gitlab_template(repository, api):
    template = yaml.safe_load((ROOT / "integrations/gitlab/formulac.gitlab-ci.yml").read_text())
    job = template["formulac"]
    repository.run("git clone --quiet --bare . ../origin.git && git remote add origin ../origin.git")
    fetch = [line for line in job["before_script"] if "git fetch" in line]
    env = {**{name: str(it) for name, it in template["variables"].items()}, **repository.request(api, "gitlab")}
    run = repository.run("\n".join([*fetch, *job["script"]]), **env)
    assert run.returncode == 0, run.all
    assert all((repository.folder / path).exists() for path in job["artifacts"]["paths"])
    assert "All checks pass." in api.comments[-1]["body"]


def test_the_hooks(repository):
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    example = yaml.safe_load((ROOT / "integrations/pre-commit/.pre-commit-config.yaml").read_text())
    assert [hook["id"] for hook in hooks] == [hook["id"] for hook in example["repos"][0]["hooks"]]
    assert [repository.run(hook["entry"]).returncode for hook in hooks] == [0, 0]
    repository.break_spec()
    assert [repository.run(hook["entry"]).returncode for hook in hooks] == [1, 1]


@pytest.mark.parametrize(
    ("schema", "files"),
    [
        ("vendor.github-actions", "integrations/github/action.yml"),
        ("vendor.gitlab-ci", "integrations/gitlab/*.yml"),
        ("vendor.github-workflows", ".github/workflows/*.yml"),
    ],
)
def test_files_follow_their_schemas(schema, files):
    found = list(ROOT.glob(files))
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, *found]
    assert found
    assert subprocess.run(command).returncode == 0


def test_the_guide(repository, tmp_path):
    page = (ROOT / "docs/guides/ci.md").read_text()
    blocks = re.findall(r"```yaml\n(.*?)```", page, re.S)
    hooks, workflow, included = [yaml.safe_load(text) for text in blocks]
    assert hooks == yaml.safe_load((ROOT / "integrations/pre-commit/.pre-commit-config.yaml").read_text())
    (tmp_path / "workflow.yml").write_text(blocks[1])
    schema = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows"]
    assert subprocess.run([*schema, tmp_path / "workflow.yml"]).returncode == 0
    action = workflow["jobs"]["formulac"]["steps"][-1]
    inputs = yaml.safe_load((ROOT / "integrations/github/action.yml").read_text())["inputs"]
    assert set(action["with"]) <= set(inputs)
    assert all(f"`{name}`" in page for name in inputs)
    version = inputs["version"]["default"]
    assert action["uses"].endswith(f"/integrations/github@v{version}")
    assert included["include"][0]["remote"].endswith(f"/v{version}/integrations/gitlab/formulac.gitlab-ci.yml")
    run = repository.run(f"formulac-ci --base main {included['variables']['FORMULAC_OPTIONS']}")
    assert run.returncode == 0, run.all


def test_versions_of_templates():
    version = re.search(r'^version = "(.*)"$', (ROOT / "Cargo.toml").read_text(), re.M)[1]
    for name in ["pyproject.toml", "integrations/github/action.yml", "integrations/gitlab/formulac.gitlab-ci.yml", "packaging/Containerfile"]:
        assert version in (ROOT / name).read_text(), name
    assert f"rev: v{version}\n" in (ROOT / "integrations/pre-commit/.pre-commit-config.yaml").read_text()
