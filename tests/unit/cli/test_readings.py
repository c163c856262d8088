"""Readings on a screen of 80 columns, and values in words."""

import io
from typing import Any

import pytest
from rich.console import Console

from gateway.cli.readings import readings_table
from gateway.cli.words import age_text, ago_text, counted, moment_text, plain, value_text

NOW = 1_800_000_000_000_000_000  # 2027-01-15T08:00:00Z
SECOND = 1_000_000_000
PLACE = "wroclaw/electrode/line-1/coater-1"


def reading(tag: str, value: Any, **changes: Any) -> dict[str, Any]:
    """As the API gives it; `status`, `unit`, `age` and `gap` may be changed."""
    sample = {"value": value, "masked": changes.get("masked", False), "source_time_ns": NOW - changes.get("age", 1) * SECOND}
    return {
        "path": f"{PLACE}/{tag}",
        "unit": changes.get("unit"),
        "status": {"name": changes.get("status", "Good"), "severity": "good", "overflow": changes.get("overflow", False)},
        "sample": None if value is ... else sample,
        "gap": {"reason": changes["gap"]} if "gap" in changes else None,
    }


KINDS = [
    reading("Process/CoatWeight", 183.49999237060547, unit="g/m2"),
    reading("Process/Running", True),
    reading("Process/Profile", [0.07999999821186066, 12.5, 1e-9, *range(40)], unit="mm", age=-100),
    reading("Status/Message", {"locale": "pl-PL", "text": "Rolka wymieniona, szpula dwa, zmiana nocna, brygada C"}),
    reading("Status/Note", "two\nlines\tand a very long text that goes on and on and on without any end at all"),
    reading("Ident/SerialNumber", "PL-0042"),
    reading("Counters/Total", 18446744073709551615, unit="m", age=90_000),
    reading("Recipe/Active/CoatSpeed", None, masked=True, unit="m/min"),
    reading("Process/Gone", ..., status="BadWaitingForInitialData"),
    reading("Process/Old", 7.25, status="UncertainLastUsableValue", gap="disconnected", age=400),
    reading("Process/Matrix", {"dimensions": [2, 2], "values": [1.0, 2.0, 3.0, 4.0]}, overflow=True),
    reading("Process/Struct", {"typeId": "i=3", "body": "AAAA" * 40}),
]


def rendered(readings: list[dict[str, Any]], width: int) -> list[str]:
    out = io.StringIO()
    Console(file=out, width=width, highlight=False).print(readings_table(readings, NOW, width=width))
    return [line.rstrip() for line in out.getvalue().splitlines()]


def test_80_columns_have_one_line_a_tag_and_all_that_matters() -> None:
    lines = rendered(KINDS, 80)
    assert lines[0] == PLACE
    assert len(lines) == len(KINDS) + 2
    assert all(len(line) <= 80 for line in lines)
    shown = dict(zip((item["path"].removeprefix(f"{PLACE}/") for item in KINDS), lines[2:], strict=True))
    for tag, line in shown.items():
        assert line.startswith(tag)
    for tag, words in {
        "Process/CoatWeight": ("183.5", "g/m2", "Good", "1.0 s"),
        "Process/Running": ("true",),
        "Process/Profile": ("[0.08, 12", "…", "mm", "100.0 s ahead"),
        "Status/Message": ("Rolka wym", "…"),
        "Status/Note": ("two·lines", "…"),
        "Counters/Total": ("m", "25.0 h"),
        "Recipe/Active/CoatSpeed": ("(masked)", "m/min"),
        "Process/Gone": ("—", "BadWaitingForInitialData", "never"),
        "Process/Old": ("7.25", "UncertainLastUsableValue", "6.7 min"),
        "Process/Matrix": ("Good +overflow",),
    }.items():
        assert all(word in shown[tag] for word in words), shown[tag]


def test_a_wide_screen_shows_the_gap_and_nothing_is_cut_where_nobody_looks() -> None:
    assert any("disconnected" in line for line in rendered(KINDS, 130))
    out = io.StringIO()
    Console(file=out, width=200).print(readings_table(KINDS, NOW))
    assert f"{PLACE}/Process/Old" in out.getvalue()
    assert "disconnected" in out.getvalue()


@pytest.mark.parametrize("width", [20, 40, 60, 80, 81, 100, 132, 200])
def test_no_width_breaks_a_line(width: int) -> None:
    narrow = [reading("A/Rather/Long/Path/Of/A/Tag/Below/Its/Equipment", 1.0, status="UncertainNoCommunicationLastUsableValue")]
    lines = rendered([*KINDS, *narrow], width)[-len(KINDS) - 1 :]
    assert all(len(line) <= width for line in lines)
    assert "Equip" in lines[-1] or width < 80


def test_the_long_status_is_whole_at_80_columns() -> None:
    (line,) = rendered([reading("Process/CoatWeight", 1.0, status="UncertainNoCommunicationLastUsableValue", unit="g/m2")], 80)[
        2:
    ]
    assert "UncertainNoCommunicationLastUsableValue" in line


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (0.07999999821186066, "0.08"),
        (True, "true"),
        ([1.0, False], "[1, false]"),
        ({"locale": None, "text": "ä"}, "ä"),
        ({"locale": "de", "text": None}, "—"),
        ({"namespace": 2, "name": "x"}, "2:x"),
        ("NaN", "NaN"),
        (2**64 - 1, "18446744073709551615"),
        ({"type": "DOUBLE", "value": 0.5}, "{type: DOUBLE, value: 0.5}"),
    ],
)
def test_values_in_words(value: Any, words: str) -> None:
    assert plain(value) == words
    assert value_text({"masked": False, "value": value}) == words


def test_times_in_words() -> None:
    assert ago_text(NOW, NOW - 3 * SECOND) == "3.0 s ago"
    assert ago_text(NOW, NOW + 100 * SECOND) == "100.0 s ahead"
    assert (age_text(NOW, None), age_text(NOW, NOW + 600 * SECOND)) == ("never", "10.0 min ahead")
    assert moment_text(NOW - 5 * SECOND, NOW) == "07:59:55"
    assert moment_text(NOW - 86_400 * SECOND, NOW) == "2027-01-14 08:00:00"
    assert (counted(1, "site"), counted(2, "site"), counted(2, "piece", "pieces of it")) == (
        "1 site",
        "2 sites",
        "2 pieces of it",
    )
