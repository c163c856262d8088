"""The kinds of equipment by their class name."""

from __future__ import annotations

from collections.abc import Mapping

from fake_plc.equipment.coater import Coater
from fake_plc.equipment.machine import Machine

KINDS: Mapping[str, type[Machine]] = {kind.kind: kind for kind in (Coater,)}
