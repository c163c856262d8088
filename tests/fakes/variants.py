"""Binary Variants made from Python values, for tests: the gateway itself only reads them."""

from typing import Any

import numpy as np

from gateway.plant.values import FIXED, DataType


def encode_fixed(type: DataType, value: Any) -> bytes:
    """The binary Variant of one scalar of a `FIXED` type."""
    return bytes((type,)) + np.asarray(value, FIXED[type]).tobytes()
