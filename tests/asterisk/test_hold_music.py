"""The music of the house: always the same, soft, without a gap, and never taken for a tone."""

import wave
from pathlib import Path

from tests.support import audio

from intellicall.telephony.asterisk import hold_music


def test_it_is_soft_steady_and_no_tone() -> None:
    samples = hold_music.samples()
    assert 20 <= len(samples) / audio.SAMPLE_RATE <= 30
    assert 0.9 * 0.125 * 32767 < audio.loudness(samples) < 1.1 * 0.125 * 32767
    assert max(map(abs, samples)) < 32767
    assert audio.silent_spans(samples) == []
    for tone in (400, 425, 440, 455, 950, 985, 1000, 1015, 1400, 1800):
        assert max(audio.tone_share(window, tone) for window in audio.windows(samples)) < 0.5


def test_it_is_written_once_and_the_same_each_time(tmp_path: Path) -> None:
    hold_music.write(tmp_path / "one")
    hold_music.write(tmp_path / "two")
    [path] = (tmp_path / "one").iterdir()
    assert path.read_bytes() == (tmp_path / "two" / path.name).read_bytes()
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getsampwidth(), file.getnchannels()) == (8000, 2, 1)
    path.write_bytes(b"the operator's own")
    hold_music.write(tmp_path / "one")
    assert path.read_bytes() == b"the operator's own"
