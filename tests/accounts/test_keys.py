"""Keys: short enough for CRM templates, long enough for attackers, and ended when they should be."""

import math
import re
from datetime import UTC, datetime, timedelta

import pytest

from intellicall.accounts.keys import HINT, KeyKind, expiry_after_rotation, new_key
from intellicall.ids import digest

NOW = datetime(2026, 7, 3, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(("kind", "form"), [(KeyKind.BROWSER, r"icb_[A-Za-z0-9]{28}"), (KeyKind.SERVER, r"ics_[A-Za-z0-9]{44}")])
def test_a_key_is_random_and_survives_a_url(kind: KeyKind, form: str) -> None:
    born = [new_key("a1", kind, NOW) for _ in range(100)]
    assert len({one.text for one in born}) == 100
    assert all(re.fullmatch(form, one.text, re.ASCII) for one in born)
    assert (len(born[0].text) - len("icb_") - HINT) * math.log2(62) >= 128  # without the characters that are shown in lists


def test_a_browser_key_fits_into_crm_templates() -> None:
    assert len(new_key("a1", KeyKind.BROWSER, NOW).text) <= 32


def test_only_the_digest_and_the_last_characters_are_kept() -> None:
    born = new_key("a1", KeyKind.SERVER, NOW)
    assert born.digest == digest(born.text)
    assert born.text.endswith(born.key.hint)
    assert born.text not in repr(born)
    assert born.text not in repr(born.key)


def test_a_rotated_key_ends_after_the_overlap_and_never_later_than_before() -> None:
    key = new_key("a1", KeyKind.SERVER, NOW).key
    assert expiry_after_rotation(key, NOW, 60) == NOW + timedelta(seconds=60)
