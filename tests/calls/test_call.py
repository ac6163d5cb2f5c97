"""The pure state machine: the table, who is to blame, and what no order of events may do."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from intellicall.calls.call import Call, Effect, Fact, Leg, NotNow, Order, Participant, Step, What, allowed, hang_up, step
from intellicall.calls.endings import ENDINGS, Status, duration_of, ended_by, status_of
from intellicall.calls.table import ORDERS, TABLE, Move, Party, Reason, State

T0 = datetime(2026, 7, 3, 10, 0, 0, tzinfo=UTC)


def new_call(*, recorded: bool = False, max_length_s: int = 14400) -> Call:
    return Call("c", T0, recorded=recorded, max_length_s=max_length_s)


def fact(what: What, party: Party | None = None, reason: Reason | None = None, after: float = 0.0) -> Fact:
    return Fact(what, T0 + timedelta(seconds=after), 1000.0 + after, party, reason)


def play(call: Call, *happenings: Fact | Order) -> tuple[Call, list[Effect]]:
    effects: list[Effect] = []
    for happening in happenings:
        taken = step(call, happening)
        call, effects = taken.call, effects + list(taken.effects)
    return call, effects


AGENT_RINGS = fact(What.RINGING, Party.AGENT)
AGENT_ANSWERS = fact(What.ANSWERED, Party.AGENT, after=1)
CUSTOMER_RINGS = fact(What.RINGING, Party.CUSTOMER, after=2)
CUSTOMER_ANSWERS = fact(What.ANSWERED, Party.CUSTOMER, after=5)
TO_TALK = (AGENT_RINGS, AGENT_ANSWERS, CUSTOMER_RINGS, CUSTOMER_ANSWERS)


def gone(party: Party, reason: Reason | None = None, after: float = 10.0) -> Fact:
    return fact(What.LEG_ENDED, party, reason, after)


def test_the_customer_is_rung_only_when_the_agent_has_answered() -> None:
    call, effects = play(new_call(), AGENT_RINGS)
    assert (call.state, effects) == (State.AGENT_RINGING, [])
    call, effects = play(call, AGENT_ANSWERS)
    assert (call.state, effects, call.customer.leg) == (State.AGENT_ANSWERED, [Effect.RING_CUSTOMER], Leg.DIALING)


@pytest.mark.parametrize(
    ("first", "second", "reason", "by"),
    [
        (gone(Party.CUSTOMER, Reason.CUSTOMER_HUNG_UP), gone(Party.AGENT), Reason.CUSTOMER_HUNG_UP, Party.CUSTOMER),
        (gone(Party.AGENT, Reason.AGENT_HUNG_UP), gone(Party.CUSTOMER), Reason.AGENT_HUNG_UP, Party.AGENT),
        # the customer's leg is often reported first although the agent hung up
        (gone(Party.CUSTOMER), gone(Party.AGENT, Reason.AGENT_HUNG_UP), Reason.AGENT_HUNG_UP, Party.AGENT),
    ],
)
def test_who_hung_up_is_told_whichever_leg_is_reported_first(first: Fact, second: Fact, reason: Reason, by: Party) -> None:
    call, _ = play(new_call(), *TO_TALK, first)
    assert call.state is State.ENDING
    call, _ = play(call, second)
    assert (call.state, status_of(call), call.reason, ended_by(call)) == (State.ENDED, Status.ANSWER, reason, by)
    assert duration_of(call) == 5


def test_a_recorded_call_waits_for_its_recording() -> None:
    call, effects = play(new_call(recorded=True), *TO_TALK, gone(Party.CUSTOMER, Reason.CUSTOMER_HUNG_UP), gone(Party.AGENT))
    assert (call.state, effects[-1]) == (State.ENDING, Effect.SEAL)
    call, _ = play(call, fact(What.SEALED))
    assert call.state is State.ENDED


def test_a_recorded_call_that_nobody_answered_waits_for_nothing() -> None:
    busy = gone(Party.CUSTOMER, Reason.CUSTOMER_BUSY)
    call, effects = play(new_call(recorded=True), AGENT_RINGS, AGENT_ANSWERS, busy, gone(Party.AGENT))
    assert (call.state, status_of(call), Effect.SEAL in effects) == (State.ENDED, Status.BUSY, False)


@pytest.mark.parametrize("reason", [r for r in Reason if ENDINGS[r].status in (Status.BUSY, Status.NO_ANSWER, Status.FAILED)])
def test_each_refusal_by_the_customers_side_gets_its_status(reason: Reason) -> None:
    call, _ = play(new_call(), AGENT_RINGS, AGENT_ANSWERS, gone(Party.CUSTOMER, reason), gone(Party.AGENT))
    assert (status_of(call), call.reason, duration_of(call)) == (ENDINGS[reason].status, reason, 0)


def test_an_agent_who_hangs_up_before_the_answer_gave_up() -> None:
    by_phone, _ = play(new_call(), *TO_TALK[:3], gone(Party.CUSTOMER), gone(Party.AGENT, Reason.AGENT_HUNG_UP))
    by_button, effects = play(new_call(), *TO_TALK[:3], hang_up(Party.AGENT), gone(Party.CUSTOMER), gone(Party.AGENT))
    assert effects == [Effect.RING_CUSTOMER, Effect.HANG_UP]
    for call in (by_phone, by_button):
        assert (status_of(call), call.reason) == (Status.CANCELED, Reason.AGENT_GAVE_UP)


def test_an_answer_that_crosses_the_hang_up_does_not_revive_the_call() -> None:
    call, _ = play(new_call(), *TO_TALK[:3], hang_up(Party.ACCOUNT), CUSTOMER_ANSWERS, gone(Party.CUSTOMER), gone(Party.AGENT))
    assert (status_of(call), call.reason) == (Status.CANCELED, Reason.CANCELED_BY_ACCOUNT)


def test_the_maximum_length_is_recognised_when_the_engine_ends_both() -> None:
    call, _ = play(new_call(max_length_s=5), *TO_TALK, gone(Party.CUSTOMER), gone(Party.AGENT))
    assert (call.reason, status_of(call)) == (Reason.MAX_LENGTH, Status.ANSWER)


@pytest.mark.parametrize("told", [Reason.MAX_LENGTH, Reason.AUDIO_LOST, Reason.CUSTOMER_HUNG_UP])
@pytest.mark.parametrize("hours", [0, -1, 1])
def test_a_limit_of_the_engine_that_comes_with_a_clock_set_forward_comes_of_it(told: Reason, hours: int) -> None:
    end = Fact(What.LEG_ENDED, T0 + timedelta(hours=hours, seconds=9), 1009.0, Party.CUSTOMER, told)
    call, _ = play(new_call(), *TO_TALK, end, gone(Party.AGENT))
    cut_off = hours > 0 and told is not Reason.CUSTOMER_HUNG_UP
    assert call.reason is (Reason.CLOCK_SET if cut_off else told)
    assert duration_of(call) == 4


def test_a_dead_engine_ends_the_call_with_what_was_talked() -> None:
    call, effects = play(new_call(recorded=True), *TO_TALK, fact(What.ENGINE_LOST, reason=Reason.ENGINE_LOST, after=65.4))
    assert (call.state, effects[-1]) == (State.ENDING, Effect.SEAL)
    call, _ = play(call, fact(What.SEALED))
    assert (status_of(call), call.reason, duration_of(call)) == (Status.ANSWER, Reason.ENGINE_LOST, 60)


def test_the_wall_clock_does_not_change_a_duration() -> None:
    late = Fact(What.LEG_ENDED, T0 - timedelta(days=1), 1000.0 + 35, Party.CUSTOMER, Reason.CUSTOMER_HUNG_UP)
    call, _ = play(new_call(), *TO_TALK, late, gone(Party.AGENT))
    assert duration_of(call) == 30


def test_overdue_calls_are_ended_step_by_step() -> None:
    call, effects = play(new_call(), AGENT_RINGS, fact(What.OVERDUE, after=40))
    assert (call.state, effects) == (State.ENDING, [Effect.HANG_UP])
    call, effects = play(call, fact(What.OVERDUE, after=50))
    assert (call.state, effects, status_of(call)) == (State.ENDED, [Effect.HANG_UP], Status.FAILED)
    assert call.reason is Reason.AGENT_NO_ANSWER


def standing(state: State, *, recorded: bool = True) -> Call:
    """Return a call in this state, with everybody there who belongs there."""
    call = new_call(recorded=recorded)
    up = {seat: replace(one, leg=Leg.UP) for seat, one in call.seats.items()}
    if state in (State.INITIATED, State.AGENT_RINGING, State.AGENT_ANSWERED, State.CUSTOMER_RINGING):
        return replace(call, state=state)
    rung = Participant("p1", Leg.RINGING, "p1")
    guests = {
        State.CONSULT_RINGING: rung,
        State.ADDING: rung,
        State.TRANSFERRING: rung,
        State.CONSULTING: replace(rung, leg=Leg.UP),
        State.CONSULT_HELD: replace(rung, leg=Leg.UP),
        State.THREE_WAY: replace(rung, leg=Leg.UP),
    }
    agent = up[Party.AGENT] if state is not State.AGENT_AWAY else replace(up[Party.AGENT], leg=Leg.GONE)
    guest = guests.get(state)
    return replace(
        call, state=state, agent=agent, customer=up[Party.CUSTOMER], guest=guest, dialed=1 if guest else 0, answered_at=T0
    )


def test_facts_are_never_refused_and_orders_only_where_the_table_has_no_move() -> None:
    for state in State:
        call = standing(state)
        for what, party in product(What, (Party.AGENT, Party.CUSTOMER, Party.GUEST)):
            assert isinstance(step(call, fact(what, party)), Step)
        for move, name in ORDERS.items():
            order = Order(move, Party.AGENT, "customer" if name in ("mute", "unmute") else None)
            if move in TABLE[state]:
                taken = step(call, order)
                assert (taken.move, taken.call.state) == (move, TABLE[state][move])
                assert name in allowed(call)
            elif name not in allowed(call):
                with pytest.raises(NotNow):
                    step(call, order)


def test_every_state_but_the_last_has_a_way_out_and_every_reason_an_ending() -> None:
    assert set(TABLE) == set(State)
    assert set(ENDINGS) == set(Reason)
    assert all(TABLE[state] for state in State if state is not State.ENDED)
    assert TABLE[State.ENDED] == {}
    reached, frontier = {State.INITIATED}, [State.INITIATED]
    while frontier:
        new = set(TABLE[frontier.pop()].values()) - reached
        reached |= new
        frontier += new
    assert reached == set(State)


facts = st.builds(
    fact,
    st.sampled_from(What),
    st.sampled_from([Party.AGENT, Party.CUSTOMER, Party.GUEST]),
    st.none() | st.sampled_from(Reason),
    st.floats(0, 100),
)
_GIVEN = [*ORDERS, Move.AGENT_LOST, Move.AGENT_BACK]
happenings = st.lists(
    facts | st.builds(Order, st.sampled_from(_GIVEN), st.sampled_from(Party), st.sampled_from([None, "agent", "customer", "p1"])),
    max_size=25,
)


@given(happenings, st.booleans())
def test_no_sequence_breaks_a_promise(sequence: list[Fact | Order], recorded: bool) -> None:
    call, rung = new_call(recorded=recorded), 0
    for happening in sequence:
        before = call
        try:
            taken = step(call, happening)
        except NotNow:
            assert isinstance(happening, Order)
            continue
        call = taken.call
        rung += taken.effects.count(Effect.RING_CUSTOMER)
        if taken.move is None:
            assert call == before, "a stale fact changes nothing"
        else:
            assert TABLE[before.state][taken.move] is call.state
        assert not (before.state is State.ENDED and call != before), "nothing happens after the end"
        if call.state is State.ENDED:
            assert call.reason is not None
            assert call.ended_at is not None
            assert (status_of(call) is Status.ANSWER) == call.answered
    assert rung <= 1, "the customer is dialed at most once"


@given(happenings, st.booleans())
def test_every_call_ends_when_it_stays_overdue(sequence: list[Fact | Order], recorded: bool) -> None:
    call = new_call(recorded=recorded)
    for happening in sequence:
        try:
            call = step(call, happening).call
        except NotNow:
            continue
    for _ in range(3):
        call = step(call, fact(What.OVERDUE)).call
        call = step(call, fact(What.SEALED)).call
    assert call.state is State.ENDED


def test_an_end_that_nobody_heard_is_dated_by_the_recording() -> None:
    found_out = [replace(gone(party, after=60), late=True) for party in (Party.AGENT, Party.CUSTOMER)]
    sealed = replace(fact(What.SEALED, after=61), seconds=7.5)
    ended, _ = play(new_call(recorded=True), *TO_TALK, *found_out, sealed)
    assert (ended.state, ended.talk_s, ended.ended_at) == (State.ENDED, 7.5, T0 + timedelta(seconds=12.5))

    heard, _ = play(new_call(recorded=True), *TO_TALK, gone(Party.AGENT, after=60), *found_out[1:], sealed)
    assert (heard.talk_s, heard.ended_at) == (55, T0 + timedelta(seconds=60))
