"""What the runtime takes from its surroundings: the clock, and secrets by reference."""

import os
import time
from pathlib import Path

from gateway.errors import ConfigurationError
from gateway.plant.equipment_class import Secret


class SystemClock:
    """The machine's clocks."""

    def now(self) -> int:
        """Nanoseconds since the Unix epoch, UTC."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Seconds, never going back."""
        return time.monotonic()


def read_secret(secret: Secret) -> str:
    """The secret behind a reference, read at the moment of use, so that a changed one needs no restart.

    Raises:
        ConfigurationError: the variable is not set, or the file cannot be read or is empty.
    """
    if secret.env is not None:
        value = os.environ.get(secret.env)
        if not value:
            raise ConfigurationError(
                [f"credentials.password.env: the environment variable {secret.env} is not set; set it, or use 'file'"]
            )
        return value
    path = Path(secret.file or "")
    try:
        value = path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as fault:
        raise ConfigurationError([f"credentials.password.file: {path} cannot be read: {fault}"]) from fault
    if not value:
        raise ConfigurationError([f"credentials.password.file: {path} is empty"])
    return value
