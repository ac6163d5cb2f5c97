"""The ears of the tests, and the sounds of the test network: what is a tone, what is silence, what is neither."""

import random
from pathlib import Path

import pytest
from tests.support import audio

from intellicall.telephony.testnet.sounds import INFORMATION_TONES, a_law, mu_law, tone, write_sounds


def test_a_tone_is_found_where_it_is() -> None:
    heard = [0] * 8000 + tone(1000, 2) + [0] * 4000
    assert audio.tone_spans(heard, 1000) == [audio.Span(1.0, 3.0)]
    assert audio.silent_spans(heard) == [audio.Span(0.0, 1.0), audio.Span(3.0, 3.5)]
    assert audio.sounding_seconds(heard) == 2.0


@pytest.mark.parametrize("other", [430, 450, 880, 990, 1010, 2000])
def test_another_frequency_is_not_the_tone(other: int) -> None:
    assert audio.tone_spans(tone(other, 1), 440) == []
    assert audio.tone_spans(tone(other, 1), 1000) == []


def test_noise_and_two_tones_at_once_are_no_tone() -> None:
    noise = [random.Random(1).randint(-10_000, 10_000) for _ in range(8000)]  # noqa: S311 - noise, no secret
    both = [one + two for one, two in zip(tone(440, 1), tone(1000, 1), strict=True)]
    assert audio.tone_spans(noise, 440) == []
    assert audio.tone_spans(both, 440) == []
    assert audio.tone_share(both, 440) == pytest.approx(0.5, abs=0.01)


def test_g711_keeps_a_tone_and_silence() -> None:
    encoded = bytes(map(a_law, tone(440, 1)))
    assert audio.tone_seconds(audio.decode_a_law(encoded), 440) == 1.0
    assert audio.sounding_seconds(audio.decode_a_law(bytes([a_law(0)]) * 8000)) == 0.0


@pytest.mark.parametrize(
    ("sample", "a", "mu"), [(0, 0xD5, 0xFF), (32_767, 0xAA, 0x80), (-32_768, 0x2A, 0x00), (1000, 0xFA, 0xCE), (-1000, 0x7A, 0x4E)]
)
def test_g711_is_the_standards(sample: int, a: int, mu: int) -> None:
    """Values of ITU-T G.191's reference coder."""
    assert (a_law(sample), mu_law(sample)) == (a, mu)


def test_every_sound_fits_its_loop(tmp_path: Path) -> None:
    write_sounds(tmp_path)
    data = (tmp_path / "tone_440/sound.alaw").read_bytes()
    assert (data + data)[200:] == (data + data)[:-200]  # eleven waves: seamless over the joint
    heard = audio.decode_a_law((tmp_path / "information/sound.alaw").read_bytes())
    assert len(heard) == 8000
    for frequency, _ in INFORMATION_TONES:
        assert len(audio.tone_spans(heard, frequency)) == 1


def test_a_stereo_recording_is_read_by_channel(tmp_path: Path) -> None:
    left, right = tone(440, 1), tone(1000, 1)
    interleaved = b"".join(
        one.to_bytes(2, "little", signed=True) + two.to_bytes(2, "little", signed=True)
        for one, two in zip(left, right, strict=True)
    )
    (tmp_path / "call.raw").write_bytes(interleaved)
    heard = audio.read_raw_stereo(tmp_path / "call.raw")
    assert audio.tone_seconds(heard[0], 440) == 1.0
    assert audio.tone_seconds(heard[1], 1000) == 1.0
