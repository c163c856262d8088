"""The kinds of equipment by their class name."""

from __future__ import annotations

from collections.abc import Mapping

from fake_plc.equipment.calender import Calender
from fake_plc.equipment.coater import Coater
from fake_plc.equipment.formation import FormationCharger
from fake_plc.equipment.machine import Machine
from fake_plc.equipment.mixer import Mixer
from fake_plc.equipment.stacker import Stacker

KINDS: Mapping[str, type[Machine]] = {kind.kind: kind for kind in (Mixer, Coater, Calender, Stacker, FormationCharger)}
"""Class name → machine."""
