"""The CRM's receiver in a process of its own, which can be killed: `python -m tests.storm.receiver PORT LOG SECRET_FILE`.

It verifies every signature with the public Standard Webhooks library, writes down what came, then acknowledges.
"""

import asyncio
import base64
import json
import sys
import time
from pathlib import Path
from typing import TextIO

from standardwebhooks import Webhook, WebhookVerificationError


class Receiver:
    """One HTTP/1.1 server on loopback."""

    def __init__(self, log: TextIO, secret: Path) -> None:
        self._log = log
        self._secret = secret

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                headers = {
                    name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.split("\r\n")[1:])
                }
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                self._note(headers, body)
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()

    def _note(self, headers: dict[str, str], body: bytes) -> None:
        line = {
            "at": time.time(),
            "id": headers.get("webhook-id"),
            "genuine": self._genuine(headers, body),
            "body": base64.b64encode(body).decode(),
        }
        self._log.write(json.dumps(line) + "\n")
        self._log.flush()

    def _genuine(self, headers: dict[str, str], body: bytes) -> bool:
        try:
            Webhook(self._secret.read_text()).verify(body, headers)
        except (WebhookVerificationError, OSError):
            return False
        return True


async def main(port: int, log: Path, secret: Path) -> None:
    with log.open("a") as lines:
        server = await asyncio.start_server(Receiver(lines, secret).serve, "127.0.0.1", port)
        print("ready", flush=True)  # noqa: T201 - for the one who started us
        await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])))
