"""Digests: SHA-256 over RFC 8785 canonical JSON, the same on every machine and in every order of writing."""

import hashlib
from typing import Any

import rfc8785

from gateway.recipes import wire
from gateway.recipes.recipe import Interlock, MasterRecipe, Parameter, ProcessOutput


def digest(document: dict[str, Any]) -> str:
    """`sha256:` and 64 hexadecimal digits.

    Raises:
        ValueError: NaN, an infinity, or an integer that JSON cannot hold exactly.
    """
    return f"sha256:{hashlib.sha256(rfc8785.dumps(document)).hexdigest()}"


def master_digest(master: MasterRecipe) -> str:
    """The digest of a recipe for all places: every field of the document, each value in its wire type first.

    Raises:
        ValueError: a value has no place in its declared type.
    """
    header, needs = master.header, master.equipment_requirements
    change, procedure = header.change, master.procedure
    return digest(
        {
            "header": {
                "id": header.id,
                "version": header.version,
                "supersedes": header.supersedes,
                "product": header.product,
                "classification": {
                    "export": header.classification.export,
                    "confidentiality": header.classification.confidentiality,
                },
                "change": change and {"request": change.request, "reason": change.reason, "evidence": sorted(change.evidence)},
            },
            "equipment_requirements": {
                "class": needs.equipment_class,
                "capabilities": sorted(([item.name, float(item.min)] for item in needs.capabilities), key=str),
                "firmware": needs.firmware,
                "handshake": sorted(needs.handshake),
            },
            "parameters": {item.name: _parameter(item) for item in master.parameters},
            "process_outputs": {item.name: _output(item) for item in master.process_outputs},
            "interlocks": sorted((_interlock(item) for item in master.interlocks), key=rfc8785.dumps),
            "procedure": procedure and {"ref": procedure.ref, "id": procedure.id, "digest": procedure.digest},
        }
    )


def _parameter(item: Parameter) -> dict[str, Any]:
    parity = item.parity
    return {
        "type": str(item.type),
        "unit": item.unit,
        "value": wire.to_json(item.type, wire.cast(item.type, item.value)),
        "limits": [item.limits.low, item.limits.high],
        "parity": {
            "class": parity.parity_class,
            "absolute": parity.absolute,
            "relative": parity.relative,
            "bound": parity.bound and list(parity.bound),
            "basis": parity.basis,
        },
        "critical": item.critical,
    }


def _output(item: ProcessOutput) -> dict[str, Any]:
    return {"unit": item.unit, "lsl": item.lsl, "usl": item.usl, "margin": item.margin}


def _interlock(item: Interlock) -> dict[str, Any]:
    # an integer may be written 1 or 1.0: RFC 8785 writes both as 1
    return {"tag": item.tag, "in": sorted(item.allowed, key=rfc8785.dumps)}
