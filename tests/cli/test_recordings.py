"""`intellicall recording`, and what becomes of calls while the disk is full."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import Connection
from tests.cli.conftest import Data, Run

from intellicall.cli.storage import write
from intellicall.ids import new_recording_name
from intellicall.recordings import access, store
from intellicall.recordings.access import Access, What
from intellicall.recordings.shelf import Sealed

AT = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)
NAME = new_recording_name()


@pytest.fixture
def recorded(run: Run) -> str:
    """The id of a call that has a recording, which was downloaded once."""
    assert run("recording", "--help").exit_code == 0

    def made(connection: Connection) -> None:
        store.begin(connection, NAME, "c1", "a1", AT)
        store.sealed(connection, NAME, Sealed(2.0, 64_044, "ab" * 32), AT)
        access.note(connection, NAME, Access(AT, "198.51.100.7", What.MP3, 1_000))
        store.begin(connection, new_recording_name(), "c2", "a1", AT)

    write(made)
    return "c1"


def test_a_recording_is_shown_without_its_link(data: Data, run: Run, recorded: str) -> None:
    shown = data("recording", "show", recorded)
    assert shown == {
        "call_id": "c1",
        "state": "ready",
        "place": "disk",
        "seconds": 2.0,
        "bytes": 64_044,
        "sha256": "ab" * 32,
        "created_at": "2026-07-03T10:00:00Z",
        "erased_because": None,
        "accesses": [{"at": "2026-07-03T10:00:00Z", "address": "198.51.100.7", "what": "mp3", "bytes": 1_000}],
    }
    assert NAME not in run("recording", "show", recorded).output


def test_a_recording_is_deleted_by_the_running_platform(data: Data, recorded: str) -> None:
    for _ in range(2):
        assert data("recording", "delete", recorded) == {"call_id": "c1"}
    shown = data("recording", "show", recorded)
    assert (shown["state"], shown["erased_because"]) == ("erasing", "deleted")


@pytest.mark.parametrize(("call_id", "word"), [("c2", "still goes on"), ("nobody", "no recording")])
def test_what_cannot_be_deleted(run: Run, recorded: str, call_id: str, word: str) -> None:
    assert recorded
    result = run("recording", "delete", call_id)
    assert result.exit_code == 1
    assert word in result.stderr


def test_what_becomes_of_calls_while_the_disk_is_full(data: Data, run: Run) -> None:
    assert data("account", "create", "acme", "--sandbox")["when_disk_full"] == "refuse"
    assert data("account", "set", "acme", "--when-disk-full", "unrecorded")["when_disk_full"] == "unrecorded"
    assert data("account", "show", "acme")["when_disk_full"] == "unrecorded"
    assert run("account", "set", "acme", "--when-disk-full", "perhaps").exit_code == 2
