"""docs/api.md: its commands are run as they stand, with a real shell and curl, and answered as the page says."""

import asyncio
import re
from pathlib import Path

from tests.app.running import open_api

PAGE = (Path(__file__).parents[2] / "docs" / "api.md").read_text()
BLOCKS = re.findall(r"```(sh|json|text)\n(.*?)```", PAGE, re.DOTALL)
BASE, KEY = "http://localhost:8080", "ics_your_server_key"
TIME_LIMIT_S = 60.0
MARK = "--- end of command ---"


def script(base: str, key: str) -> tuple[str, list[str]]:
    """Return the page's commands as one shell script that marks the end of each, and what the page shows below each."""
    lines = ["set -eu"]
    answers = []
    for number, (kind, text) in enumerate(BLOCKS):
        if kind != "sh":
            continue
        lines += [text.replace(f"BASE={BASE}", f"BASE={base}").replace(f"KEY={KEY}", f"KEY={key}"), f"echo; echo '{MARK}'"]
        follows = BLOCKS[number + 1] if number + 1 < len(BLOCKS) else ("sh", "")
        answers.append(follows[1] if follows[0] != "sh" else "")
    return "\n".join(lines), answers


def fits(shown: str, answer: str) -> bool:
    """Whether an answer is as the page shows it: spaces aside, `…` is anything; members of one line may come in any order."""
    if shown.startswith("{") and "\n" not in shown.strip():
        members = re.split(r", (?=\")", shown.strip().removeprefix("{").removesuffix("}").removesuffix(", …"))
        return all(_pattern(member).search(_plain(answer)) for member in members)
    return _pattern(shown).fullmatch(_plain(answer)) is not None


def _plain(text: str) -> str:
    return re.sub(r"\s+", "", text)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(_plain(text)).replace("…", ".*?"), re.DOTALL)


async def test_the_pages_commands_answer_as_it_says(tmp_path: Path) -> None:
    async with open_api(tmp_path) as api:
        text, shown = script(api.url, api.key)
        process = await asyncio.create_subprocess_exec(
            "bash", "-c", text, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
        )
        try:
            out, err = await asyncio.wait_for(process.communicate(), TIME_LIMIT_S)
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
    answers = out.decode().split(MARK)[:-1]
    assert (len(answers), process.returncode) == (len(shown), 0), (err.decode(), answers[-1:])
    assert len(answers) >= 18
    for command, answer in zip(shown, answers, strict=True):
        assert fits(command, answer) or not command, f"the page says\n{command}\nand it is\n{answer}"


def test_an_answer_that_differs_is_noticed() -> None:
    assert fits('{"state": "held", "allowed": […], …}\n', '{"call_id":"x","state":"held","allowed":["hangup"]}')
    assert not fits('{"state": "held", …}\n', '{"call_id":"x","state":"talking"}')
    assert fits("event: a\nevent: b\n", "\nevent: a\nevent: b\n")
    assert not fits("event: a\n", "event: a\nevent: b\n")
