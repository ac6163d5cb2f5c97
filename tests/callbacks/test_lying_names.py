"""No callback leads inside, whatever the receiver's name server says: in a network in which every address there is would answer.

Counted is what the kernel dialled (SYN), not what the attempts say of themselves. Each way is tried without
the guard, too, and leads inside then: a test that could not fail would prove nothing.
"""

from collections import Counter
from typing import Any

import pytest
from tests.callbacks.liars import INSIDE, LITERALS, PUBLIC
from tests.support import own_network

pytestmark = pytest.mark.skipif(not own_network.possible(), reason="this kernel lets nobody have a network of its own")
NAMES = {"literals": 0, "rebinding": 1_500, "mixed": len(INSIDE) * 3}


def run(way: str, *more: str, names: int | None = None) -> Any:
    return own_network.run("tests.callbacks.liars", way, str(NAMES[way] if names is None else names), *more)


def refused(found: Any) -> int:
    return sum(count for outcome, count in found["outcomes"].items() if "not allowed" in outcome)


def test_no_way_to_write_an_address_leads_inside() -> None:
    found = run("literals")
    assert (found["tried"], found["dialled"], found["accepted"]) == (len(LITERALS), 0, {})
    assert found["tried"] >= 300
    assert refused(found) >= 220
    bare = run("literals", "bare")
    assert bare["dialled"] == sum(bare["accepted"].values()) == refused(found), "what the guard refused would have led inside"


def test_a_name_that_changes_its_mind_does_not_lead_inside() -> None:
    found = run("rebinding")
    public = Counter(found["accepted"])
    assert set(public) <= set(PUBLIC)
    assert public.total() == found["dialled"] == NAMES["rebinding"] // 10, "the first callbacks, when it was public"
    assert refused(found) == NAMES["rebinding"]
    bare = run("rebinding", "bare", names=100)
    assert (bare["dialled"], refused(bare)) == (110, 0), "without the guard"


def test_a_name_that_is_public_and_inside_leads_to_the_public_address_only() -> None:
    found = run("mixed")
    assert set(found["accepted"]) == set(PUBLIC)
    assert found["dialled"] == sum(found["accepted"].values())
    assert found["tried"] == NAMES["mixed"]
    bare = run("mixed", "bare")
    assert bare["dialled"] >= NAMES["mixed"] // 2
    assert len(set(bare["accepted"]) - set(PUBLIC)) >= 10, "without the guard"
