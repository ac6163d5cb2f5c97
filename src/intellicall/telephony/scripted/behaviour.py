"""What far ends do when they are rung: the scripted engine's cast."""

from dataclasses import dataclass

from intellicall.telephony.engine import Cause


@dataclass(frozen=True, slots=True)
class Behaviour:
    """What a far end does when it is rung. Seconds count from the ring; `hangs_up_s` from the answer. None: never."""

    rings: bool = True
    early_media: bool = False
    answers_s: float | None = 0.0
    refuses_s: float = 0.0  # when it neither answers nor rings for ever: after this long, with `cause`
    cause: Cause | None = None
    sip_code: int | None = None
    hangs_up_s: float | None = None


BEHAVIOURS: dict[str, Behaviour] = {
    "answers": Behaviour(),
    "answers_after_3s": Behaviour(answers_s=3),
    "busy": Behaviour(rings=False, answers_s=None, cause=Cause.BUSY, sip_code=486),
    "reject": Behaviour(answers_s=None, cause=Cause.REJECTED, sip_code=603),
    "no_answer": Behaviour(answers_s=None),
    "unknown": Behaviour(rings=False, answers_s=None, cause=Cause.NUMBER_UNKNOWN, sip_code=404),
    "early_media": Behaviour(early_media=True, answers_s=None, refuses_s=4, cause=Cause.UNAVAILABLE, sip_code=480),
    "hangs_up": Behaviour(hangs_up_s=5),
    "carrier_failure": Behaviour(rings=False, answers_s=None, cause=Cause.CARRIER_FAILURE, sip_code=503),
    "no_audio": Behaviour(answers_s=None, cause=Cause.NO_AUDIO),
}
