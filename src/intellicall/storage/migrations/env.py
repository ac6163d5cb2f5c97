"""Alembic's entry: run the steps on the connection, and in the transaction, that `storage.migrate` opened."""

from typing import Any, Literal

from alembic import context

from intellicall.storage.schema import UtcTime, metadata


def _render(kind: str, item: Any, _context: Any) -> str | Literal[False]:
    """Write times as SQLAlchemy's own type, so that no migration depends on today's code."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(item, UtcTime) else False


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    render_as_batch=True,
    render_item=_render,
)
with context.begin_transaction():
    context.run_migrations()
