"""`intellicall doctor`: looks at everything that a call needs, from the engine to the receivers, beside a platform or without one.

Changes nothing, sends no call and no result; a carrier is asked with one SIP OPTIONS, a receiver with an empty connection.
"""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence

import aiohttp
from yarl import URL

from intellicall.accounts import store as accounts
from intellicall.accounts.account import Account
from intellicall.callbacks.address_guard import refusal_sentence, refused_kind, url_fault
from intellicall.operation import machine_checks, voice_checks
from intellicall.operation.finding import Finding, Verdict, failed, ok
from intellicall.recordings.s3 import s3_shelf
from intellicall.settings import EngineMode, Settings
from intellicall.storage.database import Database, StorageUnavailable
from intellicall.telephony.checkup import EngineCheckup
from intellicall.telephony.engine import Trunk

REACH_S = 5.0
S3_S = 15.0
Examine = Callable[[Settings, Sequence[Trunk]], Awaitable[EngineCheckup]]


async def examine(settings: Settings, engine: Examine) -> list[Finding]:
    """Make every check and return what was found, in a fixed order. Raises nothing that a broken part can cause."""
    database = await asyncio.to_thread(machine_checks.check_database, settings)
    trunks, receivers = await asyncio.to_thread(_stored, settings) if database.verdict is Verdict.OK else ([], [])
    up = await _platform_up(settings)
    found = await engine(settings, trunks) if settings.engine is not EngineMode.SCRIPTED else EngineCheckup(None, answers=False)
    carriers, reached, shelf = await asyncio.gather(
        voice_checks.check_trunks(trunks, found), _check_receivers(settings, receivers), check_shelf(settings)
    )
    return [
        voice_checks.check_engine(settings, found, platform_up=up),
        *carriers,
        machine_checks.check_http_port(settings, platform_up=up),
        *voice_checks.check_ports(settings, found),
        voice_checks.check_nat(settings, trunks),
        voice_checks.check_turn(settings),
        machine_checks.check_certificate(settings),
        machine_checks.check_clock(),
        *await asyncio.to_thread(machine_checks.check_disk, settings),
        database,
        *([shelf] if shelf else []),
        *reached,
        await asyncio.to_thread(machine_checks.check_service),
    ]


def _stored(settings: Settings) -> tuple[list[Trunk], list[Account]]:
    """The trunks, and the accounts that receive callbacks."""
    database = Database(settings.sql_url)
    try:
        trunks = database.read_now(accounts.trunks)
        return trunks, [one for one in database.read_now(accounts.list_accounts) if one.enabled and one.callback_url]
    except StorageUnavailable:
        return [], []
    finally:
        database.close()


async def _platform_up(settings: Settings) -> bool:
    """Whether a platform answers where these settings put it, whatever its certificate says."""
    scheme = "https" if settings.tls_certificate else "http"
    host = "127.0.0.1" if settings.host in ("0.0.0.0", "::") else settings.host  # noqa: S104 - a comparison
    url = URL.build(scheme=scheme, host=host, port=settings.port, path="/healthz")
    try:
        timeout = aiohttp.ClientTimeout(total=3)
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=False) as answer:
            return answer.status == 200
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


async def check_shelf(settings: Settings) -> Finding | None:
    """Whether recordings can be moved to S3; None where they are not to be. Writes, reads and removes one small object."""
    remote = s3_shelf(settings)
    if remote is None:
        return None
    try:
        async with asyncio.timeout(S3_S):
            await remote.check()
    except TimeoutError:
        told = "it does not answer in time"
    except OSError as error:
        told = str(error).rstrip(".")
    else:
        return ok("s3", "Recordings can be moved to S3 and read back.")
    finally:
        await remote.close()
    remedy = "Check INTELLICALL_RECORDINGS_S3_URL, its key and what that key may do; until then recordings stay on the disk."
    return failed("s3", f"Recordings cannot be moved to S3: {told}.", remedy)


async def _check_receivers(settings: Settings, receivers: Sequence[Account]) -> list[Finding]:
    return list(await asyncio.gather(*(check_receiver(settings, account) for account in receivers)))


async def check_receiver(settings: Settings, account: Account) -> Finding:
    """Whether an account's receiver can be reached by the courier's own rules. Nothing is sent."""
    name = f"callback {account.name}"
    private = settings.allow_private_callbacks
    url = account.callback_url or ""
    fault = url_fault(url, allow_private=private) or await _reach(URL(url), allow_private=private)
    if fault:
        remedy = "Correct it with `intellicall callback set`, and open the receiver's firewall for this machine."
        return failed(name, f"The results of {account.name} cannot be delivered: {fault}.", remedy)
    return ok(name, f"The receiver of {account.name} can be reached.")


async def _reach(url: URL, *, allow_private: bool) -> str | None:
    """Connect, and agree on encryption where it is HTTPS; return what is wrong, or None."""
    host, port = url.host or "", url.port or 443
    context = ssl.create_default_context() if url.scheme == "https" else None
    try:
        async with asyncio.timeout(REACH_S):
            found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
            addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
            kinds = [kind for address in addresses if (kind := refused_kind(address, allow_private=allow_private))]
            if kinds:
                return refusal_sentence(kinds[0])
            _, writer = await asyncio.open_connection(addresses[0], port, ssl=context, server_hostname=host if context else None)
            writer.close()
    except TimeoutError:
        return "the receiver does not answer in time"
    except ssl.SSLCertVerificationError as error:
        return f"the receiver's certificate is not valid ({error.verify_message})"
    except ssl.SSLError:
        return "no encrypted connection could be agreed with the receiver"
    except socket.gaierror:
        return "the receiver's host name could not be found"
    except OSError:
        return "the receiver refuses the connection"
    return None
