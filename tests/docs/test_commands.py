"""The command line and its page agree, and no page shows a command that does not exist."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

import fake_plc.cli
import gateway.cli.app
from tests.docs.repository import name_of, pages, read

#: Typer carries its own copy of click, whose classes have no public name.
Command = Any

PROGRAMS: dict[str, Command] = {
    "gateway": typer.main.get_command(gateway.cli.app.app),
    "fake-plc": typer.main.get_command(fake_plc.cli.app),
}
#: A command in a code block or between backticks, up to a pipe, a comment or the end.
_SHOWN = re.compile(r"(?:^\s*(?:\$ |sudo |exec )?|[`(])(?:[\w./-]*/bin/)?(gateway|fake-plc) ([^`|#;&>\n]+)", re.MULTILINE)
_CODE = re.compile(r"^```.*?^```|`[^`\n]+`", re.DOTALL | re.MULTILINE)


def walk(command: Command, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Every command that does something."""
    children = getattr(command, "commands", None)
    if children is None:
        yield path
        return
    for name, child in children.items():
        if not child.hidden:
            yield from walk(child, (*path, name))


def shown(text: str) -> Iterator[tuple[str, str]]:
    """Program and the rest of the line of every command in a page's code."""
    for code in _CODE.findall(text):
        yield from _SHOWN.findall(code)


def complaint(program: str, line: str) -> str | None:
    """What is wrong with a command line, or None."""
    command: Command = PROGRAMS[program]
    words = line.replace("\\", " ").split()
    while words and (children := getattr(command, "commands", None)) is not None:
        name = words.pop(0)
        if name.startswith("-"):
            return None
        alternatives = name.split("|")
        if any(alternative not in children for alternative in alternatives):
            return f"{program} {line.strip()}: no command '{name}'" if re.fullmatch(r"[a-z-]+", name) else None
        command = children[alternatives[0]]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help", "-h"}
    strange = [word for word in words if re.match(r"--[a-z]", word) and word.strip("[],.").split("=")[0] not in known]
    return f"{program} {line.strip()}: unknown {', '.join(strange)}" if strange else None


@pytest.mark.parametrize(
    "command", [path for program, command in PROGRAMS.items() for path in walk(command, (program,))], ids=" ".join
)
def test_every_command_is_documented(command: tuple[str, ...]) -> None:
    """`gateway` in docs/cli.md; `fake-plc` in any page."""
    places = [read("docs/cli.md")] if command[0] == "gateway" else [page.read_text() for page in pages()]
    assert any(re.search(rf"{re.escape(' '.join(command))}\b", text) for text in places)


@pytest.mark.parametrize("page", pages(), ids=name_of)
def test_no_page_shows_a_command_that_does_not_exist(page: Path) -> None:
    """Commands and their long options."""
    assert [fault for program, line in shown(page.read_text()) if (fault := complaint(program, line))] == []
