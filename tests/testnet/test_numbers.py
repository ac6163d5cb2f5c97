"""The table of magic numbers: valid, distinct, complete, and documented as it is."""

from pathlib import Path

import phonenumbers

from intellicall.telephony.testnet.carrier import configuration
from intellicall.telephony.testnet.numbers import NUMBERS, is_test_number, to_markdown

NAMES = "tone_1000 tone_440 speech echo busy reject no_answer unknown early_media hangs_up tone_700 silent"


def test_the_names_are_the_documented_ones() -> None:
    assert list(NUMBERS) == NAMES.split()
    assert all(name == row.name for name, row in NUMBERS.items())


def test_every_number_is_a_valid_fictional_one_and_its_own() -> None:
    for row in NUMBERS.values():
        parsed = phonenumbers.parse(row.number)
        assert phonenumbers.is_possible_number(parsed)
        assert phonenumbers.is_valid_number(parsed)
        assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == row.number
        assert row.number.startswith("+120255501")
    assert len({row.number for row in NUMBERS.values()}) == len(NUMBERS)


def test_only_the_table_belongs_to_the_test_network() -> None:
    assert is_test_number("+12025550100")
    assert not is_test_number("+12025550199")
    assert not is_test_number("12025550100")


def test_the_page_is_generated_from_the_table() -> None:
    page = Path(__file__).parents[2] / "docs" / "test-network.md"
    assert page.read_text() == to_markdown()


def test_the_carrier_knows_every_number_but_the_unknown_one(tmp_path: Path) -> None:
    extensions = configuration(5060, (10_000, 19_999), tmp_path)["extensions.conf"]
    for row in NUMBERS.values():
        assert (f"exten => {row.number}," in extensions) is (row.name != "unknown")
