"""What the platform's processes write: one line an event, nothing personal in any of them."""

import logging
import sys

import orjson
import structlog

from intellicall.settings import Settings
from intellicall.where import where_of

_TRACEBACKS = structlog.processors.ExceptionRenderer(structlog.tracebacks.ExceptionDictTransformer(show_locals=False))
"""Where it broke, and never with what was in the variables there: numbers, keys, secrets."""


def set_up_logs(settings: Settings) -> None:
    """Log one line an event to standard output: JSON for machines or text for people."""
    level = logging.getLevelNamesMapping().get(settings.log_level.upper(), logging.INFO)
    rendering: list[structlog.typing.Processor] = (
        [structlog.dev.ConsoleRenderer(colors=sys.stdout.isatty(), exception_formatter=structlog.dev.plain_traceback)]
        if settings.log_format == "text"
        else [_TRACEBACKS, structlog.processors.JSONRenderer(serializer=orjson.dumps)]
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *rendering,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory() if settings.log_format == "text" else structlog.BytesLoggerFactory(),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[_OfLibraries()], force=True)


class _OfLibraries(logging.Handler):
    """Writes what libraries log (asyncio, uvicorn, …) as lines like all others: where from, and never what with.

    Of a message only the text in the library's own code is taken; what it fills in may be a number or a name.
    """

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        about = {"error": type(error).__name__, "where": where_of(error)} if error else {}
        text = record.msg.partition("\n")[0] if isinstance(record.msg, str) else type(record.msg).__name__
        structlog.get_logger().log(record.levelno, "library_log", logger=record.name, text=text, **about)
