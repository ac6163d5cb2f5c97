"""Receivers in a process of their own: `/ID` takes a result at once, `/ID/slow` after 50 ms, `/ID/dead` never answers.

Prints its port; then each line that it is sent on standard input is answered with what came since the last one, as JSON: a map from
`call_id` to the time of the kernel's monotonic clock, which all processes share.
"""

import asyncio
import json
import sys
import time

import uvloop

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
SLOW_S = 0.05
NEVER = asyncio.Event()
came: dict[str, float] = {}


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer one connection's requests."""
    try:
        while True:
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
            length = int(head.partition("content-length:")[2].partition("\r\n")[0])
            body = await reader.readexactly(length)
            path = head.split(" ", 2)[1]
            if path.endswith("/dead"):
                await NEVER.wait()
            came.setdefault(json.loads(body)["call_id"], time.monotonic())
            if path.endswith("/slow"):
                await asyncio.sleep(SLOW_S)
            writer.write(OK)
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=1_000)
    print(server.sockets[0].getsockname()[1], flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        told, came_now = json.dumps(came), len(came)
        print(told, flush=True)
        for key in list(came)[:came_now]:
            del came[key]


if __name__ == "__main__":
    uvloop.run(main())
