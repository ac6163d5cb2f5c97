/** What each message of the platform changes in the view. Pure; `reduce` in view.ts calls it. */
import { hear, QUIET, sent, stopped } from "./keypad";
import { isLive, selfIn } from "./live-call";
import { noteFailed, noteStored } from "./notes";
import { NO_ORDERS, refusedOrder, seen, settled } from "./orders";
import type { Call, FromPlatform, Launch, PastCall, Refusal } from "./protocol";
import type { Panel, View } from "./view";

type Message<Type extends FromPlatform["type"]> = Extract<FromPlatform, { type: Type }>;
type Tellers = { [Type in FromPlatform["type"]]: (view: View, message: Message<Type>, now: number) => View };

const TELLERS: Tellers = {
  welcome: welcomed,
  elsewhere: (view, { launch, call }) => ({ ...view, place: "elsewhere", launch, call, panel: null }),
  launch: launched,
  call: (view, { call }) => withCall(view, call),
  refused,
  replaced: (view) => ({ ...view, place: "replaced", launch: null, panel: null }),
  engine: (view, { ready }) => ({ ...view, engineReady: ready }),
  signed_out: (view, { title, remedy, code }) => ({
    ...view,
    place: "signed_out",
    launch: null,
    panel: null,
    farewell: { code, title, remedy },
  }),
  pong: (view) => view,
  done: (view, { ref }) => done(view, ref),
  agents: (view, { ref, agents }) => (view.search.ref === ref ? { ...view, search: { ref: null, agents } } : view),
  calls: (view, { ref, calls, next }) => (view.past.ref === ref ? { ...view, past: more(view, calls, next) } : view),
  digit: (view, { call_id, participant_id, digit }) =>
    view.call?.call_id === call_id ? { ...view, keypad: hear(view.keypad, participant_id, digit) } : view,
  wrap_up: (view, { call_id, until, disposition, notes }) => ({
    ...view,
    wrapUp: { call_id, until: until ?? null, disposition: disposition ?? null, notes: notes ?? null },
  }),
  noted: (view, { ref }) => ({ ...view, noting: noteStored(view.noting, ref) }),
};

export function told(view: View, message: FromPlatform, now: number): View {
  const change = TELLERS[message.type] as (view: View, message: FromPlatform, now: number) => View;
  return change(view, message, now);
}

/** A new click: what was before it is over, unless it still lives. */
function launched(view: View, launch: Launch): View {
  return { ...view, launch, dialed: null, refusal: null, call: isLive(view.call) ? view.call : null };
}

function welcomed(view: View, message: Message<"welcome">, now: number): View {
  const serverTime = message.server_time === undefined ? Number.NaN : Date.parse(message.server_time);
  const here: View = {
    ...view,
    place: "here",
    agent: message.agent.crm_username,
    engineReady: message.engine_ready,
    launch: message.launch,
    clockSkewMs: Number.isNaN(serverTime) ? 0 : serverTime - now,
    dispositions: message.dispositions ?? [],
    wrapUp: message.wrap_up ?? null,
  };
  if (message.call !== null) return { ...withCall(here, message.call), returned: returns(view, message.call) };
  // A call that the platform does not know any more has ended while nobody told us.
  return isLive(view.call) ? { ...without(here), call: null } : here;
}

function without(view: View): View {
  return {
    ...view,
    hangingUp: false,
    muted: false,
    answered: false,
    returned: false,
    leavingPage: false,
    orders: NO_ORDERS,
    keypad: QUIET,
    panel: isOfCalls(view.panel) ? null : view.panel,
  };
}

function isOfCalls(panel: Panel | null): boolean {
  return panel !== "help" && panel !== "history";
}

