"""The plays in which the platform dies at every point: every ending that the scripted engine brings about, and all live orders."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from tests.calls.world import ACCOUNT, CALLER_ID
from tests.faults.theatre import Act, Stage

from intellicall.calls.call import Order
from intellicall.calls.orders import Ask, Note
from intellicall.calls.people import Person
from intellicall.calls.table import Move, Party, Reason
from intellicall.telephony.engine import Cause, LegPlan, PhoneLine, SoftphoneLine
from intellicall.telephony.scripted.behaviour import BEHAVIOURS, Behaviour
from intellicall.telephony.testnet.numbers import NUMBERS

AGENT, CUSTOMER, GUEST = (NUMBERS[name].number for name in ("tone_440", "tone_1000", "tone_700"))
ANSWERS = BEHAVIOURS["answers"]
SILENT = BEHAVIOURS["no_answer"]


def refuses(cause: Cause, code: int) -> Behaviour:
    return Behaviour(rings=False, answers_s=None, cause=cause, sip_code=code)


@dataclass(frozen=True)
class Scenario:
    """A play and how it ends when nothing dies. `statuses`: what the receiver answers in turn; `events`: what else is pushed."""

    name: str
    reason: Reason
    acts: Sequence[Act] = ()
    agent: Behaviour = ANSWERS
    customer: Behaviour = ANSWERS
    guest: Behaviour = ANSWERS
    softphone: bool = False
    statuses: Sequence[int] = (200,)
    events: Sequence[str] = ()
    account: dict[str, Any] = field(default_factory=dict)
    undelivered: bool = False

    def prepare(self, stage: Stage) -> None:
        """Set the far ends' behaviour and what the CRM asks for."""
        stage.engine._script = {AGENT: self.agent, CUSTOMER: self.customer, GUEST: self.guest}
        stage.engine.softphone = self.agent
        account = {"recording": False, **self.account}
        stage.compose("tone_1000", None if self.softphone else "tone_440", **account)


# -- what people do --------------------------------------------------------------------------------------------------------


CALL = Act(client=Stage.start)


def wait(seconds: float) -> Act:
    return Act(seconds=seconds)


def hangs_up(leg: str) -> Act:
    return Act(world=lambda stage: stage.engine.far_end_hangs_up(stage.call_id, leg))


def picks_up(leg: str) -> Act:
    return Act(world=lambda stage: stage.engine.far_end_answers(stage.call_id, leg))


def engine_dies(stage: Stage) -> None:
    stage.engine.die()


def engine_lost(stage: Stage) -> None:
    stage.engine.lose()


def engine_back(stage: Stage) -> None:
    stage.engine.come_back(restarted=False)


def engine_new(stage: Stage) -> None:
    stage.engine.come_back(restarted=True)


def order(move: Move, by: Party = Party.ACCOUNT, *, participant: str | None = None, digits: str | None = None) -> Act:
    """The same order, with the same key, until it is answered."""

    async def ask(stage: Stage) -> None:
        await stage.order(Ask(Order(move, by, participant), digits=digits, key=f"{move}-{participant}"))

    return Act(client=ask)


def invite(move: Move) -> Act:
    async def ask(stage: Stage) -> None:
        leg = LegPlan(stage.call_id, "", PhoneLine(GUEST, ("sandbox",)), CALLER_ID.number, CUSTOMER, 20)
        await stage.order(Ask(Order(move, Party.ACCOUNT), Person("", "", GUEST, GUEST), leg, key=f"invite-{move}"))

    return Act(client=ask)


async def _agent_back(stage: Stage) -> None:
    line = SoftphoneLine("s2", "token")
    leg = LegPlan(stage.call_id, "", line, CALLER_ID.number, CUSTOMER, 15)
    person = Person("agent", "agent", crm_username="agent.017", agent_id="g1", softphone=line)
    await stage.order(Ask(Order(Move.AGENT_BACK, Party.PLATFORM), person, leg))


async def _note(stage: Stage) -> None:
    await stage.life.calls.annotate(ACCOUNT.id, stage.call_id, Note("sold", "calls again in May"))


async def _again(stage: Stage) -> None:
    await stage.start()


NOTE = Act(client=_note)
END = order(Move.HANG_UP)
BACK = Act(client=_agent_back)
TALK = (CALL, wait(3))
_CONSULT = (*TALK, invite(Move.CONSULT), wait(1))

