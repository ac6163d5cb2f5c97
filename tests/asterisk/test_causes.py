"""The table of causes is total and says what the port's documentation says."""

import pytest

from intellicall.telephony.asterisk.causes import cause_of, may_try_next
from intellicall.telephony.engine import Cause

SAID = {
    Cause.BUSY: {486, 600},
    Cause.REJECTED: {603, 607},
    Cause.UNAVAILABLE: {480, 410},
    Cause.NUMBER_UNKNOWN: {404, 484, 604},
    Cause.CARRIER_TIMEOUT: {408},
    Cause.CARRIER_FAILURE: set(range(500, 600)),
    Cause.NUMBER_REFUSED: {302, 401, 403, 407, 488},
}


@pytest.mark.parametrize("code", range(300, 700))
def test_every_final_response_has_a_cause(code: int) -> None:
    cause = cause_of(code, 16)
    expected = [cause for cause, codes in SAID.items() if code in codes]
    assert cause in (expected or set(Cause) - {Cause.NORMAL, Cause.NO_AUDIO, Cause.TIME_LIMIT, Cause.ENGINE_LOST})


@pytest.mark.parametrize("q850", range(128))
def test_every_q850_cause_is_known(q850: int) -> None:
    assert isinstance(cause_of(None, q850), Cause)


def test_without_a_sip_response_the_engines_cause_decides() -> None:
    assert cause_of(None, 17) is Cause.BUSY
    assert cause_of(None, None) is Cause.UNREACHABLE
    assert cause_of(200, 17) is Cause.BUSY


@pytest.mark.parametrize("code", [None, *range(300, 700)])
def test_only_a_failed_trunk_lets_the_next_one_be_tried(code: int | None) -> None:
    assert may_try_next(code, rang=False) == (code is None or code == 408 or 500 <= code <= 599)
    assert not may_try_next(code, rang=True)
