"""Nothing in the repository depends on the machine it was written on, or on where packages come from."""

import re

from tests.docs.repository import name_of, tracked

_HOSTS = ("pypi.org", "pythonhosted.org", "npmjs.org", "npmjs.com", "docker.io", "ghcr.io", "quay.io", "deb.debian.org")
#: Home and work directories of particular machines. Written so that this file does not name one.
_MACHINE_PATH = re.compile(r"(?<![\w.}/-])/(?:work|root|home/\w+|Users/\w+)/\w")
_TEXT_SUFFIXES = {".py", ".md", ".toml", ".txt", ".yml", ".yaml", ".json", ".js", ".sql", ".service", ".npmrc", ".in", ""}


def test_no_machine_paths_and_no_registry_hosts() -> None:
    """Each finding as file:line."""
    found = []
    for path in tracked():
        if path.suffix not in _TEXT_SUFFIXES or name_of(path) == "tests/docs/test_tracked_files.py":
            continue
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
            if _MACHINE_PATH.search(line) or any(host in line for host in _HOSTS):
                found.append(f"{name_of(path)}:{number}: {line.strip()[:120]}")
    assert found == []
