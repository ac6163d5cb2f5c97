"""Every setting of the platform, in one place. docs/settings.md is generated from this file.

Sources, strongest first: command-line flags, environment (`INTELLICALL_…`), the file named by `INTELLICALL_CONFIG`
(or `intellicall.toml` in the state directory), defaults. An unknown key in the file is an error.
"""

import os
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Self
from urllib.parse import urlsplit

from pydantic import Field, IPvAnyNetwork, SecretStr, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)


class EngineMode(StrEnum):
    EMBEDDED = "embedded"
    EXTERNAL = "external"
    SCRIPTED = "scripted"


class Settings(BaseSettings):
    """Settings of one platform process. Times are seconds unless the name says otherwise."""

    model_config = SettingsConfigDict(env_prefix="INTELLICALL_", extra="forbid", env_ignore_empty=True, validate_default=True)

    state_dir: Path = Field(default=Path("state"), description="Folder for the database, recordings, engine and logs.")
    database_url: str | None = Field(
        default=None,
        description="SQLAlchemy URL. Default: SQLite in the state directory. PostgreSQL: postgresql+psycopg://user@host/name",
    )
    host: str = Field(default="127.0.0.1", description="Address that the platform listens on.")
    port: int = Field(default=8080, ge=0, le=65535, description="Port that the platform listens on; 0 finds a free one.")
    public_url: str | None = Field(
        default=None,
        description="The one address that every link starts with, for example https://api.example.com. Default: http://localhost:PORT",
    )
    tls_certificate: Path | None = Field(
        default=None, description="PEM certificate chain; HTTPS and WSS are served with it. Reloaded when it changes."
    )
    tls_key: Path | None = Field(default=None, description="PEM private key of the certificate.")
    trusted_proxies: Annotated[
        list[IPvAnyNetwork],
        Field(
            description="Networks of reverse proxies whose X-Forwarded-For and -Proto are believed. A JSON list in the environment."
        ),
    ] = []

    engine: EngineMode = Field(
        default=EngineMode.EMBEDDED,
        description="embedded: a private supervised Asterisk. external: one that you run. scripted: no telephony, for development.",
    )
    engine_prefix: Path | None = Field(
        default=None, description="Folder of the fetched private engine. Default: the user's cache folder."
    )
    engine_ari_url: str = Field(default="http://127.0.0.1:8088", description="External engine: base URL of its HTTP server.")
    engine_ari_user: str = Field(default="intellicall", description="External engine: user of ARI and AMI.")
    engine_ari_password: SecretStr = Field(default=SecretStr(""), description="External engine: password of ARI and AMI.")
    engine_ami_port: int = Field(
        default=5038, ge=1, le=65535, description="External engine: TCP port of its AMI, on the host of its HTTP server."
    )
    sip_host: str = Field(
        default="127.0.0.1",
        description="Address that the embedded engine's SIP transports listen on. Loopback unless carriers are outside.",
    )
    sip_port: int = Field(
        default=0,
        ge=0,
        le=65535,
        description="Port of the embedded engine's SIP (UDP, TCP; TLS is the next); 0 finds a free one once and keeps it.",
    )
    external_address: str | None = Field(
        default=None, description="Public IP address written into SIP and SDP toward carriers when the engine is behind NAT."
    )
    rtp_port_min: int = Field(default=20000, ge=1024, le=65534, description="Lowest RTP port of the embedded engine.")
    rtp_port_max: int = Field(
        default=29999,
        ge=1025,
        le=65535,
        description="Highest RTP port of the embedded engine. Of 4000 ports or more, each engine that is started uses a part: "
        "other ports than the engine before it. Calls need four each.",
    )

    hold_music: Path | None = Field(
        default=None,
        description="Folder of hold music (WAV, Ogg; not G.711, see operating.md). Default: music of the house.",
    )

    disk_warn_mb: int = Field(
        default=2_000, ge=0, description="Free space (MB) of the state folder's disk below which the platform warns; 0: never."
    )
    disk_stop_mb: int = Field(
        default=500,
        ge=0,
        description="Free space (MB) below which nothing new is recorded: accounts are refused or call unrecorded, as they say.",
    )
    formats_cache_mb: int = Field(
        default=500, ge=0, description="Most space (MB) for recordings kept as Opus and MP3 beside the WAV file; the oldest go."
    )

    recordings_s3_url: str | None = Field(
        default=None,
        pattern=r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9!_.*'()/-]*)?$",
        description="Where recordings move after their call: s3://BUCKET or s3://BUCKET/PREFIX. Default: they stay on the disk.",
    )
    recordings_s3_endpoint: str | None = Field(
        default=None,
        pattern=r"^https?://[^/?#@]+/?$",
        description="Base URL of the S3-compatible store, for example https://s3.example.com. Default: AWS, in the region.",
    )
    recordings_s3_region: str = Field(default="us-east-1", description="Region of the store.")
    recordings_s3_key_id: str = Field(
        default="", description="Access key id. It has to read, write, list and delete in the bucket."
    )
    recordings_s3_secret: SecretStr = Field(default=SecretStr(""), description="Secret access key.")
    recordings_s3_virtual_hosts: bool = Field(
        default=False, description="The bucket's name is part of the store's host name (BUCKET.HOST) and not of the path."
    )
    recordings_s3_allow_http: bool = Field(
        default=False, description="Let recordings go to the store unencrypted (http). To a loopback address they always may."
    )
    recordings_s3_keep_local_days: float = Field(
        default=0, ge=0, le=3650, description="Days for which a recording that is on the store stays on the disk as well."
    )

    sandbox: bool = Field(
        default=False, description="Run the test network: a carrier on this machine, for sandbox accounts and their test numbers."
    )

    metrics_networks: Annotated[
        list[IPvAnyNetwork],
        Field(description="Networks whose requests for /metrics are answered. A JSON list in the environment."),
    ] = [ip_network("127.0.0.0/8"), ip_network("::1/128")]

    log_level: str = Field(default="info", description="debug, info, warning or error.")
    log_format: str = Field(default="json", description="json or text.")
    allow_private_callbacks: bool = Field(
        default=False,
        description="Let callback URLs lead to private and loopback addresses (for a CRM on the same network; the demo sets it).",
    )

    @model_validator(mode="after")
    def _s3_is_complete(self) -> Self:
        """Recordings and the proof of who we are go neither unsigned nor, unless it is said so, unencrypted."""
        if self.recordings_s3_url is None:
            return self
        if not (self.recordings_s3_key_id and self.recordings_s3_secret.get_secret_value()):
            raise ValueError("recordings_s3_url needs recordings_s3_key_id and recordings_s3_secret")
        store = urlsplit(self.recordings_s3_endpoint or "https://")
        loopback = store.hostname in ("localhost", "::1") or (store.hostname or "").startswith("127.")
        if store.scheme == "http" and not (loopback or self.recordings_s3_allow_http):
            raise ValueError("recordings_s3_endpoint is not https; recordings_s3_allow_http allows it")
        return self

    @property
    def data_dir(self) -> Path:
        return self.state_dir.absolute()

    @property
    def sql_url(self) -> str:
        """The SQL database's URL in SQLAlchemy's form."""
        return self.database_url or f"sqlite:///{self.data_dir / 'intellicall.db'}"

    @property
    def recordings_dir(self) -> Path:
        return self.data_dir / "recordings"

    @property
    def formats_dir(self) -> Path:
        return self.data_dir / "formats"

    @property
    def engine_dir(self) -> Path:
        return self.data_dir / "engine"

    @property
    def testnet_dir(self) -> Path:
        return self.data_dir / "testnet"

    @property
    def log_dir(self) -> Path:
        return self.data_dir / "logs"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic's
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags, environment, file, defaults: in this order."""
        state = Path(os.environ.get("INTELLICALL_STATE_DIR", "state"))
        file = Path(os.environ.get("INTELLICALL_CONFIG", state / "intellicall.toml"))
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=file), file_secret_settings


def load(**flags: Any) -> Settings:
    """Read the settings; flags that are None are as if not given. Raises pydantic.ValidationError with the key named."""
    return Settings(**{key: value for key, value in flags.items() if value is not None})


__all__ = ["EngineMode", "Settings", "load"]
