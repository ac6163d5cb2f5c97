"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915 - one table after the other
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("sandbox", sa.Boolean(), nullable=False),
        sa.Column("default_region", sa.String(length=2), nullable=False),
        sa.Column("concurrent_calls", sa.Integer(), nullable=False),
        sa.Column("agent_ring_s", sa.Integer(), nullable=False),
        sa.Column("customer_ring_s", sa.Integer(), nullable=False),
        sa.Column("max_length_s", sa.Integer(), nullable=False),
        sa.Column("recording", sa.Boolean(), nullable=False),
        sa.Column("default_disposition", sa.String(length=64), nullable=False),
        sa.Column("retention_days", sa.Integer(), nullable=False),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("callback_header_name", sa.String(length=64), nullable=True),
        sa.Column("callback_header_value", sa.Text(), nullable=True),
        sa.Column("allowed_networks", sa.JSON(), nullable=False),
        sa.Column("dispositions", sa.JSON(), nullable=False),
        sa.Column("wrap_up_s", sa.Integer(), nullable=False),
        sa.Column("events", sa.JSON(), nullable=False),
        sa.Column("when_disk_full", sa.String(length=10), nullable=False),
        sa.Column("retries", sa.String(length=8), nullable=False),
        sa.Column("alert_url", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_table(
        "calls",
        sa.Column("id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("uuid", sa.String(length=255), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("call_type", sa.String(length=16), nullable=False),
        sa.Column("agent_id", sa.String(length=36), nullable=True),
        sa.Column("crm_username", sa.String(length=128), nullable=True),
        sa.Column("agent_number", sa.String(length=32), nullable=True),
        sa.Column("customer_number", sa.String(length=32), nullable=False),
        sa.Column("customer_e164", sa.String(length=32), nullable=False),
        sa.Column("agent_e164", sa.String(length=32), nullable=True),
        sa.Column("from_number", sa.String(length=32), nullable=False),
        sa.Column("disposition", sa.String(length=128), nullable=False),
        sa.Column("plan", sa.JSON(), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("seats", sa.JSON(), nullable=False),
        sa.Column("people", sa.JSON(), nullable=False),
        sa.Column("transferred_to", sa.JSON(), nullable=False),
        sa.Column("agent_seat", sa.String(length=36), nullable=True),
        sa.Column("guest_seat", sa.String(length=36), nullable=True),
        sa.Column("live", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("talk_s", sa.Float(), nullable=False),
        sa.Column("reason", sa.String(length=40), nullable=True),
        sa.Column("status", sa.String(length=12), nullable=True),
        sa.Column("notes", sa.Text(), nullable=True),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("recording_url", sa.String(length=512), nullable=True),
        sa.Column("recording", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_calls")),
    )
    op.create_index("ix_calls_account_created", "calls", ["account_id", "created_at", "id"], unique=False)
    op.create_index(
        "ix_calls_live",
        "calls",
        ["account_id", "live"],
        unique=False,
        sqlite_where=sa.text("live = 1"),
        postgresql_where=sa.text("live"),
    )
    op.create_index("ix_calls_agent", "calls", ["account_id", "agent_id", "created_at", "id", "status", "call_type"], unique=False)
    op.create_index("ix_calls_agent_number", "calls", ["account_id", "agent_e164", "created_at", "id", "status"], unique=False)
    op.create_index("ix_calls_customer", "calls", ["account_id", "customer_e164", "created_at", "id"], unique=False)
    op.create_index("ix_calls_call_type", "calls", ["account_id", "call_type", "created_at", "id"], unique=False)
    for index, columns in (
        ("ix_calls_status", ["account_id", "status", "created_at", "id"]),
        ("ix_calls_status_type", ["account_id", "status", "call_type", "created_at", "id"]),
    ):
        op.create_index(
            index,
            "calls",
            columns,
            unique=False,
            sqlite_where=sa.text("status IS NOT NULL"),
            postgresql_where=sa.text("status IS NOT NULL"),
        )
    op.create_index("ix_calls_uuid", "calls", ["account_id", "uuid"], unique=True)

    op.create_table(
        "guests",
        sa.Column("agent_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "created_at", "call_id", name=op.f("pk_guests")),
    )
    op.create_table(
        "call_orders",
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account_id", "key", name=op.f("pk_call_orders")),
    )
    op.create_index("ix_call_orders_at", "call_orders", ["at"], unique=False)

    op.create_table(
        "deliveries",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=True),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("header_name", sa.Text(), nullable=True),
        sa.Column("header_value", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("round_start", sa.Integer(), nullable=False),
        sa.Column("round_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event", sa.String(length=24), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.Column("day", sa.String(length=10), nullable=True),
        sa.Column("status", sa.String(length=12), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deliveries")),
    )
    op.create_index("ix_deliveries_account_created", "deliveries", ["account_id", "created_at"], unique=False)
    op.create_index("ix_deliveries_created", "deliveries", ["created_at"], unique=False)
    op.create_index(
        "ix_deliveries_day",
        "deliveries",
        ["account_id", "day", "status", "state"],
        unique=False,
        sqlite_where=sa.text("day IS NOT NULL"),
        postgresql_where=sa.text("day IS NOT NULL"),
    )
    op.create_index(
        "ix_deliveries_due",
        "deliveries",
        ["account_id", "kind", "due_at"],
        unique=False,
        sqlite_where=sa.text("state = 'due'"),
        postgresql_where=sa.text("state = 'due'"),
    )
    op.create_index(
        "ix_deliveries_no_endpoint",
        "deliveries",
        ["account_id", "created_at"],
        unique=False,
        sqlite_where=sa.text("state = 'no_endpoint'"),
        postgresql_where=sa.text("state = 'no_endpoint'"),
    )
    op.create_index(
        "ix_deliveries_other",
        "deliveries",
        ["account_id", "kind", "created_at"],
        unique=False,
        sqlite_where=sa.text("kind != 'result'"),
        postgresql_where=sa.text("kind != 'result'"),
    )
    op.create_index(
        "ix_deliveries_open_events",
        "deliveries",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("kind = 'event' AND finished_at IS NULL"),
        postgresql_where=sa.text("kind = 'event' AND finished_at IS NULL"),
    )
    op.create_index(
        "ix_deliveries_queue",
        "deliveries",
        ["call_id", "position"],
        unique=False,
        sqlite_where=sa.text("kind = 'event'"),
        postgresql_where=sa.text("kind = 'event'"),
    )
    op.create_index(
        "uq_deliveries_result",
        "deliveries",
        ["call_id"],
        unique=True,
        sqlite_where=sa.text("kind = 'result'"),
        postgresql_where=sa.text("kind = 'result'"),
    )
    op.create_index(
        "ix_deliveries_undelivered",
        "deliveries",
        ["account_id", "created_at"],
        unique=False,
        sqlite_where=sa.text("state = 'undelivered'"),
        postgresql_where=sa.text("state = 'undelivered'"),
    )

    op.create_table(
        "delivery_attempts",
        sa.Column("delivery_id", sa.String(length=24), nullable=False),
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("delivery_id", "number", name=op.f("pk_delivery_attempts")),
    )
    op.create_table(
        "journal",
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_journal")),
        sa.UniqueConstraint("call_id", "seq", name=op.f("uq_journal_call_id")),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_account", "journal", ["account_id", "position"], unique=False)
    op.create_index(
        "ix_journal_ended",
        "journal",
        ["account_id", "position"],
        unique=False,
        sqlite_where=sa.text("kind = 'ended'"),
        postgresql_where=sa.text("kind = 'ended'"),
    )
    op.create_table(
        "call_traces",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("traces", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_call_traces")),
    )
    op.create_index("ix_call_traces_call", "call_traces", ["call_id", "number"], unique=False)
    op.create_table(
        "recordings",
        sa.Column("name", sa.String(length=72), nullable=False),
        sa.Column("call_id", sa.String(length=36), nullable=False),
        sa.Column("account_id", sa.String(length=36), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("talk_s", sa.Float(), nullable=True),
        sa.Column("reason", sa.String(length=10), nullable=True),
        sa.Column("place", sa.String(length=6), server_default="disk", nullable=False),
        sa.Column("moved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("tries", sa.Integer(), server_default="0", nullable=False),
        sa.Column("next_try_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fault", sa.String(length=16), nullable=True),
        sa.Column("upload", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_recordings")),
        sa.UniqueConstraint("call_id", name=op.f("uq_recordings_call_id")),
    )
    op.create_index("ix_recordings_account_created", "recordings", ["account_id", "created_at"], unique=False)
    op.create_index(
        "ix_recordings_pending",
        "recordings",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("state = 'pending'"),
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        "ix_recordings_erasing",
        "recordings",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("state = 'erasing'"),
        postgresql_where=sa.text("state = 'erasing'"),
    )
    op.create_index(
        "ix_recordings_to_move",
        "recordings",
        ["created_at"],
        unique=False,
        sqlite_where=sa.text("state = 'ready' AND place IN ('disk', 'moving')"),
        postgresql_where=sa.text("state = 'ready' AND place IN ('disk', 'moving')"),
    )
    op.create_index(
        "ix_recordings_twice",
        "recordings",
        ["moved_at"],
        unique=False,
        sqlite_where=sa.text("place IN ('moving', 'both')"),
        postgresql_where=sa.text("place IN ('moving', 'both')"),
    )

    op.create_table(
        "recording_accesses",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("name", sa.String(length=72), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("address", sa.String(length=45), nullable=True),
        sa.Column("what", sa.String(length=10), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_recording_accesses")),
    )
    op.create_index("ix_recording_accesses_name", "recording_accesses", ["name", "number"], unique=False)
    op.create_index("ix_recording_accesses_at", "recording_accesses", ["at"], unique=False)

    op.create_table(
        "trunks",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("port", sa.Integer(), nullable=False),
        sa.Column("transport", sa.String(length=3), nullable=False),
        sa.Column("register", sa.Boolean(), nullable=False),
        sa.Column("username", sa.String(length=128), nullable=True),
        sa.Column("password", sa.Text(), nullable=True),
        sa.Column("codecs", sa.JSON(), nullable=False),
        sa.Column("srtp", sa.Boolean(), nullable=False),
        sa.Column("caller_id_style", sa.String(length=4), nullable=False),
        sa.Column("strip_plus", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trunks")),
    )
    op.create_table(
        "versions",
        sa.Column("name", sa.String(length=32), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_versions")),
    )
    op.create_table(
        "agents",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("crm_username", sa.String(length=128), nullable=False),
        sa.Column("folded", sa.Text(), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=True),
        sa.Column("enabled", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_agents_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_agents")),
        sa.UniqueConstraint("account_id", "crm_username", name="uq_agents_crm_username"),
        sa.UniqueConstraint("account_id", "number", name="uq_agents_number"),
    )
    op.create_table(
        "caller_ids",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("trunks", sa.JSON(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_caller_ids_account_id_accounts")),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_caller_ids")),
    )
    op.create_index(op.f("ix_caller_ids_account_id"), "caller_ids", ["account_id"], unique=False)

    op.create_table(
        "keys",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("hint", sa.String(length=4), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_keys_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_keys")),
        sa.UniqueConstraint("digest", name=op.f("uq_keys_digest")),
    )
    op.create_index(op.f("ix_keys_account_id"), "keys", ["account_id"], unique=False)

    op.create_table(
        "signing_secrets",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_signing_secrets_account_id_accounts")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signing_secrets")),
    )
    op.create_index(op.f("ix_signing_secrets_account_id"), "signing_secrets", ["account_id"], unique=False)
    op.create_table(
        "callback_endpoints",
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("first_failure_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_callback_endpoints_account_id_accounts")),
        sa.PrimaryKeyConstraint("account_id", name=op.f("pk_callback_endpoints")),
    )

    op.create_table(
        "launches",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("ticket_digest", sa.String(length=64), nullable=False),
        sa.Column("account_id", sa.String(length=24), nullable=False),
        sa.Column("agent_id", sa.String(length=24), nullable=False),
        sa.Column("to_number", sa.String(length=16), nullable=False),
        sa.Column("customer_as_sent", sa.String(length=128), nullable=False),
        sa.Column("from_number", sa.String(length=16), nullable=False),
        sa.Column("uuid", sa.String(length=128), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claimed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("spent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("call_id", sa.String(length=36), nullable=True),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_launches_account_id_accounts")),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_launches_agent_id_agents")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_launches")),
        sa.UniqueConstraint("ticket_digest", name=op.f("uq_launches_ticket_digest")),
    )
    op.create_index("ix_launches_created_at", "launches", ["created_at"], unique=False)

    op.create_table(
        "softphone_cookies",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("agent_id", sa.String(length=24), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["agent_id"], ["agents.id"], name=op.f("fk_softphone_cookies_agent_id_agents")),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_softphone_cookies")),
    )
    op.create_index("ix_softphone_cookies_agent_id", "softphone_cookies", ["agent_id", "expires_at"], unique=False)

    op.create_table(
        "leadership",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_leadership")),
    )
