"""Building the push service: the ledger, the parser of documents, and the overlays of the configuration."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import structlog

from gateway.documents import load_recipe, parse_recipes
from gateway.plant.equipment_class import Plant
from gateway.plant.ports import Clock, Dialer
from gateway.recipes.recipe import SiteOverlay
from gateway.recipes.service import PushEvent, PushService
from gateway.store.sqlite.directory import DataDirectory
from gateway.store.sqlite.ledger import open_ledger

_log = structlog.get_logger(__name__)


class Overlays:
    """The site overlays in `overlays/` of the configuration, read at each look-up: they are few and small."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory / "overlays"

    def __call__(self, site: str, recipe: str, version: str) -> SiteOverlay | None:
        """The overlay of a site for one version of a recipe, or None.

        Raises:
            ConfigurationError: a file there is malformed.
        """
        for path in sorted(self._directory.glob("*.yaml")):
            for document in load_recipe(path):
                if not isinstance(document, SiteOverlay) or document.site != site:
                    continue
                if (document.recipe_id, document.recipe_version) == (recipe, version):
                    return document
        return None


def _observe(event: PushEvent) -> None:
    level = _log.error if event.fault is not None else _log.info
    level(
        "push", push=event.push, equipment=event.equipment, recipe=event.recipe, state=event.state, reason=event.reason,
        exc_info=event.fault,
    )  # fmt: skip


@asynccontextmanager
async def open_pushes(
    data: DataDirectory, dialer: Dialer, clock: Clock, plant: Callable[[], Plant], config_dir: Path
) -> AsyncIterator[PushService]:
    """Open the ledger and carry out what it holds open, until the block ends."""
    async with open_ledger(data.ledger) as ledger:
        service = PushService(
            journal=ledger, dialer=dialer, clock=clock, plant=plant, parse=parse_recipes, overlays=Overlays(config_dir),
            observe=_observe,
        )  # fmt: skip
        async with service:
            yield service