/** News of a call. An ended call of before must not cover the one that lives now. */
function withCall(view: View, call: Call): View {
  const other = view.call !== null && view.call.call_id !== call.call_id;
  if (other && isLive(view.call) && !isLive(call)) return view;
  if (!isLive(call)) return { ...without(view), ...newsOf(view, call), soundBlocked: false };
  const fresh = view.call === null || other;
  const before = fresh ? { ...without(view), panel: null } : view;
  return {
    ...before,
    ...newsOf(view, call),
    orders: seen(before.orders, call),
    panel: stillOf(before.panel, call),
    returned: returns(view, call),
    answered: before.answered && selfIn(call)?.state !== "left",
  };
}

/** Loaded anew in the middle of a call: true until the call's state changes again after the voice is back. */
function returns(view: View, call: Call): boolean {
  if (call.state === "agent_away") return true;
  if (view.call === null) return view.place === "opening" && call.answered_at !== null && call.answer === "auto";
  return view.returned && (view.call.state === "agent_away" || view.call.state === call.state);
}

function newsOf(view: View, call: Call): Pick<View, "call" | "launch" | "refusal" | "redial"> {
  const fresh = view.call?.call_id !== call.call_id;
  return {
    call,
    launch: null,
    refusal: fresh ? null : view.refusal,
    redial: fresh ? { ref: null, call_id: null, refusal: null } : view.redial,
  };
}

/** A panel whose order has been carried out, or cannot be given any more, closes by itself. */
function stillOf(panel: Panel | null, call: Call): Panel | null {
  const allows = (order: Call["allowed"][number]) => call.allowed.includes(order);
  if (panel === "add" && !allows("consult") && !allows("add")) return null;
  if (panel === "transfer" && !(allows("transfer") && (call.state === "talking" || call.state === "held"))) return null;
  if (panel === "keypad" && call.state === "ending") return null;
  return panel;
}

const TOO_LATE: ReadonlySet<string> = new Set(["not_found", "not_possible_now"]);

function refused(view: View, message: Message<"refused">): View {
  const refusal: Refusal = {
    code: message.code,
    title: message.title,
    detail: message.detail,
    remedy: message.remedy,
  };
  if (message.ref) return errandFailed(message.call ? withCall(view, message.call) : view, message.ref, refusal);
  // A hang-up that came after the end: what was wanted has happened.
  if (TOO_LATE.has(refusal.code) && view.launch === null && !isLive(message.call)) return { ...view, hangingUp: false };
  const told = message.call === null ? view : withCall(view, message.call);
  return { ...told, launch: null, hangingUp: false, refusal };
}

/** An order, a note, a redial, a question was refused, or nothing came back: said where it was asked. */
export function errandFailed(view: View, ref: string, refusal: Refusal): View {
  if (view.noting.ref === ref) return { ...view, noting: noteFailed(view.noting, refusal) };
  if (view.redial.ref === ref) return { ...view, redial: { ...view.redial, ref: null, refusal } };
  if (view.search.ref === ref) return { ...view, search: { ref: null, agents: view.search.agents ?? [] } };
  if (view.past.ref === ref) return { ...view, past: { ...view.past, ref: null, calls: view.past.calls ?? [] } };
  return orderFailed(view, ref, refusal);
}

function orderFailed(view: View, ref: string, refusal: Refusal): View {
  const failed = view.orders.pending.find((order) => order.ref === ref)?.order;
  if (failed === undefined) return view;
  const ending = failed === "leave" || failed === "end";
  return {
    ...view,
    orders: refusedOrder(view.orders, ref, refusal),
    keypad: stopped(view.keypad, ref),
    hangingUp: view.hangingUp && !ending,
  };
}

function done(view: View, ref: string): View {
  const redial = view.redial.ref === ref ? { ...view.redial, ref: null } : view.redial;
  return { ...view, orders: settled(view.orders, ref), keypad: sent(view.keypad, ref), redial };
}

function more(view: View, calls: readonly PastCall[], next: string | null): View["past"] {
  const before = view.past.fresh ? [] : (view.past.calls ?? []);
  return { ref: null, fresh: false, calls: [...before, ...calls], next: next ?? null };
}
