"""Links lead somewhere, and every page can be found."""

import re
from pathlib import Path

import pytest

from tests.docs.repository import ROOT, anchors, name_of, pages, prose

_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
#: A file of the repository named in running text, such as `docs/metrics.md`.
_NAMED = re.compile(r"`((?:docs|deploy|config|tests|gateway|fake_plc)/[\w./-]*\.\w+)`")


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_links_resolve(page: Path) -> None:
    """Files exist; sections too."""
    broken = []
    for link in _LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_files_named_in_the_text_exist(page: Path) -> None:
    """A file that was moved is moved in the text too."""
    assert [name for name in _NAMED.findall(prose(page)) if not (ROOT / name).exists()] == []


def test_every_page_of_docs_is_in_its_table_of_contents() -> None:
    """docs/README.md leads to each page and each decision."""
    contents = ROOT / "docs" / "README.md"
    linked = {(contents.parent / link.partition("#")[0]).resolve() for link in _LINK.findall(prose(contents))}
    assert [name_of(page) for page in pages() if page.is_relative_to(contents.parent) and page not in {contents, *linked}] == []
