"""ISA-95 places as paths: `site/area/line/equipment`, and twin paths below them (`…/Process/CoatWeight`)."""

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import lru_cache

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*\Z")


def is_name(text: str) -> bool:
    """True when `text` can be one step of a place: a letter or digit, then letters, digits, `_`, `.` or `-`."""
    return _NAME.match(text) is not None


@dataclass(frozen=True, slots=True, order=True)
class EquipmentPath:
    """Where a piece of equipment stands (ISA-95: site, area, line as work centre, equipment as work unit)."""

    site: str
    area: str
    line: str
    equipment: str

    def __str__(self) -> str:
        return f"{self.site}/{self.area}/{self.line}/{self.equipment}"

    @classmethod
    def parse(cls, text: str) -> "EquipmentPath":
        """Read `site/area/line/equipment`.

        Raises:
            ValueError: it has not exactly four well-formed names.
        """
        parts = text.strip("/").split("/")
        if len(parts) != 4 or not all(map(is_name, parts)):
            raise ValueError(
                f"'{text}' is no equipment path: write site/area/line/equipment, such as ochang/electrode/line-1/coater-1"
            )
        return cls(*parts)


@lru_cache(maxsize=256)
def _pattern(pattern: str) -> re.Pattern[str]:
    return re.compile(translate(pattern))


def matches(pattern: str, path: str) -> bool:
    """True when `path` equals `pattern`, lies below it, or fits its wildcards (`*` spans steps, `?`, `[…]`)."""
    pattern = pattern.strip("/")
    return pattern in ("", path) or path.startswith(pattern + "/") or _pattern(pattern).match(path) is not None
