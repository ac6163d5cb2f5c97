"""What can be found out about an engine from outside, whether or not a platform runs. Pure: the adapters fill it in."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from intellicall.telephony.engine import TrunkState


@dataclass(frozen=True, slots=True)
class EngineCheckup:
    """`version` is None where no engine can be had, and `fault` says why; `answers`: it can be talked to now.

    `sip_port` is the port that it listens on, or would; `states` are those of the trunks, where it could be asked.
    """

    version: str | None
    answers: bool
    sip_port: int | None = None
    fault: str = ""
    states: Mapping[str, TrunkState] = field(default_factory=dict)
