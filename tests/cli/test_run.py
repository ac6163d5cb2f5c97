"""`intellicall run`: what cannot start is tried again, not too often, and says why; it ends politely. See also test_handover.py."""

import signal
import socket
from pathlib import Path

from tests.cli.running import run, said
from tests.support.demo import until

MOST_STARTS = 6
"""In a minute, which this test does not last."""


async def test_a_platform_that_cannot_start_says_why_and_is_tried_again(tmp_path: Path) -> None:
    log = tmp_path / "run.log"
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        running = await run(tmp_path, port, "--port", str(port))
        try:
            await until(said(log, "platform_not_started", 1), 60)
            assert "address already in use" in log.read_text()
            taken.close()
            await running.ready(60)
        finally:
            running.signal(signal.SIGTERM)
            assert await running.gone(30) == 0
    assert log.read_text().count('"platform_died"') <= MOST_STARTS
