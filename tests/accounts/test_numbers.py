"""Whatever a CRM sends, only a plus and digits come out, or a refusal that says whose mistake it is."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from intellicall.accounts.numbers import Number, display, parse
from intellicall.errors import Code, Refused

INDIAN = Number("+919876543210", "9876543210")
PLUS_91 = Number("+919876543210", "+919876543210")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("9876543210", INDIAN),
        ("98765 43210", INDIAN),
        ("98765-43210", INDIAN),
        ("98765.43210", INDIAN),
        ("98765\u00a043210", INDIAN),
        ("98765\u201143210", INDIAN),
        (" 9876543210", INDIAN),  # sloppy record: +98 7654 3210 is no number of Iran's
        ("09876543210", Number("+919876543210", "09876543210")),
        ("919876543210", Number("+919876543210", "919876543210")),
        ("(022) 2345-6789", Number("+912223456789", "02223456789")),
        ("+91 98765 43210", PLUS_91),
        (" 91 98765 43210", PLUS_91),  # the plus that was not encoded
        (" (91) 98765-43210", PLUS_91),
        ("%2B919876543210", PLUS_91),  # encoded twice
        ("(+91) 98765-43210", PLUS_91),
        ("\uff0b91 98765 43210", PLUS_91),
        ("00919876543210", Number("+919876543210", "00919876543210")),
        ("00 91 98765 43210", Number("+919876543210", "00919876543210")),
        ("tel:+919876543210", PLUS_91),
        ("TEL:+91-98765-43210", PLUS_91),
        ("tel: 9876543210", INDIAN),
        ("callto:+919876543210", PLUS_91),
        ("tel:9876543210;phone-context=+91", PLUS_91),
        ("tel:9876543210;phone-context=crm.example", INDIAN),
        ("tel:+919876543210;ext=12", Number("+919876543210", "+919876543210", "12")),
        ("+91 98765 43210 x12", Number("+919876543210", "+919876543210", "12")),
        ("98765 43210 ext. 7", Number("+919876543210", "9876543210", "7")),
        ("98765 43210, extension 7001", Number("+919876543210", "9876543210", "7001")),
        ("\u202a+91 98765 43210\u202c", PLUS_91),  # copied from a phone's contacts
        ("\u096f\u096e\u096d\u096c\u096b\u096a\u0969\u0968\u0967\u0966", INDIAN),  # Devanagari
        ("+44 (0)20 7946 0018", Number("+442079460018", "+4402079460018")),
        ("+12025550100", Number("+12025550100", "+12025550100")),  # the test network's
    ],
)
def test_what_crms_write(raw: str, expected: Number) -> None:
    assert parse(raw, "IN") == expected


def test_the_country_decides_what_00_means() -> None:
    assert parse("0011 91 98765 43210", "AU").e164 == "+919876543210"
    assert parse("011 91 98765 43210", "US").e164 == "+919876543210"
    assert parse("00 91 98765 43210", "US").e164 == "+919876543210"


@pytest.mark.parametrize(
    "raw",
    [
        "", " ", "+", "tel:", "-", "()", "undefined", "null", "NULL", "None", "nil", "NaN", "+undefined", "tel:undefined",
        "tel:null",        "[object Object]", "(null)", "{phone}", "{phone_mobile}", "{{phone}}", "${Leads.Phone}", "$phone",
        "%phone%", "%7Bphone%7D",
        "{!Contact.Phone}", "{0}", "<%= phone %>", "<customer's number>", "<phone>", "[phone]", "[[phone]]", "#phone#", "__PHONE__",
        "+91{phone}", "%add%", "\u00a0",
    ],
)  # fmt: skip
def test_a_template_that_was_not_filled_is_told_as_such(raw: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(raw, "IN", "agent_number")
    assert refused.value.code is Code.TEMPLATE_NOT_FILLED
    assert refused.value.field == "agent_number"


@pytest.mark.parametrize(
    "raw",
    [
        "abc", "12345", "1234567", "112", "+91112", "9" * 40, "9876@evil", "9876543210@evil.example", "&PJSIP/9876543210",
        "9876543210&PJSIP/100", "9876543210;tag=1", "9876543210\r\nX: y", "9876543210\n", "98765\x0043210", "*9876543210",
        "9876543210#", "#9876543210", "9876543210w12", "9876543210,12", "9876543210p1", "98765 43210, 98765 43211",
        "98765 43210 / 98765 43211", "91+9876543210", "++919876543210", "+91 98765 43210 x", "1-800-FLOWERS", "sip:100@pbx",
        "\u2460\u2461\u2462\u2463\u2464\u2465\u2466\u2467\u2468\u2460", "98765\ud80043210", "+0123456789", "9876543210" + " " * 200,
        "%00", "%0d%0a9876543210", "9876543210%0d%0a", "+999123456789", "9876543210x1234567890",
    ],
)  # fmt: skip
def test_what_is_no_number_is_refused(raw: str) -> None:
    with pytest.raises(Refused) as refused:
        parse(raw, "IN")
    assert refused.value.code is Code.INVALID_NUMBER
    assert refused.value.field == "to_number"


def test_a_refusal_never_repeats_the_number() -> None:
    with pytest.raises(Refused) as refused:
        parse("98765432101234567", "IN")
    assert not re.search("[0-9]{3}", f"{refused.value} {refused.value.detail} {refused.value.more}")


_NASTY = st.text(st.sampled_from("0123456789+ ()-.x;@&*#w,/%\r\n\t\u00a0\u0967\u2460{}$tel:ext"), max_size=50)


@given(st.one_of(st.text(max_size=60), _NASTY), st.sampled_from(["IN", "US", "DE", "AU", "IT"]))
@example("tel:98765;phone-context=+1;ext=\u0967", "IN")
def test_only_a_plus_and_digits_come_out(raw: str, region: str) -> None:
    try:
        number = parse(raw, region)
    except Refused:
        return
    assert re.fullmatch(r"\+[1-9][0-9]{3,14}", number.e164, re.ASCII)
    assert re.fullmatch(r"\+?[0-9]{2,20}", number.as_sent, re.ASCII)
    assert number.extension is None or re.fullmatch(r"[0-9]{1,16}", number.extension, re.ASCII)
    assert parse(number.e164, region).e164 == number.e164


@given(st.integers(6_000_000_000, 9_999_999_999), st.sampled_from(["{}", "+91{}", " 91{}", "0{}", "tel:+91{}", "0091{}"]))
def test_every_way_to_write_a_mobile_number_is_the_same_number(national: int, form: str) -> None:
    assert parse(form.format(national), "IN").e164 == f"+91{national}"


def test_numbers_are_shown_as_people_write_them() -> None:
    assert display("+919876543210") == "+91 98765 43210"
    assert display("nonsense") == "nonsense"
