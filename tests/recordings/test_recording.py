"""Names, lengths and headers of recordings; ranges of requests. Pure."""

import io
import wave

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellicall.ids import new_recording_name
from intellicall.recordings.ranges import NotSatisfiable, Span, wanted
from intellicall.recordings.recording import HEADER_BYTES, MAX_AUDIO_BYTES, TooLong, is_name, seconds_of, wav_header, whole_frames


def test_names_that_we_give_are_names() -> None:
    name = new_recording_name()
    assert is_name(name)
    assert len(name.removeprefix("crm_")) * 4 >= 128


@pytest.mark.parametrize(
    "text",
    [
        "",
        "crm_",
        "crm_" + "a" * 31,
        "crm_" + "a" * 65,
        "crm_" + "A" * 40,
        "crm_" + "g" * 40,
        "crm_" + "a" * 40 + "\n",
        "CRM_" + "a" * 40,
        "crm_../" + "a" * 40,
        "crm_" + "a" * 40 + "/..",
        "crm_" + "१" * 40,
        "crm_" + "a" * 39 + "\x00",
        "x" + "crm_" + "a" * 40,
    ],
)
def test_everything_else_is_none(text: str) -> None:
    assert not is_name(text)


def test_the_header_is_read_by_others_as_stereo_8_khz_16_bit() -> None:
    audio = bytes(range(256)) * 125
    with wave.open(io.BytesIO(wav_header(len(audio)) + audio)) as file:
        assert (file.getnchannels(), file.getframerate(), file.getsampwidth()) == (2, 8000, 2)
        assert file.getnframes() * 4 == len(audio)
        assert file.readframes(10**6) == audio
    assert seconds_of(len(audio)) == 1.0


def test_more_than_riff_can_count_is_refused() -> None:
    header = wav_header(MAX_AUDIO_BYTES)
    assert len(header) == HEADER_BYTES
    assert int.from_bytes(header[4:8], "little") == 0xFFFF_FFFF - 3
    with pytest.raises(TooLong):
        wav_header(MAX_AUDIO_BYTES + 4)


def test_a_torn_last_frame_is_left_out() -> None:
    assert [whole_frames(size) for size in (0, 3, 4, 7, 8)] == [0, 0, 4, 4, 8]


@pytest.mark.parametrize(
    ("header", "span"),
    [
        (None, None),
        ("bytes=0-0", Span(0, 1)),
        ("bytes=0-", Span(0, 100)),
        ("bytes=0-99", Span(0, 100)),
        ("bytes=0-100", Span(0, 100)),
        ("bytes=99-99", Span(99, 1)),
        ("bytes=99-99999", Span(99, 1)),
        ("bytes=50-", Span(50, 50)),
        ("bytes=-1", Span(99, 1)),
        ("bytes=-100", Span(0, 100)),
        ("bytes=-101", Span(0, 100)),
        ("bytes= 0-1 ", Span(0, 2)),
        ("BYTES=0-1", Span(0, 2)),
        ("bytes=1-0", None),
        ("bytes=", None),
        ("bytes=-", None),
        ("bytes", None),
        ("bytes=a-b", None),
        ("bytes=+1-2", None),
        ("bytes=0x1-2", None),
        ("bytes=1.0-2", None),
        ("bytes=१-२", None),
        ("bytes=0-1,2-3", None),
        ("bytes=0-,-1", None),
        ("bytes=" + "0-0," * 5000 + "0-0", None),
        ("bytes=0-" + "9" * 5000, None),
        ("seconds=0-1", None),
        ("", None),
    ],
)
def test_what_a_range_asks_for(header: str | None, span: Span | None) -> None:
    assert wanted(header, 100) == span


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-100", "bytes=101-200", "bytes=-0", "bytes=999999999999-"])
def test_ranges_outside_the_file(header: str) -> None:
    with pytest.raises(NotSatisfiable):
        wanted(header, 100)


@given(st.integers(0, 300), st.integers(0, 300), st.integers(1, 200))
def test_a_range_is_what_slicing_gives(first: int, last: int, size: int) -> None:
    data = bytes(n % 251 for n in range(size))
    try:
        span = wanted(f"bytes={first}-{last}", size)
    except NotSatisfiable:
        assert first >= size
        return
    if span is None:
        assert first > last
        return
    assert data[span.start : span.start + span.length] == data[first : last + 1]
    assert span.content_range(size) == f"bytes {first}-{first + span.length - 1}/{size}"


@given(st.text(max_size=40), st.integers(0, 10))
def test_no_header_breaks_it(text: str, size: int) -> None:
    for header in (text, f"bytes={text}"):
        try:
            span = wanted(header, size)
        except NotSatisfiable:
            continue
        assert span is None or (span.start >= 0 and 0 < span.length <= size - span.start)
