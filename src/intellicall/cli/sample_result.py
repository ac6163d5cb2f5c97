"""A test delivery sent at once from the terminal, for `intellicall callback test`: it is stored nowhere."""

import asyncio
from collections.abc import Sequence
from datetime import datetime

from intellicall.accounts.account import Account, Endpoint
from intellicall.accounts.signing_secrets import SigningSecret
from intellicall.callbacks.delivery import Answer, Delivery, Kind, State
from intellicall.callbacks.sample import sample
from intellicall.callbacks.signing import signed
from intellicall.callbacks.transport import HttpTransport
from intellicall.ids import new_id


def test_delivery(account: Account, endpoint: Endpoint, now: datetime) -> Delivery:
    """Return a delivery of a sample result."""
    call_id, body = sample(account, now)
    return Delivery(
        id=new_id(),
        kind=Kind.TEST,
        call_id=call_id,
        account_id=account.id,
        state=State.DUE,
        body=body,
        url=endpoint.url,
        header_name=endpoint.header_name,
        header_value=endpoint.header_value,
        attempts=0,
        round_start=0,
        due_at=now,
        created_at=now,
        finished_at=None,
    )


def post(delivery: Delivery, secrets: Sequence[SigningSecret], *, allow_private: bool) -> Answer:
    """Send it once, as the platform would: same headers, same signature, same address guard, 10 seconds."""
    signature = signed(delivery.id, delivery.body, delivery.created_at, secrets)
    return asyncio.run(_post(delivery, signature, HttpTransport(allow_private=allow_private)))


async def _post(delivery: Delivery, signature: dict[str, str], transport: HttpTransport) -> Answer:
    await transport.open()
    try:
        return await transport.post(delivery, signature)
    finally:
        await transport.close()
