"""Node ids and folders in the style of one site's controller."""

from __future__ import annotations

from collections.abc import Sequence

from asyncua import ua

from fake_plc.node_builder import NodeBuilder
from fake_plc.plant_table import NodeIdStyle

FIRST_NUMERIC_ID = 5000


class Naming:
    """Makes node ids from browse paths, and the folders on the way, in one namespace."""

    def __init__(self, builder: NodeBuilder, namespace: int, style: NodeIdStyle) -> None:
        self._builder = builder
        self._style = style
        self._folders: dict[tuple[str, ...], ua.NodeId] = {}
        self._ids: dict[tuple[str, ...], ua.NodeId] = {}
        self.namespace = namespace

    def node_id(self, path: Sequence[str]) -> ua.NodeId:
        """The node id of a browse path below Objects; stable for the same order of calls."""
        key = tuple(path)
        if key not in self._ids:
            self._ids[key] = ua.NodeId(self._identifier(key), self.namespace)
        return self._ids[key]

    def _identifier(self, key: tuple[str, ...]) -> str | int:
        if self._style == "numeric":
            return FIRST_NUMERIC_ID + len(self._ids)
        if self._style == "quoted":
            return ".".join(f'"{part}"' for part in key)
        return ".".join(key)

    def name(self, text: str) -> ua.QualifiedName:
        """A browse name in this namespace."""
        return ua.QualifiedName(text, self.namespace)

    def folder(self, path: Sequence[str], *, description: str = "", events: bool = False) -> ua.NodeId:
        """The object at ``path``, made with everything above it where absent."""
        key = tuple(path)
        if not key:
            return ua.NodeId(ua.ObjectIds.ObjectsFolder)
        if key not in self._folders:
            parent = self.folder(key[:-1])
            self._folders[key] = self._builder.add_object(
                parent, self.node_id(key), self.name(key[-1]), description=description, organizes=len(key) == 1, events=events
            )
        return self._folders[key]
