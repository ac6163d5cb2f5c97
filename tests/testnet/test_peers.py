"""The SIPp peers that other tests rely on, tried against each other."""

import asyncio
from pathlib import Path

import pytest
from tests.support import audio
from tests.support.ports import find_free_port
from tests.support.rtp import RtpPhone
from tests.support.sipp import Sipp, Uac, Uas

pytestmark = pytest.mark.asterisk
NUMBER = "+12025550150"


class Peers:
    """A called and a calling SIPp."""

    def __init__(self, command: tuple[str, ...], folder: Path, called: Uas) -> None:
        self._command, self._folder = command, folder
        self.called = Sipp(command, folder, called, port=find_free_port())

    def caller(self, call: Uac) -> Sipp:
        return Sipp(self._command, self._folder, call, port=find_free_port(), remote=self.called.port)


async def test_a_called_peer_plays_its_tone_until_the_caller_hangs_up(sipp_command: tuple[str, ...], tmp_path: Path) -> None:
    peers = Peers(sipp_command, tmp_path, Uas(tone=700))
    async with RtpPhone() as phone, peers.called, peers.caller(Uac(NUMBER, phone.port, talk_ms=2000)) as caller:
        await caller.finished()
        await peers.called.finished()
        invite = await peers.called.message(method="INVITE")
    assert audio.tone_seconds(phone.heard(), 700) > 1.5
    assert invite.headers["from"].startswith("<sip:+12025550199@")
    assert "p-asserted-identity" not in invite.headers
    assert invite.media_port == phone.port


async def test_a_called_peer_hangs_up_itself(sipp_command: tuple[str, ...], tmp_path: Path) -> None:
    peers = Peers(sipp_command, tmp_path, Uas(provisional=(), hangs_up_after_ms=300))
    async with RtpPhone() as phone, peers.called, peers.caller(Uac(NUMBER, phone.port, talk_ms=None)) as caller:
        await asyncio.gather(caller.finished(), peers.called.finished())


@pytest.mark.parametrize("code", [302, 404, 480, 486, 503, 603])
@pytest.mark.parametrize("provisional", [(), (180,), (183,)])
async def test_a_called_peer_refuses(
    sipp_command: tuple[str, ...], tmp_path: Path, code: int, provisional: tuple[int, ...]
) -> None:
    refusal = Uas(provisional=provisional, final=code, contact="<sip:+19005550100@127.0.0.1:9>" if code == 302 else None)
    peers = Peers(sipp_command, tmp_path, refusal)
    async with RtpPhone() as phone, peers.called, peers.caller(Uac(NUMBER, phone.port, expect=code)) as caller:
        await asyncio.gather(caller.finished(), peers.called.finished())
        seen = [message.status for message in caller.messages() if message.received]
    assert seen == [*provisional, code]


async def test_a_called_peer_rings_until_it_is_cancelled(sipp_command: tuple[str, ...], tmp_path: Path) -> None:
    peers = Peers(sipp_command, tmp_path, Uas(final=None))
    async with RtpPhone() as phone, peers.called, peers.caller(Uac(NUMBER, phone.port, expect=487, cancel_after_ms=300)) as caller:
        await asyncio.gather(caller.finished(), peers.called.finished())


async def test_a_silent_peer_says_nothing(sipp_command: tuple[str, ...], tmp_path: Path) -> None:
    peers = Peers(sipp_command, tmp_path, Uas(silent=True))
    async with RtpPhone() as phone, peers.called, peers.caller(Uac(NUMBER, phone.port)):
        await peers.called.message(method="INVITE")
        assert [message for message in peers.called.messages() if not message.received] == []


async def test_an_unexpected_answer_fails_the_test(sipp_command: tuple[str, ...], tmp_path: Path) -> None:
    peers = Peers(sipp_command, tmp_path, Uas(final=486))
    async with RtpPhone() as phone, peers.called, peers.caller(Uac(NUMBER, phone.port, expect=200)) as caller:
        with pytest.raises(AssertionError, match="486"):
            await caller.finished()
