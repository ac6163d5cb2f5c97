"""The judge: compares what the witnesses saw with what the platform says. Shares no code with the product.

The invariants are those of docs/faults.md; the tolerances stand here, each with its reason.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.storm.evidence import Evidence, Json, Leg, Sound
from tests.storm.load import Placed
from tests.storm.numbers import STALL_S, TRUNKS, Fate, fate_of, tones_of
from tests.storm.stalls import Stalls, silences

LENGTH_S = 0.1
"""More is allowed where the machine stalled (see stalls.py): such calls are counted apart."""
WHOLE_S = 1.0
"""A recording that lacks more has no link: the result says that it is incomplete."""
LOST_WITH_THE_ENGINE_S = 1.024
"""What a dying engine has not handed to the kernel is gone with it: Asterisk 22 buffers 32,768 bytes of a file that it writes."""
DURATION_S = 1.0
HEARD = 0.7
"""Share of the talk in which each side's own voice must be heard clearly; windows at the edges are not whole."""
CROSSING_S = 0.5
"""A fault so close to a change of the call may fall on either side of it."""
NOTICED_S = 3.0
"""A dead engine is noticed within so long; until then calls are accepted."""
GIVEN_UP = 4
EXPECTED_ERRORS = {"engine_died"}
"""Logged as errors because a fault of the storm is one."""
ATTEMPTS_ENDED = ("delivered", "undelivered")


