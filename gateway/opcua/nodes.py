"""NodeIds as texts with namespace URIs (`nsu=<uri>;s=…`), translated by the NamespaceArray of the present session.

Namespace indexes may change with every restart of a server, so none ever leaves this room.
"""

from collections.abc import Sequence

from asyncua import ua

from gateway.errors import DecodingFailed

BAD_NODE_ID_UNKNOWN = 0x8034_0000


class Namespaces:
    """The server's NamespaceArray, read at the beginning of every session."""

    def __init__(self, uris: Sequence[str]) -> None:
        self.uris = tuple(uris)
        self._index = {uri: number for number, uri in reversed(list(enumerate(uris)))}

    def index(self, uri: str) -> int | None:
        """The present index of a namespace, or None where the server has none of that URI."""
        return self._index.get(uri)

    def text(self, node: ua.NodeId) -> str:
        """`nsu=<uri>;<id>`; without `nsu` in the standard's own namespace."""
        short = ua.NodeId(node.Identifier, 0, node.NodeIdType).to_string()
        if node.NamespaceIndex == 0:
            return short
        if node.NamespaceIndex >= len(self.uris):
            raise DecodingFailed(
                f"the server names a node in namespace {node.NamespaceIndex} and has only {len(self.uris)} namespaces"
            )
        return f"nsu={self.uris[node.NamespaceIndex].replace('%', '%25').replace(';', '%3B')};{short}"

    def node(self, text: str) -> ua.NodeId | None:
        """The NodeId in the present session, or None where its namespace is missing.

        Raises:
            ValueError: the text is no NodeId.
        """
        number, short = 0, text
        if text.startswith("nsu="):
            uri, separator, short = text[4:].partition(";")
            if not separator:
                raise ValueError(f"'{text}' is no NodeId: write nsu=<namespace URI>;s=<identifier>")
            found = self.index(uri.replace("%3B", ";").replace("%25", "%"))
            if found is None:
                return None
            number = found
        try:
            node = ua.NodeId.from_string(short)
        except ua.UaError as fault:
            raise ValueError(f"'{text}' is no NodeId: write nsu=<namespace URI>;s=<identifier>") from fault
        return ua.NodeId(node.Identifier, number, node.NodeIdType)