BEFORE_TALK = (
    Scenario("customer_busy", Reason.CUSTOMER_BUSY, [CALL], customer=BEHAVIOURS["busy"]),
    Scenario("customer_rejected", Reason.CUSTOMER_REJECTED, [CALL], customer=BEHAVIOURS["reject"]),
    Scenario("customer_no_answer", Reason.CUSTOMER_NO_ANSWER, [CALL], customer=SILENT, account={"customer_ring_s": 10}),
    Scenario("customer_unavailable", Reason.CUSTOMER_UNAVAILABLE, [CALL], customer=BEHAVIOURS["early_media"]),
    Scenario("agent_gave_up", Reason.AGENT_GAVE_UP, [*TALK, hangs_up("agent")], customer=SILENT),
    Scenario("canceled_by_account", Reason.CANCELED_BY_ACCOUNT, [*TALK, END], customer=SILENT),
    Scenario("agent_no_answer", Reason.AGENT_NO_ANSWER, [CALL], agent=SILENT, account={"agent_ring_s": 10}),
    Scenario("agent_busy", Reason.AGENT_BUSY, [CALL], agent=BEHAVIOURS["busy"]),
    Scenario("agent_rejected", Reason.AGENT_REJECTED, [CALL, hangs_up("agent")], agent=SILENT),
    Scenario("agent_unreachable", Reason.AGENT_UNREACHABLE, [CALL], agent=BEHAVIOURS["unknown"]),
    Scenario("agent_no_audio", Reason.AGENT_NO_AUDIO, [CALL], agent=BEHAVIOURS["no_audio"], softphone=True),
    Scenario("number_unknown", Reason.NUMBER_UNKNOWN, [CALL], customer=BEHAVIOURS["unknown"]),
    Scenario("number_refused", Reason.NUMBER_REFUSED, [CALL], customer=refuses(Cause.NUMBER_REFUSED, 403)),
    Scenario("carrier_failure", Reason.CARRIER_FAILURE, [CALL], customer=BEHAVIOURS["carrier_failure"]),
    Scenario("carrier_timeout", Reason.CARRIER_TIMEOUT, [CALL], customer=refuses(Cause.CARRIER_TIMEOUT, 408)),
    Scenario("no_route", Reason.NO_ROUTE, [CALL], customer=refuses(Cause.UNREACHABLE, 503)),
    Scenario(
        "engine_dies_ringing",
        Reason.ENGINE_LOST,
        [*TALK, Act(world=engine_dies), wait(1), Act(world=engine_new)],
        customer=SILENT,
    ),
    Scenario(
        "same_click_twice",
        Reason.CUSTOMER_BUSY,
        [CALL, Act(client=_again)],
        customer=Behaviour(answers_s=None, refuses_s=4, cause=Cause.BUSY),
    ),
)
TALKED = (
    Scenario("agent_hung_up", Reason.AGENT_HUNG_UP, [*TALK, hangs_up("agent")]),
    Scenario("customer_hung_up", Reason.CUSTOMER_HUNG_UP, [*TALK, hangs_up("customer")]),
    Scenario("ended_by_account", Reason.ENDED_BY_ACCOUNT, [*TALK, END]),
    Scenario("max_length", Reason.MAX_LENGTH, [CALL], account={"max_length_s": 10}),
    Scenario("recorded", Reason.CUSTOMER_HUNG_UP, [*TALK, hangs_up("customer")], account={"recording": True}),
    Scenario(
        "recording_paused",
        Reason.ENDED_BY_ACCOUNT,
        [*TALK, order(Move.PAUSE_RECORDING), wait(1), order(Move.RESUME_RECORDING), END],
        account={"recording": True},
    ),
    Scenario(
        "hold_mute_digits",
        Reason.CUSTOMER_HUNG_UP,
        [*TALK, order(Move.HOLD), order(Move.RESUME), order(Move.MUTE), order(Move.SEND_DIGITS, digits="1#"), hangs_up("customer")],
    ),
    Scenario("hung_up_on_hold", Reason.CUSTOMER_HUNG_UP, [*TALK, order(Move.HOLD), wait(2), hangs_up("customer")]),
    Scenario("consult_and_back", Reason.AGENT_HUNG_UP, [*_CONSULT, order(Move.SWAP), order(Move.DROP_GUEST), hangs_up("agent")]),
    Scenario("guest_fails", Reason.CUSTOMER_HUNG_UP, [*_CONSULT, hangs_up("customer")], guest=BEHAVIOURS["busy"]),
    Scenario("warm_transfer", Reason.GUEST_HUNG_UP, [*_CONSULT, order(Move.COMPLETE), wait(2), hangs_up("p1")]),
    Scenario(
        "three_way",
        Reason.CUSTOMER_HUNG_UP,
        [*_CONSULT, order(Move.MERGE), wait(1), hangs_up("agent"), wait(1), hangs_up("customer")],
    ),
    Scenario("added", Reason.ENDED_BY_ACCOUNT, [*TALK, invite(Move.ADD), wait(1), END]),
    Scenario("blind_transfer", Reason.CUSTOMER_HUNG_UP, [*TALK, invite(Move.TRANSFER), wait(2), hangs_up("customer")]),
    Scenario(
        "transfer_failed",
        Reason.TRANSFER_FAILED,
        [*TALK, invite(Move.TRANSFER), hangs_up("agent"), wait(1), hangs_up("p1")],
        guest=SILENT,
    ),
    Scenario("agent_left", Reason.AGENT_LEFT, [*TALK, order(Move.AGENT_LOST, Party.PLATFORM), wait(30)], softphone=True),
    Scenario(
        "agent_back",
        Reason.CUSTOMER_HUNG_UP,
        [*TALK, order(Move.AGENT_LOST, Party.PLATFORM), wait(2), BACK, wait(1), hangs_up("customer")],
        softphone=True,
    ),
    Scenario("engine_dies_talking", Reason.ENGINE_LOST, [*TALK, Act(world=engine_dies), wait(1), Act(world=engine_new)]),
    Scenario(
        "missed_in_a_gap",
        Reason.CUSTOMER_HUNG_UP,
        [*TALK, Act(world=engine_lost), hangs_up("customer"), wait(2), Act(world=engine_back)],
    ),
)
DELIVERED = (
    Scenario("failing_then_taken", Reason.CUSTOMER_BUSY, [CALL], customer=BEHAVIOURS["busy"], statuses=(500, 503, 200)),
    Scenario("dead_letter", Reason.CUSTOMER_BUSY, [CALL], customer=BEHAVIOURS["busy"], statuses=(500,), undelivered=True),
    Scenario("note_before_the_end", Reason.AGENT_HUNG_UP, [*TALK, NOTE, hangs_up("agent")]),
    Scenario("note_after_the_end", Reason.AGENT_HUNG_UP, [*TALK, hangs_up("agent"), wait(1), NOTE]),
    Scenario("events_pushed", Reason.CUSTOMER_HUNG_UP, [*TALK, hangs_up("customer")], events=("all",)),
)
ALL = (*BEFORE_TALK, *TALKED, *DELIVERED)
