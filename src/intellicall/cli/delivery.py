"""`intellicall callback`: what was pushed, what became of it, and sending it again."""

from typing import Annotated

import typer
from sqlalchemy import Connection

from intellicall.accounts import store as accounts
from intellicall.callbacks import delivery_log, store
from intellicall.callbacks.delivery import Delivery, Kind, State
from intellicall.callbacks.delivery_log import Listing
from intellicall.callbacks.views import attempt_view, delivery_view, whole_view
from intellicall.calls.filters import needed_time
from intellicall.cli.account import Name
from intellicall.cli.storage import now, read, write
from intellicall.cli.terminal import Json, Record, answer
from intellicall.errors import Code, Refused

DeliveryId = Annotated[str, typer.Argument(metavar="DELIVERY_ID", help="The delivery's id, see `callback deliveries`.")]
From = Annotated[str, typer.Option("--from", metavar="TIME", help="Made at this time or later: 2026-07-03T10:00:00Z or …+05:30.")]
To = Annotated[str, typer.Option("--to", metavar="TIME", help="Made before this time.")]


def deliveries(
    account: Name,
    *,
    state: Annotated[State | None, typer.Option("--state", help="Only deliveries in this state.")] = None,
    kind: Annotated[Kind | None, typer.Option("--kind", help="Only results, events, tests or alerts.")] = None,
    call: Annotated[str | None, typer.Option("--call", metavar="CALL_ID", help="Only what is about this call.")] = None,
    begin: From = "",
    end: To = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=10_000, help="How many at most, newest first.")] = 100,
    as_json: Json = False,
) -> None:
    """List deliveries, newest first: results, and events where the account wants them. `--state undelivered` shows those whose
    every attempt failed.
    """
    since, until = (needed_time(word, name) if word else None for word, name in ((begin, "from"), (end, "to")))
    listing = Listing(state, kind, call, since, until, limit=limit)
    found = read(lambda c: delivery_log.find(c, accounts.account_by_name(c, account).id, listing))
    answer(found.deliveries, as_json=as_json)


def delivery(delivery: DeliveryId, *, as_json: Json = False) -> None:
    """Show one delivery: what was sent, and what came of every attempt."""

    def work(connection: Connection) -> Record:
        found = _found(connection, delivery)
        return whole_view(found, store.attempts_of(connection, found.id))

    record = dict(read(work))
    if not as_json:
        record["attempts"] = [f"{one['at']}: {one['outcome']}, {one['latency_ms']} ms" for one in record["attempts"]]
    answer(record, as_json=as_json)


def attempts(delivery: DeliveryId, *, as_json: Json = False) -> None:
    """List the attempts of one delivery: when, how long, what the receiver answered."""
    answer([attempt_view(one) for one in read(lambda c: store.attempts_of(c, delivery))], as_json=as_json)


def resend(delivery: DeliveryId, *, as_json: Json = False) -> None:
    """Send a finished delivery again, the same bytes, to where the account receives results now."""
    again = write(lambda c: store.resend(c, delivery, now()))
    answer(delivery_view(again), "It is due; a running platform sends it within seconds.", as_json=as_json)


def resend_range(
    account: Name,
    *,
    begin: From,
    end: To,
    state: Annotated[
        State, typer.Option("--state", help="undelivered, delivered, or no_endpoint: ended when there was no callback URL.")
    ] = State.UNDELIVERED,
    as_json: Json = False,
) -> None:
    """Send the results of a time again, oldest first; at most 10,000 at once."""
    since, until = needed_time(begin, "from"), needed_time(end, "to")
    count = write(lambda c: store.resend_results(c, accounts.account_by_name(c, account).id, since, until, state, now()))
    more = count == store.MOST_AGAIN
    sentence = "There may be others: give the command again." if more else "They are due; a running platform sends them."
    answer({"count": count, "more": more}, sentence, as_json=as_json)


def _found(connection: Connection, delivery_id: str) -> Delivery:
    found = store.find(connection, delivery_id)
    if found is None:
        raise Refused(Code.NOT_FOUND, "There is no such delivery.")
    return found
