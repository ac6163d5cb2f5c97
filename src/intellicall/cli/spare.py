"""`python -m intellicall.cli.spare FD`: a platform that has loaded everything and starts when it is told so by a line on its input.

Of `intellicall.supervisor`, not for people. It writes to file descriptor FD: LOADED when it has loaded, SERVES when it takes calls.
"""

import os
import sys

from intellicall import app  # noqa: F401 - loading it is what takes the time
from intellicall.cli.serve import run_platform
from intellicall.settings import load
from intellicall.supervisor import LOADED, SERVES


def main() -> None:
    """Wait for the word; without one (the supervisor is gone) end."""
    ready = int(sys.argv[1])
    os.set_inheritable(ready, False)  # noqa: FBT003 - the engine, which we start, must not hold it
    os.write(ready, LOADED)
    if sys.stdin.buffer.readline():
        run_platform(load(), lambda: _tell(ready))


def _tell(ready: int) -> None:
    os.write(ready, SERVES)
    os.close(ready)


if __name__ == "__main__":
    main()
