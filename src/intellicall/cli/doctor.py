"""`intellicall doctor`: everything that a call needs, looked at, with a remedy for what is wrong."""

import asyncio
from dataclasses import asdict

from intellicall.cli.terminal import Fault, Json, answer
from intellicall.operation.finding import Finding, Verdict
from intellicall.settings import load

_MARKS = {Verdict.OK: "ok", Verdict.WARNING: "warning", Verdict.FAILED: "FAILED"}


def doctor(*, as_json: Json = False) -> None:
    """Look at everything that a call needs and say what to do: engine, trunks, ports, NAT, certificate, clock, disk, database,
    receivers. Works with the platform up or down, and changes nothing.

    Exit code 0 when nothing has failed (there may be warnings), 1 when something has.
    """
    from intellicall.app import diagnose  # noqa: PLC0415 - the other commands start faster without it

    found = asyncio.run(diagnose(load()))
    bad = [one for one in found if one.verdict is Verdict.FAILED]
    if as_json:
        record = {"ok": not bad, "checks": [asdict(one) for one in found]}
        answer(record, as_json=True)
    else:
        answer([_shown(one) for one in found], as_json=False)
    if bad:
        raise Fault(f"{len(bad)} of {len(found)} checks failed.", "checks_failed", {"failed": [one.check for one in bad]})


def _shown(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "": _MARKS[finding.verdict], "found": finding.sentence, "what to do": finding.remedy}
