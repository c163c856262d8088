"""Values on the move: OPC UA built-in types, status codes, and columnar batches of data changes.

A batch is the unit from the wire to the disk. Timestamps are nanoseconds since the Unix epoch (UTC) in int64.
Value, status, source time and server time of one change travel in the same row and are never recombined.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray


class DataType(IntEnum):
    """OPC UA built-in types by their encoding id (OPC 10000-6, 5.1.2)."""

    NULL = 0
    BOOLEAN = 1
    SBYTE = 2
    BYTE = 3
    INT16 = 4
    UINT16 = 5
    INT32 = 6
    UINT32 = 7
    INT64 = 8
    UINT64 = 9
    FLOAT = 10
    DOUBLE = 11
    STRING = 12
    DATETIME = 13
    GUID = 14
    BYTESTRING = 15
    XMLELEMENT = 16
    NODEID = 17
    EXPANDEDNODEID = 18
    STATUSCODE = 19
    QUALIFIEDNAME = 20
    LOCALIZEDTEXT = 21
    EXTENSIONOBJECT = 22
    DATAVALUE = 23
    VARIANT = 24
    DIAGNOSTICINFO = 25


#: Scalars of fixed size travel as one NumPy column; a DateTime as its 100 ns ticks since 1601 (lossless).
FIXED: Final[dict[DataType, np.dtype[Any]]] = {
    DataType.BOOLEAN: np.dtype("u1"),
    DataType.SBYTE: np.dtype("i1"),
    DataType.BYTE: np.dtype("u1"),
    DataType.INT16: np.dtype("<i2"),
    DataType.UINT16: np.dtype("<u2"),
    DataType.INT32: np.dtype("<i4"),
    DataType.UINT32: np.dtype("<u4"),
    DataType.INT64: np.dtype("<i8"),
    DataType.UINT64: np.dtype("<u8"),
    DataType.FLOAT: np.dtype("<f4"),
    DataType.DOUBLE: np.dtype("<f8"),
    DataType.DATETIME: np.dtype("<i8"),
    DataType.STATUSCODE: np.dtype("<u4"),
}

#: What each integer type holds, both ends included.
INTEGERS: Final[dict[DataType, tuple[int, int]]] = {
    DataType.SBYTE: (-(2**7), 2**7 - 1),
    DataType.BYTE: (0, 2**8 - 1),
    DataType.INT16: (-(2**15), 2**15 - 1),
    DataType.UINT16: (0, 2**16 - 1),
    DataType.INT32: (-(2**31), 2**31 - 1),
    DataType.UINT32: (0, 2**32 - 1),
    DataType.INT64: (-(2**63), 2**63 - 1),
    DataType.UINT64: (0, 2**64 - 1),
}

# Status codes the gateway itself gives or recognises (OPC 10000-4, 7.39; OPC 10000-8 for the uncertain ones).
GOOD: Final = 0x0000_0000
UNCERTAIN_NO_COMMUNICATION_LAST_USABLE: Final = 0x408F_0000
BAD_NO_COMMUNICATION: Final = 0x8031_0000
BAD_WAITING_FOR_INITIAL_DATA: Final = 0x8032_0000
#: InfoType DataValue plus the Overflow bit: values before this one were lost in the server's queue (OPC 10000-4, 7.39.1).
OVERFLOW_BITS: Final = 0x0000_0480


def is_good(status: int) -> bool:
    """True for severity Good (top two bits 00)."""
    return status >> 30 == 0


def is_bad(status: int) -> bool:
    """True for severity Bad (top bit set)."""
    return status >> 31 == 1


class Flag(IntEnum):
    """Bits of the `flags` column: what the gateway did to a row's times, and where the row came from."""

    SOURCE_TIME_ABSENT = 1  #: the source time is the server's, or else the receive time
    SERVER_TIME_ABSENT = 2  #: the server time is the receive time
    BACKFILLED = 4  #: read from the server's history after an outage


@dataclass(frozen=True, slots=True)
class Ragged:
    """A column of values of varying size: row i is the OPC UA binary Variant `data[offsets[i]:offsets[i + 1]]`."""

    offsets: NDArray[np.uint32]
    data: bytes

    @classmethod
    def of(cls, encoded: Sequence[bytes]) -> "Ragged":
        """Join encoded Variants into one column."""
        offsets = np.zeros(len(encoded) + 1, np.uint32)
        np.cumsum([len(item) for item in encoded], out=offsets[1:])
        return cls(offsets, b"".join(encoded))

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __iter__(self) -> Iterator[bytes]:
        for start, end in pairwise(self.offsets.tolist()):
            yield self.data[start:end]

    def take(self, rows: NDArray[np.intp]) -> "Ragged":
        """The given rows, in that order."""
        bounds = self.offsets
        return Ragged.of([self.data[bounds[row] : bounds[row + 1]] for row in rows.tolist()])


@dataclass(frozen=True, slots=True)
class Changes:
    """A batch of data changes of one endpoint, one row a change, all of one value type, in order of arrival.

    `type` names the type of the `values` column: a key of `FIXED` (a NumPy column of that dtype), or
    `DataType.VARIANT`, where `values` is `Ragged` and every row carries its own type in its encoding byte.
    `tag` holds the twin's tag numbers; times are ns since the Unix epoch; `flags` are `Flag` bits.
    """

    type: DataType
    tag: NDArray[np.uint32]
    source_time: NDArray[np.int64]
    server_time: NDArray[np.int64]
    received_time: NDArray[np.int64]
    status: NDArray[np.uint32]
    flags: NDArray[np.uint8]
    values: NDArray[Any] | Ragged

    def __len__(self) -> int:
        return len(self.tag)

    def take(self, rows: NDArray[np.intp]) -> "Changes":
        """The given rows, in that order."""
        values = self.values.take(rows)
        return Changes(
            self.type, self.tag[rows], self.source_time[rows], self.server_time[rows],
            self.received_time[rows], self.status[rows], self.flags[rows], values,
        )  # fmt: skip

    @property
    def nbytes(self) -> int:
        """Memory the columns hold, for caps on buffers."""
        values = len(self.values.data) + self.values.offsets.nbytes if isinstance(self.values, Ragged) else self.values.nbytes
        return int(values) + 33 * len(self)


@dataclass(frozen=True, slots=True)
class Sample:
    """One stored change, for readers. `value` is a Python value (see `plant.variant.to_python`), None for a null.

    A matrix is a `variant.Matrix`, a structure a `variant.Structure` (its bytes with their type id).
    """

    value: Any
    type: DataType  #: the type of `value`; for an array the type of its elements
    status: int
    source_time: int
    server_time: int
    received_time: int
    flags: int
