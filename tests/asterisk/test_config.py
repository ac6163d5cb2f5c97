"""The generated configuration: the same every time, closed, readable by its owner alone."""

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr
from tests.support.engines import plan

from intellicall.clock import SystemClock
from intellicall.settings import Settings
from intellicall.telephony.asterisk.config import MODULES, RTP_CONF, EngineSite, configuration, next_rtp_conf
from intellicall.telephony.asterisk.dialplan import call_variables, recording_file, trunk_endpoint, wire_number
from intellicall.telephony.asterisk.embedded import embedded_engine, engine_site, keep, write_operator_folder
from intellicall.telephony.asterisk.install import EngineInstall
from intellicall.telephony.asterisk.process import EngineDirs
from intellicall.telephony.engine import Trunk

SITE = EngineSite(
    http_host="127.0.0.1",
    http_port=18088,
    sip_host="192.0.2.1",
    sip_port=5060,
    rtp_port_min=20000,
    rtp_port_max=29999,
    ami_port=15038,
    user="user",
    password="secret",
    hold_music=Path("/music"),
    legs=Path("/recordings/legs.csv"),
    external_address="198.51.100.7",
)


def test_each_engine_has_other_rtp_ports_than_the_three_before_it() -> None:
    files = [""]
    for _ in range(8):
        files.append(next_rtp_conf(files[-1], 20000, 29999))
    assert files[1:5] == files[5:]
    starts = [20000, 22500, 25000, 27500]
    assert [f"rtpstart={low}\nrtpend={low + 2499}\n" in file for low, file in zip(starts, files[1:5], strict=True)] == [True] * 4


@pytest.mark.parametrize(("low", "high", "count"), [(20000, 23998, 1), (20000, 23999, 2), (20000, 20000, 1), (20000, 19000, 1)])
def test_a_narrow_range_of_rtp_ports_stays_whole(low: int, high: int, count: int) -> None:
    one = next_rtp_conf("", low, high)
    assert f"rtpstart={low}\n" in one
    assert (f"rtpend={high}\n" in one) == (count == 1)
    assert (next_rtp_conf(one, low, high) == one) == (count == 1)


def test_another_range_begins_at_its_first_part() -> None:
    assert next_rtp_conf(configuration(SITE)[RTP_CONF], 30000, 33999) == next_rtp_conf("", 30000, 33999)


def test_the_same_site_gives_the_same_files() -> None:
    assert configuration(SITE) == configuration(SITE)


def test_nothing_listens_where_it_must_not() -> None:
    files = configuration(SITE)
    assert "bindaddr=127.0.0.1" in files["http.conf"]
    assert {"bindaddr=127.0.0.1", "port=15038", "webenabled=no"} <= set(files["manager.conf"].splitlines())
    assert "enable_status=no" in files["http.conf"]
    binds = [line for line in files["pjsip.conf"].splitlines() if line.startswith("bind=")]
    assert binds == ["bind=192.0.2.1:5060", "bind=192.0.2.1:5060", "bind=192.0.2.1:5061", "bind=127.0.0.1:18088"]
    assert "secret" not in "".join(text for name, text in files.items() if name not in {"ari.conf", "manager.conf"})


def test_the_managers_user_may_only_touch_calls() -> None:
    lines = configuration(SITE)["manager.conf"].splitlines()
    assert [line for line in lines if line.startswith(("read", "write="))] == ["read=", "write=call,reporting"]
    assert lines[lines.index("[user]") + 1] == "secret=secret"
    assert {"deny=0.0.0.0/0.0.0.0", "permit=127.0.0.0/255.0.0.0"} <= set(lines)


def test_dangerous_modules_are_not_loaded() -> None:
    forbidden = (
        "messaging",
        "refer",
        "anonymous",
        "stir_shaken",
        "system",
        "exec",
        "agi",
        "func_shell",
        "func_curl",
        "func_env",
        "mgcp",
    )
    assert [name for name in MODULES if any(word in name for word in forbidden)] == []
    assert "autoload=no" in configuration(SITE)["modules.conf"]


@pytest.mark.asterisk
def test_every_module_is_in_the_engine(engine_install: EngineInstall) -> None:
    assert [name for name in MODULES if not (engine_install.module_dir / f"{name}.so").exists()] == []


def test_what_is_kept_stays_and_is_secret(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path)
    dirs = EngineDirs.below(settings.engine_dir)
    dirs.create()
    first = keep(settings, dirs)
    assert keep(settings, dirs) == first
    assert first.ari_password != first.softphone_secret
    assert "password" not in repr(first) or first.ari_password not in repr(first)
    file = dirs.state / "kept.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(dirs.state.stat().st_mode) == 0o700
    assert engine_site(settings, first).sip_port == first.sip_port
    assert embedded_engine(settings, SystemClock()).connection.url.endswith(str(first.http_port))


def test_an_operators_folder_is_written(tmp_path: Path) -> None:
    settings = Settings(
        state_dir=tmp_path,
        engine_ari_url="http://127.0.0.1:9088",
        engine_ari_user="platform",
        engine_ari_password=SecretStr("s3cret"),
        sip_port=5070,
    )
    write_operator_folder(tmp_path / "etc", settings)
    written = {path.name: path.read_text() for path in (tmp_path / "etc").iterdir()}
    assert "[platform]" in written["ari.conf"]
    assert "password=s3cret" in written["ari.conf"]
    assert "bindport=9088" in written["http.conf"]
    assert "asterisk.conf" not in written
    assert all(stat.S_IMODE((tmp_path / "etc" / name).stat().st_mode) == 0o600 for name in written)


@given(st.text(max_size=40))
def test_only_digits_and_one_leading_plus_reach_the_wire(number: str) -> None:
    try:
        wired = wire_number(number, None)
    except ValueError:
        return
    assert wired.removeprefix("+").isascii()
    assert wired.removeprefix("+").isdigit()


@pytest.mark.parametrize(
    "number", ["", "+", "1&PJSIP/2", "12@evil", "1;tag=2", "1\r\n2", "１２３", "1 2", "++12", "1,2", "${X}", "1w2", "*21", "#31"]
)
def test_what_is_not_a_number_is_refused(number: str) -> None:
    trunk = Trunk("t", "192.0.2.1", 5060)
    for changes in ({"customer_number": number}, {"caller_id": number}):
        with pytest.raises(ValueError, match="digits"):
            call_variables(plan(trunks=("t",), **changes), {"t": trunk}, Path("/recordings"))


@pytest.mark.parametrize("name", ["../../etc/passwd,x", "a,D", "a b", "a${X}", "a;b"])
def test_a_recordings_name_cannot_be_misread(name: str) -> None:
    with pytest.raises(ValueError, match="recordings"):
        recording_file(Path("/recordings"), name)


@given(st.text(max_size=30), st.text(max_size=30))
def test_trunks_of_different_names_have_different_endpoints(one: str, other: str) -> None:
    names = {trunk_endpoint(Trunk(name, "192.0.2.1", 5060)) for name in (one, other)}
    assert len(names) == len({one, other})
    assert all(name.isascii() and " " not in name and "/" not in name for name in names)
