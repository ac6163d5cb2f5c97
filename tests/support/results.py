"""What the integration guide says of results, section 5, and how a CRM fetches a recording."""

from array import array
from pathlib import Path

from tests.support import audio
from tests.support.demo import Demo

GUIDE_FIELDS = (
    "call_id",
    "uuid",
    "status",
    "duration",
    "customer_number",
    "agent_number",
    "crm_username",
    "call_type",
    "disposition",
    "direction",
    "start_time",
    "end_time",
    "recording_url",
)
"""In the guide's order."""
OUR_FIELDS = ("answer_time", "reason", "ended_by", "transferred_to", "notes", "recording")
"""Our additions, after the guide's."""
HEARD = 0.8
"""Share of a recording in which a voice that never stops has to be found, by tenths of a second; a busy machine loses packets."""


async def download(demo: Demo, url: str, folder: Path) -> "tuple[array[int], array[int]]":
    """Fetch a recording as the CRM does; return the customer's (left) and the agent's (right) side."""
    async with demo.http.get(url) as answer:
        assert answer.status == 200
        assert answer.content_type in ("audio/wav", "audio/x-wav")
        assert {"private", "no-store"} <= set(answer.headers["Cache-Control"].replace(",", " ").split())
        file = folder / "recording.wav"
        file.write_bytes(await answer.read())
    return audio.read_wav_stereo(file)
