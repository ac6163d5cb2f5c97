"""What can be wrong with the database, in plain words, and which errors of the drivers mean it.

A *fault* is of the database as a whole (locked, full, away): whatever is tried next fails as well, so everything waits. Every other
error belongs to the one piece of work that raised it.
"""

from enum import StrEnum
from typing import Any

from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, ProgrammingError


class Fault(StrEnum):
    """Why the database cannot be used, as people are told."""

    LOCKED = "The database is locked by another program."
    FULL = "The database's disk is full."
    READ_ONLY = "The database is read-only."
    DISK = "The database's disk reports errors."
    DAMAGED = "The database's file is damaged."
    AWAY = "The database does not answer."
    SLOW = "The database takes too long to answer."
    CLOSED = "The platform is stopping."
    OVERTAKEN = "Another platform process leads now."


class StorageUnavailable(Exception):  # noqa: N818 - a state of the world
    """The database cannot be read or written now; the text says why, for people. `fault` when it is of the whole database.

    Nothing of the work was stored; only with `Database.write(within_s=...)` the outcome may be unknown.
    """

    def __init__(self, why: Fault | str) -> None:
        super().__init__(str(why))
        self.fault = why if isinstance(why, Fault) else None


_OUR_OWN = (IntegrityError, ProgrammingError, DataError)  # trying again would not help

# https://sqlite.org/rescode.html: the primary result code is the lowest byte.
_SQLITE = {
    5: Fault.LOCKED,  # BUSY
    6: Fault.LOCKED,
    8: Fault.READ_ONLY,
    10: Fault.DISK,  # IOERR
    11: Fault.DAMAGED,  # CORRUPT
    13: Fault.FULL,
    14: Fault.AWAY,  # CANTOPEN
    15: Fault.LOCKED,  # PROTOCOL: the race for the WAL's locks was lost too often
    26: Fault.DAMAGED,  # NOTADB
}
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_POSTGRES = {
    "25006": Fault.READ_ONLY,
    "25P03": Fault.AWAY,  # idle_in_transaction_session_timeout: this process was stopped for so long
    "53100": Fault.FULL,
    "53200": Fault.AWAY,  # out of memory
    "53300": Fault.AWAY,  # too many connections
    "55P03": Fault.LOCKED,  # lock_timeout
    "57014": Fault.SLOW,  # statement_timeout
    "58030": Fault.DISK,
}
_POSTGRES_CLASSES = {"08": Fault.AWAY, "57": Fault.AWAY, "XX": Fault.DAMAGED}


def fault_of(error: BaseException) -> Fault | None:
    """Return what is wrong with the database as a whole, if this error says so."""
    if isinstance(error, StorageUnavailable):
        return error.fault
    if not isinstance(error, DBAPIError):
        return None
    driver: Any = error.orig
    code = getattr(driver, "sqlite_errorcode", None)
    if code is not None:
        return _SQLITE.get(code & 0xFF)
    state = getattr(driver, "sqlstate", None)
    if state is None:
        return None if isinstance(error, _OUR_OWN) or not _is_connection_error(driver) else Fault.AWAY
    return _POSTGRES.get(state) or _POSTGRES_CLASSES.get(state[:2])


def _is_connection_error(driver: Any) -> bool:
    """psycopg has no SQLSTATE for a server that is gone, cannot be reached or does not answer."""
    return type(driver).__name__ in ("OperationalError", "ConnectionTimeout", "InterfaceError")


def as_told(error: Exception) -> Exception:
    """Return what callers are told: StorageUnavailable when disk, lock or server fail; what the work raised stays what it is."""
    fault = fault_of(error)
    if isinstance(error, StorageUnavailable) or not isinstance(error, DBAPIError):
        return error
    if fault is None and isinstance(error, _OUR_OWN):
        return error
    told = StorageUnavailable(fault or "The database refused this piece of work.")
    told.__cause__ = error
    return told