@dataclass(slots=True)
class Verdict:
    """Counts to print, and violations: each a sentence that names the invariant and the call."""

    counts: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)
    gaps_ms: list[int] = field(default_factory=list)
    healed_s: dict[str, float] = field(default_factory=dict)

    def lines(self) -> Iterator[str]:
        """Yield what is printed."""
        for name, count in sorted(self.counts.items()):
            yield f"{count:8}  {name}"
        for name, seconds in sorted(self.healed_s.items()):
            yield f"{seconds:8.1f}  s: ready again after {name}, at most"
        if gaps := sorted(self.gaps_ms):
            middle, late = gaps[len(gaps) // 2], gaps[int(len(gaps) * 0.99)]
            yield f"{middle:8}  ms: widest gap in what a talking customer hears, median; p99 {late}, most {gaps[-1]}"
        yield f"{len(self.violations):8}  VIOLATIONS"
        yield from self.violations[:50]


def judge(evidence: Evidence) -> Verdict:
    """Return the verdict over all calls."""
    verdict = Verdict()
    for struck in evidence.struck:
        verdict.counts[f"faults: {struck.what}"] += 1
        verdict.healed_s[struck.what] = max(struck.healed - struck.over, verdict.healed_s.get(struck.what, 0.0))
    stalls = Stalls([leg for (_, role), legs in evidence.legs.items() if role == "customer" for leg in legs.values()])
    for placed in evidence.placed:
        _Case(evidence, verdict, stalls, placed).judge()
    _whole(evidence, verdict)
    return verdict


def _whole(evidence: Evidence, verdict: Verdict) -> None:
    for name, count in evidence.errors.items():
        verdict.counts[f"logged as an error: {name}"] += count
        if name not in EXPECTED_ERRORS:
            verdict.violations.append(f"A12 something broke, {name}: {count}")
    if evidence.wire is None:
        verdict.counts["packets captured (not allowed here)"] = 0
    else:
        verdict.counts["packets captured"] = evidence.wire.packets
        verdict.counts["packets that the capture missed"] = evidence.wire.drops
    known = {placed.uuid for placed in evidence.placed}
    strangers = [call_id for call_id, results in evidence.fed.items() if results[0]["uuid"] not in known]
    unpushed = [call_id for call_id in evidence.pushed if call_id not in evidence.fed]
    for wrong, what in (
        (strangers, "I3 results of calls that nobody placed"),
        (unpushed, "I4 results pushed that are in no feed"),
        (evidence.left_behind, "I6 raw recordings left behind"),
        (["x"] * evidence.live, "I2 calls still live"),
        (["x"] * evidence.leaks, "I9 log lines with a number or key"),
        ([] if evidence.sound_database else ["x"], "I15 the database's check failed"),
    ):
        if wrong:
            verdict.violations.append(f"{what}: {len(wrong)}")


@dataclass(slots=True)
class _Case:
    """One call before the judge."""

    evidence: Evidence
    verdict: Verdict
    stalls: Stalls
    placed: Placed

    def judge(self) -> None:
        self._dialed_once("agent")
        self._dialed_once("customer")
        results = [result for of_call in self.evidence.fed.values() for result in of_call if result["uuid"] == self.placed.uuid]
        if self.placed.call_id is None:
            self._never_accepted(results)
        if not results:
            if self.placed.call_id is not None:
                self._violation("I3", "accepted, and in no feed")
            return
        self.verdict.counts["calls with a result"] += 1
        if len(results) > 1:
            self._violation("I2", f"{len(results)} results")
        self._stored(results[0])
        self._delivered(results[0])
        self._true(results[0])

    def _violation(self, invariant: str, what: str) -> None:
        self.verdict.violations.append(f"{invariant} call {self.placed.index} ({self.placed.call_id}): {what}")

    def _leg(self, role: str) -> Leg | None:
        legs = list(self.evidence.legs.get((self.placed.index, role), {}).values())
        return legs[0] if legs else None

    def _dialed_once(self, role: str) -> None:
        rung = set(self.evidence.legs.get((self.placed.index, role), {}))
        wire = self.evidence.wire
        captured = wire.dials.get((self.placed.index, role), set()) if wire and not wire.drops else rung
        if captured != rung:
            self._violation("I1", f"{len(captured)} dials of the {role} on the wire, {len(rung)} at the phones")
        dialed = len(captured | rung)
        self.verdict.counts[f"{role}s rung"] += dialed
        if dialed > (TRUNKS if role == "customer" and fate_of(self.placed.index)[0] is Fate.CARRIER_FAILS else 1):
            self._violation("I1", f"the {role} was rung {dialed} times")

    def _never_accepted(self, results: list[Json]) -> None:
        self.verdict.counts["calls refused, or never answered"] += 1
        if 0 not in self.placed.answers and (self._leg("agent") or results):
            self._violation("I1", "refused every time, and dialed")

    def _stored(self, result: Json) -> None:
        entries = self.evidence.journal.get(result["call_id"], [])
        if [seq for seq, _ in entries] != list(range(1, len(entries) + 1)):
            self._violation("I16", "the journal's numbers have a gap")
        kinds = [kind for _, kind in entries]
        if kinds.count("ended") != 1:
            self._violation("I2", f"{kinds.count('ended')} ends in the journal")

    def _delivered(self, result: Json) -> None:
        pushes = self.evidence.pushed.get(result["call_id"], [])
        rows = self.evidence.deliveries.get(result["call_id"], [])
        if len(rows) != 1 or rows[0]["state"] not in ATTEMPTS_ENDED:
            self._violation("I4", f"deliveries {rows}")
            return
        self.verdict.counts[f"results {rows[0]['state']}"] += 1
        self.verdict.counts["results received again (identical)"] += max(len(pushes) - 1, 0)
        if rows[0]["state"] == "delivered" and not pushes:
            self._violation("I4", "delivered, and never received")
        if rows[0]["state"] == "undelivered" and rows[0]["attempts"] < GIVEN_UP:
            self._violation("I4", f"given up after {rows[0]['attempts']} attempts")
        if len({(push["id"], push["raw"]) for push in pushes}) > 1 or any(push["body"] != result for push in pushes):
            self._violation("I4", "attempts that differ, or differ from the feed")
        if not all(push["genuine"] for push in pushes):
            self._violation("I4", "a signature that does not verify")

    def _true(self, result: Json) -> None:
        customer = self._leg("customer")
        talk = self._talk(customer)
        self.verdict.counts[f"status {result['status']}"] += 1
        blames_engine = result["reason"] in ("engine_lost", "engine_unavailable")
        if blames_engine and not (self._engine_died_near(self._leg("agent")) or self._placed_at_its_death()):
            self._violation("A7", f"{result['reason']}, though nobody killed it")
        if result["status"] != "ANSWER":
            if talk is not None and talk > CROSSING_S and not self._engine_died_near(customer):
                self._violation("I5", f"{result['status']} {result['reason']}, but the two talked for {talk:.1f} s")
            return
        if customer is None or customer.answered is None or talk is None:
            self._violation("I5", "ANSWER, but the customer never answered")
            return
        if self._nothing_is_left_of(customer, talk):
            self.verdict.counts["durations nobody knows (both died in its first second)"] += 1
        elif abs(result["duration"] - talk) > DURATION_S + 0.5 + self._stalled(customer):
            self._violation("I5", f"duration {result['duration']}, talked for {talk:.2f} s ({result['reason']})")
        self._recorded(result, talk, customer)
        self._survived(customer, talk)

    def _talk(self, customer: Leg | None) -> float | None:
        """Return the seconds from the customer's 200 to the end that the customer saw, or to the engine's death."""
        if customer is None or customer.answered is None or customer.ended is None:
            return None
        end = float(customer.ended["at"])
        for died in self.evidence.engine_deaths:
            if customer.answered < died < end:
                end = died
        return end - customer.answered

    def _engine_died_near(self, leg: Leg | None) -> bool:
        """Whether the engine died while this leg lived, or within a moment of its beginning or end."""
        if leg is None or leg.ended is None:
            return False
        begun, ended = leg.invited - CROSSING_S, float(leg.ended["at"]) + CROSSING_S
        return any(begun < died < ended for died in self.evidence.engine_deaths)

    def _nothing_is_left_of(self, leg: Leg, talk: float) -> bool:
        """Whether platform and engine died so soon after the answer that the engine had written nothing of the talk yet."""
        if talk > LOST_WITH_THE_ENGINE_S + LENGTH_S or not self._engine_died_near(leg):
            return False
        return any(struck.what == "both" for struck in self.evidence.struck if self._killed_in(leg, struck.engine_killed))

    def _killed_in(self, leg: Leg, died: float | None) -> bool:
        return died is not None and leg.answered is not None and abs(died - leg.answered) < LOST_WITH_THE_ENGINE_S + CROSSING_S

    def _placed_at_its_death(self) -> bool:
        """Whether the call was accepted so shortly before the engine's death that nobody was rung yet, or was rung as it died."""
        begun, accepted = self.placed.first_at, self.placed.accepted_at + NOTICED_S
        return any(begun - NOTICED_S < died < accepted for died in self.evidence.engine_deaths)

    def _recorded(self, result: Json, talk: float, customer: Leg) -> None:
        sound = self.evidence.sounds.get(result["call_id"])
        died = self._engine_died_near(customer)
        stalled = self._stalled(customer)
        lost = (LOST_WITH_THE_ENGINE_S if died else 0.0) + stalled
        note = " (the engine died)" if died else " (the machine stalled)" if stalled else ""
        if sound is None or sound.status != 200:
            self.verdict.counts[f"recordings without a link{note}"] += talk > CROSSING_S
            if talk > CROSSING_S + lost and stalled < WHOLE_S:
                self._violation("I8", f"no recording of {talk:.1f} s ({sound.status if sound else 'no link'}, {result['reason']})")
            return
        self.verdict.counts[f"recordings compared{note}"] += 1
        if not talk - lost - LENGTH_S <= sound.seconds <= talk + stalled + LENGTH_S:
            self._violation("I8", f"recording {sound.seconds:.2f} s, talk {talk:.2f} s ({result['reason']})")
        self._own_voices(sound, stalled)

    def _stalled(self, customer: Leg) -> float:
        """Return how long the machine stalled in this call: as its phones noticed, or between the agent's answer and the dial."""
        agent = self._leg("agent")
        between = customer.invited - agent.confirmed if agent and agent.confirmed else 0.0
        stalled = max(self.stalls.of(customer), self.stalls.of(agent), between)
        return stalled if stalled > STALL_S else 0.0

    def _own_voices(self, sound: Sound, stalled: float) -> None:
        for side, own, other in ((sound.left, *tones_of(self.placed.index)), (sound.right, *tones_of(self.placed.index)[::-1])):
            if sound.seconds > 1 and side.get(own, 0) < HEARD * sound.seconds - 0.3 - stalled:
                self._violation("I8", f"{own} Hz heard for {side.get(own, 0):.1f} of {sound.seconds:.1f} s")
            if strangers := set(side) - {own, other}:
                self._violation("I8", f"voices of another call: {strangers}")

    def _survived(self, customer: Leg, talk: float) -> None:
        """A call that talks is cut by nothing but its own people, or the engine's death."""
        if self._engine_died_near(customer) or customer.ended is None or customer.answered is None:
            return
        fate, _ = fate_of(self.placed.index)
        ended = self._leg("agent") if fate is Fate.AGENT_ENDS else customer
        if ended is None or ended.ended is None or ended.ended["by"] != "far_end":
            self._violation("A1", f"the talk was cut: {ended.ended['by'] if ended and ended.ended else 'never ended'}")
        for struck in self.evidence.struck:
            if struck.engine_killed is None and customer.answered < struck.at < customer.answered + talk:
                self.verdict.counts[f"talking calls that outlived: {struck.what}"] += 1
        self.verdict.gaps_ms.append(round(1000 * max((end - begin for begin, end in silences(customer)), default=0.0)))
        if customer.ended["others"]:
            self._violation("I8", f"the customer heard another call: {customer.ended['others']}")
        if talk > 1 and customer.ended["heard"] * 0.1 < HEARD * talk - 0.3 - self._stalled(customer):
            self._violation("I7", f"the customer heard the agent for {customer.ended['heard'] * 0.1:.1f} of {talk:.1f} s")
