"""Whether an agent can be called now. Pure."""

from dataclasses import dataclass
from enum import StrEnum

ASLEEP_S = 45.0  # a page that is awake says something every 20 s


class Presence(StrEnum):
    """What an account's backend and the other agents are told."""

    OFFLINE = "offline"  # no softphone is open
    READY = "ready"  # can be called
    BUSY = "busy"  # in a call, or rung for one
    WRAP_UP = "wrap_up"  # writes down what came of the last call
    ASLEEP = "asleep"  # the softphone is open and cannot be rung: frozen, without microphone, network or engine


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of a softphone: is its tab connected, can it be rung, how many seconds ago did it say anything."""

    connected: bool
    ready: bool
    silent_s: float


def presence_of(seen: Seen | None, *, in_call: bool, wrapping_up: bool) -> Presence:
    """Return the agent's presence; `seen` is None without a softphone. A call is stronger than all, sleep stronger than wrap-up."""
    if in_call:
        return Presence.BUSY
    if seen is None:
        return Presence.OFFLINE
    if not seen.connected or not seen.ready or seen.silent_s > ASLEEP_S:
        return Presence.ASLEEP
    return Presence.WRAP_UP if wrapping_up else Presence.READY
