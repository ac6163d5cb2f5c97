"""Who may come in through the server-to-server API: the holder of an account's server key, from an address that may use it."""

from collections.abc import Callable, Sequence

from sqlalchemy import Connection
from starlette.requests import Request

from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account, Address, Network
from intellicall.clock import Clock
from intellicall.errors import Code, Refused
from intellicall.web.address import client_address


class Door:
    """Knows whose requests are whose. `proxies`: the networks of configured reverse proxies."""

    def __init__(self, clock: Clock, proxies: Sequence[Network]) -> None:
        self._clock = clock
        self._proxies = proxies

    def visitor(self, request: Request) -> Callable[[Connection], Account]:
        """Return the check of this request, to be made in the read that serves it, and again while its answer goes on.

        Raises Refused MISSING_KEY. The check raises Refused as `accounts.store.authenticate_server` does.
        """
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not key.strip():
            raise Refused(Code.MISSING_KEY, field="Authorization")
        address = self.address(request)
        return lambda connection: accounts.authenticate_server(connection, key.strip(), address, self._clock.now())

    def address(self, request: Request) -> Address | None:
        """Return the address of the one who asks, as configured proxies tell it."""
        return client_address(request.scope, self._proxies)
