"""`intellicall recording`: what became of a call's recording, who has had it, and its deletion."""

from functools import partial
from typing import Annotated

import typer
from sqlalchemy import Connection

from intellicall.cli.storage import read, write
from intellicall.cli.terminal import Fault, Json, Record, answer, utc
from intellicall.recordings import access, moves, remote, store
from intellicall.recordings.access import What
from intellicall.recordings.recording import Recording, State

app = typer.Typer(no_args_is_help=True, help="Recordings of calls.")

CallId = Annotated[str, typer.Argument(metavar="CALL_ID", help="The call's id.")]


@app.command()
def show(call_id: CallId, *, as_json: Json = False) -> None:
    """Show a call's recording and its access log. The link is not shown: the call's result has it."""
    recording, accesses = read(partial(_known, call_id=call_id))
    answer(
        {
            "call_id": recording.call_id,
            "state": recording.state.value,
            "seconds": recording.seconds,
            "bytes": recording.bytes,
            "sha256": recording.sha256,
            "created_at": utc(recording.created_at),
            "place": recording.place.value,
            "erased_because": recording.reason,
            "accesses": accesses,
        },
        as_json=as_json,
    )


@app.command()
def delete(call_id: CallId, *, as_json: Json = False) -> None:
    """Delete a call's recording for good, wherever it is kept. Its link answers 410 from now on."""
    write(partial(_delete, call_id=call_id))
    answer({"call_id": call_id}, "Nobody can have it any more; a running platform removes it within seconds.", as_json=as_json)


@app.command("moves")
def show_moves(*, as_json: Json = False) -> None:
    """Show how moving to S3 stands: how many recordings wait, since when, and why the last one could not be moved."""
    found = read(moves.standing)
    answer(
        {
            "waiting": found.waiting,
            "oldest": utc(found.oldest) if found.oldest else None,
            "failing": found.failing,
            "last_fault": remote.SENTENCES[remote.Fault(found.fault)] if found.fault else None,
            "on_s3": found.on_s3,
        },
        as_json=as_json,
    )


def _known(connection: Connection, call_id: str) -> tuple[Recording, list[Record]]:
    recording = _find(connection, call_id)
    seen = access.accesses(connection, recording.name)
    return recording, [{"at": utc(one.at), "address": one.address, "what": one.what.value, "bytes": one.bytes} for one in seen]


def _delete(connection: Connection, call_id: str) -> None:
    recording = _find(connection, call_id)
    if recording.state is State.RECORDING:
        raise Fault("The call still goes on. Delete its recording when it has ended.", "recording_not_ready")
    store.erase(connection, recording.name, What.DELETED.value)


def _find(connection: Connection, call_id: str) -> Recording:
    recording = store.of_call(connection, call_id)
    if recording is None or recording.state is State.NONE:
        raise Fault("There is no recording of such a call.", "not_found")
    return recording
