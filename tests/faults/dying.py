"""A platform process that dies for good at one point: `python -m tests.faults.dying FOLDER SCENARIO POINT RECEIVER`.

It plays the scenario as the simulation does, but at the point the whole process ends by `os._exit`, with no clean-up of any kind.
"""

import asyncio
import os
import sys
from pathlib import Path

from tests.faults.books import Books
from tests.faults.playing import silence
from tests.faults.scenarios import ALL
from tests.faults.theatre import House, open_stage
from tests.support.receiver import Receiver

from intellicall.storage.connections import open_engine

DEAD = 9


async def die(folder: Path, name: str, point: int) -> None:
    """Play until the point; return only when the play ends before it."""
    scenario = next(scenario for scenario in ALL if scenario.name == name)
    file = folder / "play.db"
    house = House(f"sqlite:///{file}", open_engine(f"sqlite:///{file}"), folder / "play")
    receiver = Receiver([])
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", int(sys.argv[4]))
    async with server, open_stage(house, Books(file=file), receiver, die_at=(point,)) as stage:
        stage.on_death = lambda: os._exit(DEAD)
        with silence():
            scenario.prepare(stage)
            await stage.play(scenario.acts)


if __name__ == "__main__":
    asyncio.run(die(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
