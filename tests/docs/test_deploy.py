"""What deploy/ promises: no privileges, no default passwords, nothing that listens to everyone, and files that exist."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from tests.docs.repository import ROOT, read

COMPOSE: dict[str, Any] = yaml.safe_load(read("deploy/container/compose.yaml"))
CONTAINERFILE = read("deploy/container/Containerfile")


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_a_service_has_no_more_rights_than_it_needs(name: str) -> None:
    """Read-only, without capabilities, reachable from this machine only, without a password in clear."""
    service = COMPOSE["services"][name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "no-new-privileges:true" in service["security_opt"]
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    secret = re.compile("PASSWORD|SECRET|TOKEN|KEY")
    environment: dict[str, str] = service.get("environment", {})
    assert [key for key in environment if secret.search(key) and not key.endswith("__FILE")] == []


@pytest.mark.parametrize("name", COMPOSE["services"])
def test_an_image_from_elsewhere_is_pinned(name: str) -> None:
    """What runs tomorrow is what ran today."""
    service = COMPOSE["services"][name]
    assert "build" in service or re.search(r":v?\d+\.\d+\.\d+$", service["image"])


def test_the_container_is_not_root_and_says_how_it_is() -> None:
    """A numeric user, so that an orchestrator can tell that it is not root."""
    user = re.findall(r"^USER (\S+)$", CONTAINERFILE, re.MULTILINE)[-1]
    assert user.partition(":")[0].isdecimal()
    assert int(user.partition(":")[0]) > 0
    assert "HEALTHCHECK" in CONTAINERFILE
    assert "/livez" in CONTAINERFILE


def test_the_container_gets_every_file_it_copies() -> None:
    """Each source exists and passes .dockerignore; what the package is made from is among them."""
    kept = [line[1:] for line in read(".dockerignore").splitlines() if line.startswith("!")]
    copies = re.findall(r"^COPY (?!--from)(.+) \S+$", CONTAINERFILE, re.MULTILINE)
    sources = [source for line in copies for source in line.split()]
    assert [source for source in sources if not (ROOT / source).exists() or source not in kept] == []
    project = tomllib.loads(read("pyproject.toml"))
    data = {pattern.split("/")[0] for patterns in project["tool"]["setuptools"]["data-files"].values() for pattern in patterns}
    assert data <= set(sources)
    assert {project["project"]["readme"], *project["project"]["license-files"]} <= set(sources)


def test_the_unit_and_the_container_agree() -> None:
    """One set of paths in both, so that one page of docs serves both."""
    unit = read("deploy/systemd/gateway.service")
    for name in ("GATEWAY_CONFIG_DIR", "GATEWAY_DATA_DIR"):
        (in_unit,) = re.findall(rf"\b{name}=(\S+)", unit)
        (in_container,) = re.findall(rf"\b{name}=(\S+)", CONTAINERFILE)
        assert in_unit == in_container


def test_every_dependency_is_pinned() -> None:
    """constraints.txt names one version of everything that pyproject.toml asks for."""
    project = tomllib.loads(read("pyproject.toml"))["project"]
    wanted = [*project["dependencies"], *(each for extra in project["optional-dependencies"].values() for each in extra)]
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in read("constraints.txt").splitlines() if "==" in line}
    names = {re.split(r"[^\w.-]", each, maxsplit=1)[0].lower().replace("_", "-") for each in wanted}
    assert names - pinned == set()


def test_make_targets_that_pages_name_exist() -> None:
    """README and docs name no target that is gone; the two that a newcomer needs are in the README."""
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    for page in ("README.md", "docs/operations.md", "docs/README.md"):
        assert set(re.findall(r"\bmake ([a-z]+)\b(?=`|$|\s*#)", read(page), re.MULTILINE)) <= targets
    assert {"`make demo`", "`make test`"} <= set(re.findall(r"`make [a-z]+`", read("README.md")))
    phony = set(" ".join(re.findall(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)).split())
    assert phony == targets
