"""The delivery log of a long history: whatever is asked for is found by an index of its own."""

from datetime import timedelta

import pytest
from tests.callbacks.samples import AT

from intellicall.callbacks import delivery_log
from intellicall.callbacks.delivery import Kind, State
from intellicall.callbacks.delivery_log import Listing
from intellicall.calls.filters import Position
from intellicall.storage.database import Database

WAYS = [
    (Listing(), "ix_deliveries_account_created (account_id=?"),
    (Listing(before=Position(AT, "x")), "ix_deliveries_account_created (account_id=? AND created_at<?"),
    (
        Listing(kind=Kind.RESULT, since=AT, until=AT + timedelta(days=1)),
        "ix_deliveries_account_created (account_id=? AND created_at>?",
    ),
    (Listing(state=State.DELIVERED), "ix_deliveries_account_created (account_id=?"),
    (Listing(state=State.DUE), "ix_deliveries_due (account_id=?"),
    (Listing(state=State.DUE, kind=Kind.EVENT), "ix_deliveries_due (account_id=? AND kind=?"),
    (Listing(state=State.WAITING), "ix_deliveries_open_events"),
    (Listing(state=State.UNDELIVERED, kind=Kind.RESULT), "ix_deliveries_undelivered (account_id=?"),
    (Listing(state=State.NO_ENDPOINT), "ix_deliveries_no_endpoint (account_id=?"),
    (Listing(kind=Kind.EVENT), "ix_deliveries_other (account_id=? AND kind=?"),
    (Listing(kind=Kind.TEST, state=State.DELIVERED), "ix_deliveries_other (account_id=? AND kind=?"),
    (Listing(call_id="c", state=State.DUE), "sqlite_autoindex_deliveries_1 (id=?"),
]


@pytest.mark.parametrize(("listing", "way"), WAYS)
def test_sqlite_finds_a_page_by_the_index_of_what_is_asked_for(sqlite_database: Database, listing: Listing, way: str) -> None:
    compiled = delivery_log.statement_for("a", listing).compile(sqlite_database.engine, compile_kwargs={"render_postcompile": True})
    values = tuple("x" for _ in compiled.positiontup or ())
    plan = sqlite_database.read_now(
        lambda c: "\n".join(str(row[-1]) for row in c.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled}", values))
    )
    assert f"USING INDEX {way}" in plan, plan
    if "account_created" in way:
        assert "USE TEMP B-TREE FOR ORDER BY" not in plan, "in the order of the list"
