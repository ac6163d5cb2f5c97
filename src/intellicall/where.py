"""Where something broke, for the log."""

import traceback


def where_of(error: BaseException) -> list[str]:
    """Return file, line and function of each frame; an exception's own text may hold personal data and is left out."""
    return [
        f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in traceback.extract_tb(error.__traceback__)
    ]
