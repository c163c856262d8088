"""Settings of the daemon: from `GATEWAY_…` environment variables and the command line. What exists is in `config/`, not here."""

from pathlib import Path
from typing import Literal

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """Where the daemon finds and leaves things. Every field is an environment variable `GATEWAY_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="GATEWAY_", frozen=True, extra="forbid")

    config_dir: Path = Field(Path("config"), description="directory with plant.yaml, classes/, sites/, recipes/ and overlays/")
    data_dir: Path = Field(Path("data"), description="directory of the twin, the ledger and the tokens; created if missing")
    pki_dir: Path | None = Field(None, description="directory of certificates; default: pki/ in the data directory")
    http_host: str = Field("127.0.0.1", description="address the HTTP API listens on")
    http_port: int = Field(8080, ge=0, le=65535, description="port of the HTTP API; 0 takes any free one")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: readable on a terminal, JSON otherwise")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="the least severity that is logged")
    connect_timeout_s: float = Field(10.0, gt=0, le=120, description="how long one request to equipment may take, in seconds")
    retention_days: float = Field(365.0, gt=0, description="history older than this is deleted")
    ballast_mb: int = Field(64, ge=0, description="disk space reserved for recording gaps when the disk is full, in MB")

    @property
    def pki(self) -> Path:
        """The directory of certificates in force."""
        return self.pki_dir if self.pki_dir is not None else self.data_dir / "pki"
