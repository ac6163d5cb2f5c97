/** What a `call` message says beyond the first call's fields; each has a value that means "nothing special". Pure. */
import { type Call, ORDERS, type OrderName, type Participant } from "./protocol";

/** The same order by the name that the REST side of the platform gives it. */
const OTHER_NAMES: Readonly<Record<string, OrderName>> = { hangup: "end", hang_up: "end" };

const PLAIN = {
  seat: "agent",
  participant_id: "agent",
  answer: "auto",
  called_by: null,
  participants: [],
  recording_paused: false,
  disposition: null,
  notes: null,
} as const;

/** A call as it came, with what is missing filled in and only the orders that this page knows. */
export function liveCall(raw: Readonly<Record<string, unknown>>): Call {
  const given = Object.fromEntries(Object.entries(raw).filter(([, value]) => value !== undefined && value !== null));
  const allowed = Array.isArray(raw.allowed) ? raw.allowed.map((name) => OTHER_NAMES[String(name)] ?? name) : [];
  const known = ORDERS.filter((order) => allowed.includes(order));
  return { ...raw, ...PLAIN, ...given, allowed: known } as unknown as Call;
}

export function isLive(call: Call | null): call is Call {
  return call !== null && call.state !== "ended";
}

/** This page's agent among the participants. */
export function selfIn(call: Call): Participant | undefined {
  return call.participants.find((one) => one.id === call.participant_id);
}

/** Everybody else who is in the call or on the way into it: the customer first. */
export function othersIn(call: Call): readonly Participant[] {
  const rank = (one: Participant) => (one.role === "customer" ? 0 : one.role === "agent" ? 1 : 2);
  return call.participants
    .filter((one) => one.id !== call.participant_id && one.state !== "left")
    .sort((one, other) => rank(one) - rank(other));
}

/** The third one: whom the agent called in, or for a guest the agent who did. */
export function thirdIn(call: Call): Participant | undefined {
  return othersIn(call).find((one) => one.role !== "customer");
}

/** More than the agent and the customer: somebody is rung, consulted or on the line too. */
export function isShared(call: Call): boolean {
  return thirdIn(call) !== undefined;
}

/** The page rings and waits for this agent's decision. */
export function asksToAnswer(call: Call): boolean {
  const state = selfIn(call)?.state;
  return call.answer === "ask" && (state === undefined || state === "dialing" || state === "ringing");
}
