"""Process values ↔ OPC UA values: exact types, a site's units and scaling, and the sensor's resolution."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from asyncua import ua

from fake_plc.plant_table import Scaling
from fake_plc.signals import PlainValue, Range, Signal, TypeName

ENUMERATION_TYPE = "Enumeration"
INTEGER_BOUNDS: Mapping[str, tuple[int, int]] = {
    "SByte": (-(2**7), 2**7 - 1), "Byte": (0, 2**8 - 1), "Int16": (-(2**15), 2**15 - 1), "UInt16": (0, 2**16 - 1),
    "Int32": (-(2**31), 2**31 - 1), "UInt32": (0, 2**32 - 1), "Int64": (-(2**63), 2**63 - 1), "UInt64": (0, 2**64 - 1),
    ENUMERATION_TYPE: (-(2**31), 2**31 - 1),
}  # fmt: skip


def variant_type(type_name: TypeName | str) -> ua.VariantType:
    """The built-in type on the wire."""
    if type_name == ENUMERATION_TYPE:
        return ua.VariantType.Int32
    if type_name == "Structure":
        return ua.VariantType.ExtensionObject
    return ua.VariantType[type_name.split("[")[0]]


def convert_unit(value: float, source: str, target: str) -> float:
    """``value`` from one unit to another. ValueError for a pair that is not convertible here."""
    if source == target:
        return value
    if (source, target) == ("degC", "degF"):
        return value * 9.0 / 5.0 + 32.0
    raise ValueError(f"no conversion from {source} to {target}")


def site_range(signal: Signal, scaling: Scaling | None) -> Range | None:
    """EURange as the site shows it: converted and, where scaled, in raw counts."""
    if signal.range is None or scaling is None:
        return signal.range
    low, high = (
        (convert_unit(bound, signal.unit, scaling.unit) - scaling.offset) / scaling.scale
        for bound in (signal.range.low, signal.range.high)
    )
    return Range(min(low, high), max(low, high))


def converter(signal: Signal, scaling: Scaling | None, locale: str) -> Callable[[PlainValue], Any]:
    """A function from the class's value of ``signal`` to what the site's controller holds."""
    if scaling is not None:
        return _scaled(signal, scaling)
    name = signal.type
    if name in INTEGER_BOUNDS:
        low, high = INTEGER_BOUNDS[name]
        return lambda value: max(low, min(high, round(cast("float", value))))
    if name in ("Float", "Double"):
        return lambda value: round(float(cast("float", value)), signal.digits)
    if name == "Float[]":
        return lambda value: [round(item, signal.digits) for item in cast("Sequence[float]", value)]
    if name == "Float[][]":
        return lambda value: [[round(item, signal.digits) for item in row] for row in cast("Sequence[Sequence[float]]", value)]
    if name == "LocalizedText":
        return lambda value: ua.LocalizedText(translate(str(value), locale), locale)
    return lambda value: value


def _scaled(signal: Signal, scaling: Scaling) -> Callable[[PlainValue], Any]:
    integral = scaling.type in INTEGER_BOUNDS
    low, high = INTEGER_BOUNDS.get(scaling.type, (0, 0))

    def convert(value: PlainValue) -> Any:
        shown = convert_unit(float(cast("float", value)), signal.unit, scaling.unit)
        raw = (shown - scaling.offset) / scaling.scale
        return max(low, min(high, round(raw))) if integral else round(raw, signal.digits)

    return convert


_MESSAGES: Mapping[str, tuple[str, str, str, str, str]] = {
    "ko-KR": ("대기", "기동 중", "운전 중", "정지 중", "고장"),
    "pl-PL": ("Gotowa", "Rozruch", "Praca", "Zatrzymywanie", "Awaria"),
    "zh-CN": ("待机", "启动中", "运行中", "停止中", "故障"),
}


def translate(message: str, locale: str) -> str:
    """A machine state in the panel's language; unknown texts and languages stay as they are."""
    texts = _MESSAGES.get(locale)
    states = ("Idle", "Starting", "Running", "Stopping", "Faulted")
    return texts[states.index(message)] if texts and message in states else message


SUMMARY_FIELDS: list[tuple[str, int]] = [
    ("BatchId", ua.ObjectIds.String), ("Produced", ua.ObjectIds.UInt32), ("Rejected", ua.ObjectIds.UInt32),
    ("Mean", ua.ObjectIds.Double), ("Sigma", ua.ObjectIds.Double), ("FinishedAt", ua.ObjectIds.DateTime),
]  # fmt: skip
"""Fields of the structure behind Batch/Summary: name, built-in type."""


def encode_summary(value: Mapping[str, PlainValue]) -> bytes:
    """The binary body of the summary structure (OPC 10000-6, 5.2.6).

    It is packed here because asyncua's registry of structures is global to the process, while each server of the plant has
    its own namespace index for the same type.
    """
    pack = ua.ua_binary.pack_uatype
    return b"".join(
        cast("bytes", pack(ua.VariantType(type_id), value[name])) for name, type_id in SUMMARY_FIELDS
    )  # fmt: skip


def to_variant(type_name: TypeName, value: Any, encoding_id: ua.NodeId | None = None) -> ua.Variant:
    """``value``, already converted, as a Variant of exactly ``type_name``."""
    if type_name == "Structure":
        body = ua.ExtensionObject(TypeId=encoding_id or ua.NodeId(), Body=encode_summary(value))
        return ua.Variant(body, ua.VariantType.ExtensionObject)
    if type_name == "Float[][]":
        return ua.Variant(value, ua.VariantType.Float, Dimensions=[len(value), len(value[0])])
    if type_name == "Float[]":
        return ua.Variant(value, ua.VariantType.Float, is_array=True)
    return ua.Variant(value, variant_type(type_name))


def data_type_id(type_name: TypeName | str) -> int:
    """The DataType attribute of a variable of a built-in type."""
    return int(variant_type(type_name).value)
