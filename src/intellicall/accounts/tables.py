"""The SQL tables of the accounts room: accounts, agents, caller IDs, keys, signing secrets, trunks."""

from sqlalchemy import JSON, Boolean, Column, ForeignKey, Integer, String, Table, Text, UniqueConstraint

from intellicall.storage.schema import UtcTime, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("name", String(64), nullable=False, unique=True),
    Column("enabled", Boolean, nullable=False),
    Column("sandbox", Boolean, nullable=False),
    Column("default_region", String(2), nullable=False),
    Column("concurrent_calls", Integer, nullable=False),
    Column("agent_ring_s", Integer, nullable=False),
    Column("customer_ring_s", Integer, nullable=False),
    Column("max_length_s", Integer, nullable=False),
    Column("recording", Boolean, nullable=False),
    Column("default_disposition", String(64), nullable=False),
    Column("retention_days", Integer, nullable=False),
    Column("callback_url", Text),
    Column("callback_header_name", String(64)),
    Column("callback_header_value", Text),  # in clear: it is sent with every result
    Column("allowed_networks", JSON, nullable=False),  # list of CIDR strings
    Column("dispositions", JSON, nullable=False),  # list of texts, in order
    Column("wrap_up_s", Integer, nullable=False),
    Column("events", JSON, nullable=False),  # list of event types
    Column("when_disk_full", String(10), nullable=False),
    Column("retries", String(8), nullable=False),
    Column("alert_url", Text),
    Column("created_at", UtcTime, nullable=False),
)

# An agent who is removed keeps the row (disabled), so that the history still knows whose calls they were.
agents = Table(
    "agents",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False),
    Column("crm_username", String(128), nullable=False),
    Column("folded", Text, nullable=False),  # the name as searching sees it: `account.folded`
    Column("number", String(16)),  # E.164
    Column("enabled", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    UniqueConstraint("account_id", "crm_username", name="uq_agents_crm_username"),
    UniqueConstraint("account_id", "number", name="uq_agents_number"),
)

caller_ids = Table(
    "caller_ids",
    metadata,
    Column("number", String(16), primary_key=True),  # E.164; so a number belongs to one account at most
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("trunks", JSON, nullable=False),  # list of names, in order
    Column("created_at", UtcTime, nullable=False),
)

keys = Table(
    "keys",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("kind", String(8), nullable=False),
    Column("digest", String(64), nullable=False, unique=True),  # SHA-256 of the key, hexadecimal
    Column("hint", String(4), nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
    Column("revoked_at", UtcTime),
)

# In clear, unlike keys: a signature is made with the secret itself, anew for each attempt.
signing_secrets = Table(
    "signing_secrets",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("account_id", ForeignKey("accounts.id"), nullable=False, index=True),
    Column("text", Text, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("expires_at", UtcTime),
)

trunks = Table(
    "trunks",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("transport", String(3), nullable=False),
    Column("register", Boolean, nullable=False),
    Column("username", String(128)),
    Column("password", Text),  # in clear: the engine answers the carrier's challenges with it
    Column("codecs", JSON, nullable=False),  # list of SDP names, in order
    Column("srtp", Boolean, nullable=False),
    Column("caller_id_style", String(4), nullable=False),
    Column("strip_plus", Boolean, nullable=False),
)

# One row, `trunks`: goes up by one with every change, so that the platform notices with one cheap read.
versions = Table(
    "versions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("version", Integer, nullable=False),
)

__all__ = ["accounts", "agents", "caller_ids", "keys", "signing_secrets", "trunks", "versions"]
