"""Signatures, checked by the public library as a receiver would."""

import base64
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError
from tests.callbacks.samples import AT, add_account

from intellicall.accounts import changes, store
from intellicall.accounts.signing_secrets import BYTES, LONGEST_OVERLAP_S, MOST_SECRETS, SigningSecret, new_secret
from intellicall.callbacks.signing import signed
from intellicall.errors import Code, Refused
from intellicall.storage.database import Database

BODY = '{"uuid":"your-own-call-id \u20b9"}'.encode()


def secrets_of(database: Database, at: datetime) -> list[SigningSecret]:
    found = database.read_now(partial(store.list_secrets, account_id="a"))
    return [secret for secret in found if secret.valid(at)]


def test_the_public_library_accepts_it_with_either_secret_and_nothing_that_was_changed() -> None:
    now = datetime.now(UTC)
    new, old, strange = (new_secret("a", now) for _ in range(3))
    headers = signed("id-1", BODY, now, [new, old])
    assert headers["webhook-id"] == "id-1"
    assert headers["webhook-timestamp"] == str(int(now.timestamp()))
    assert [one.partition(",")[0] for one in headers["webhook-signature"].split(" ")] == ["v1", "v1"]
    for secret in (new, old):
        assert Webhook(secret.text).verify(BODY, headers) == {"uuid": "your-own-call-id \u20b9"}
    changed = [
        (strange, BODY, headers),
        (new, BODY.replace(b"own", b"odd"), headers),
        (new, BODY, headers | {"webhook-id": "id-2"}),
        (new, BODY, headers | {"webhook-timestamp": str(int(now.timestamp()) + 1)}),
    ]
    for secret, body, sent in changed:
        with pytest.raises(WebhookVerificationError):
            Webhook(secret.text).verify(body, sent)


def test_a_secret_is_random_and_in_no_repr() -> None:
    one, other = new_secret("a", AT), new_secret("a", AT)
    assert len(base64.b64decode(one.text.removeprefix("whsec_"))) == BYTES
    assert one.text != other.text
    assert one.text not in repr(one)
    assert len(one.hint) == 4
    assert one.hint in one.text


def test_an_account_has_a_secret_from_its_beginning(database: Database) -> None:
    database.write_now(partial(add_account, account_id="a", url=None))
    (secret,) = secrets_of(database, AT)
    assert (secret.account_id, secret.created_at, secret.expires_at) == ("a", AT, None)
    assert database.write_now(partial(changes.ensure_secret, account_id="a", now=AT)) == [secret]


def test_rotation_keeps_the_old_secrets_until_their_end_or_that_of_the_overlap(database: Database) -> None:
    database.write_now(partial(add_account, account_id="a", url=None))
    (first,) = secrets_of(database, AT)
    second, ending = database.write_now(partial(changes.rotate_secret, account_id="a", now=AT + timedelta(hours=1)))
    assert [one.id for one in ending] == [first.id]
    assert ending[0].expires_at == AT + timedelta(hours=25)
    at = AT + timedelta(hours=2)
    assert [one.id for one in secrets_of(database, at)] == [second.id, first.id]
    assert [one.id for one in secrets_of(database, AT + timedelta(hours=25))] == [second.id]
    third, ending = database.write_now(partial(changes.rotate_secret, account_id="a", now=at, overlap_s=600))
    assert [(one.id, one.expires_at) for one in ending] == [(each.id, at + timedelta(seconds=600)) for each in (second, first)]
    assert [one.id for one in secrets_of(database, at)] == [third.id, second.id, first.id]
    last, ending = database.write_now(partial(changes.rotate_secret, account_id="a", now=at + timedelta(minutes=5), overlap_s=0))
    assert ending == []
    assert secrets_of(database, at + timedelta(minutes=5)) == [last]


def test_a_rotation_that_is_repeated_does_not_end_the_secret_that_the_receiver_has(database: Database) -> None:
    """Each answer but the last was lost."""
    database.write_now(partial(add_account, account_id="a", url=None))
    (known,) = secrets_of(database, AT)
    at = AT
    for _ in range(1, MOST_SECRETS):
        at += timedelta(minutes=1)
        database.write_now(partial(changes.rotate_secret, account_id="a", now=at))
        sent = signed("d1", b"{}", at, secrets_of(database, at))
        assert sent["webhook-signature"].split(" ")[-1] == Webhook(known.text).sign("d1", at, "{}")
    database.write_now(partial(changes.rotate_secret, account_id="a", now=at + timedelta(minutes=1)))
    found = secrets_of(database, at + timedelta(minutes=1))
    assert len(found) == MOST_SECRETS
    assert known.id not in {one.id for one in found}


@pytest.mark.parametrize("overlap_s", [-1, LONGEST_OVERLAP_S + 1])
def test_the_overlap_has_limits(sqlite_database: Database, overlap_s: int) -> None:
    sqlite_database.write_now(partial(add_account, account_id="a", url=None))
    with pytest.raises(Refused) as refused:
        sqlite_database.write_now(partial(changes.rotate_secret, account_id="a", now=AT, overlap_s=overlap_s))
    assert refused.value.code is Code.INVALID_FIELD
