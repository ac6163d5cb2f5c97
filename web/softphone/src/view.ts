/**
 * What the page knows, and how every event changes it. Pure: the only writer of the page's state is `reduce`, and
 * `screenOf` alone decides what is on screen. What the platform's messages change is in told.ts.
 */
import { type Keypad, press, QUIET, sending, stopped } from "./keypad";
import { asksToAnswer, isLive, selfIn } from "./live-call";
import { type Noting, noteFailed, noteSent, UNWRITTEN, type Written, write } from "./notes";
import { type GivenOrder, given, NO_ORDERS, type OrderBook } from "./orders";
import type { Call, FoundAgent, FromPlatform, Launch, PastCall, Refusal, WrapUp } from "./protocol";
import type { LinkState } from "./socket";
import { errandFailed, told } from "./told";

/** Whether this tab is the agent's softphone. */
export type Place = "opening" | "here" | "elsewhere" | "replaced" | "signed_out";
/** The SIP line. */
export type LineState = "off" | "connecting" | "registered" | "lost";
export type MicrophoneState = "unknown" | "asking" | "ready" | "denied" | "missing" | "busy" | "insecure" | "lost";
/** What lies over the screen; one at a time. */
export type Panel = "keypad" | "add" | "transfer" | "notes" | "history" | "help";

/** The search for an agent: its last question, and the last answer, of this question or of one before. */
export interface Search {
  readonly ref: string | null;
  readonly agents: readonly FoundAgent[] | null;
}

/** The agent's own calls as far as they were asked for. */
export interface Past {
  readonly ref: string | null;
  /** The question that `ref` asked was for the newest, not for more. */
  readonly fresh: boolean;
  readonly calls: readonly PastCall[] | null;
  readonly next: string | null;
}

export interface View {
  readonly place: Place;
  readonly link: LinkState;
  readonly line: LineState;
  readonly microphone: MicrophoneState;
  readonly engineReady: boolean;
  readonly agent: string | null;
  /** The platform's clock minus this computer's, milliseconds. */
  readonly clockSkewMs: number;
  /** A click that has not become a call yet. */
  readonly launch: Launch | null;
  /** The ticket for which `dial` was sent. */
  readonly dialed: string | null;
  readonly call: Call | null;
  /** Hang up, leave or end for all was pressed. */
  readonly hangingUp: boolean;
  /** The agent wants to be silent; `isMuted` says whether they are. */
  readonly muted: boolean;
  readonly refusal: Refusal | null;
  readonly farewell: { readonly code: string; readonly title: string; readonly remedy: string } | null;
  /** The browser does not play sound before a click. */
  readonly soundBlocked: boolean;
  readonly orders: OrderBook;
  readonly keypad: Keypad;
  readonly panel: Panel | null;
  /** Answer was pressed on a call that asked. */
  readonly answered: boolean;
  /** This page was loaded anew during a call and has been connected to it again. */
  readonly returned: boolean;
  /** Somebody is about to close or reload the page during a call. */
  readonly leavingPage: boolean;
  readonly dispositions: readonly string[];
  readonly wrapUp: WrapUp | null;
  readonly noting: Noting;
  readonly search: Search;
  readonly past: Past;
  /** The redial that was asked for, by its `ref`, and why it was refused. */
  readonly redial: { readonly ref: string | null; readonly call_id: string | null; readonly refusal: Refusal | null };
}

export type Happening =
  | { is: "message"; message: FromPlatform; now: number }
  | { is: "link"; state: LinkState }
  | { is: "line"; state: LineState }
  | { is: "microphone"; state: MicrophoneState }
  | { is: "closed_for_good"; place: "replaced" | "signed_out" }
  | { is: "dial_sent"; ticket: string }
  | { is: "hang_up_pressed" }
  | { is: "mute_pressed" }
  | { is: "sound"; blocked: boolean }
  | { is: "refusal_read" }
  | { is: "order_given"; order: GivenOrder }
  | { is: "errand_failed"; ref: string; refusal: Refusal }
  | { is: "order_refusal_read" }
  | { is: "key_pressed"; digit: string }
  | { is: "panel"; panel: Panel | null }
  | { is: "answer_pressed" }
  | { is: "leaving_page"; leaving: boolean }
  | { is: "note_written"; call_id: string; written: Written }
  | { is: "note_sent"; ref: string }
  | { is: "search_sent"; ref: string }
  | { is: "history_asked"; ref: string; fresh: boolean }
  | { is: "redial_sent"; ref: string; call_id: string };

export const FIRST_VIEW: View = {
  place: "opening",
  link: "connecting",
  line: "off",
  microphone: "unknown",
  engineReady: true,
  agent: null,
  clockSkewMs: 0,
  launch: null,
  dialed: null,
  call: null,
  hangingUp: false,
  muted: false,
  refusal: null,
  farewell: null,
  soundBlocked: false,
  orders: NO_ORDERS,
  keypad: QUIET,
  panel: null,
  answered: false,
  returned: false,
  leavingPage: false,
  dispositions: [],
  wrapUp: null,
  noting: UNWRITTEN,
  search: { ref: null, agents: null },
  past: { ref: null, fresh: true, calls: null, next: null },
  redial: { ref: null, call_id: null, refusal: null },
};

type Reducers = { [Is in Happening["is"]]: (view: View, happening: Extract<Happening, { is: Is }>) => View };

const REDUCERS: Reducers = {
  message: (view, { message, now }) => told(view, message, now),
  link: (view, { state }) => linked(view, state),
  line: (view, { state }) => ({ ...view, line: state }),
  microphone: (view, { state }) => ({ ...view, microphone: state }),
  closed_for_good: (view, { place }) => ({ ...view, place, launch: null, panel: null }),
  dial_sent: (view, { ticket }) => ({ ...view, dialed: ticket }),
  hang_up_pressed: (view) => (isLive(view.call) ? { ...view, hangingUp: true } : view),
  mute_pressed: (view) => (isLive(view.call) ? { ...view, muted: !isMuted(view) } : view),
  sound: (view, { blocked }) => ({ ...view, soundBlocked: blocked }),
  refusal_read: (view) => ({ ...view, refusal: null }),
  order_given: (view, { order }) => orderGiven(view, order),
  errand_failed: (view, { ref, refusal }) => errandFailed(view, ref, refusal),
  order_refusal_read: (view) => ({ ...view, orders: { ...view.orders, refused: null } }),
  key_pressed: (view, { digit }) => ({ ...view, keypad: press(view.keypad, digit) }),
  panel: (view, { panel }) => opened(view, panel),
  answer_pressed: (view) => ({ ...view, answered: true }),
  leaving_page: (view, { leaving }) => ({ ...view, leavingPage: leaving && isLive(view.call) }),
  note_written: (view, { call_id, written }) => ({ ...view, noting: write(view.noting, call_id, written) }),
  note_sent: (view, { ref }) => ({ ...view, noting: noteSent(view.noting, ref) }),
  search_sent: (view, { ref }) => ({ ...view, search: { ...view.search, ref } }),
  history_asked: (view, { ref, fresh }) => ({ ...view, past: { ...view.past, ref, fresh } }),
  redial_sent: (view, { ref, call_id }) => ({ ...view, redial: { ref, call_id, refusal: null } }),
};

export function reduce(view: View, happening: Happening): View {
  const change = REDUCERS[happening.is] as (view: View, happening: Happening) => View;
  return change(view, happening);
}

const LOST: Refusal = { code: "page:not_sent", title: "", detail: "", remedy: "" };

/** What was on its way over a lost connection is not waited for: the next `welcome` shows what became of it. */
function linked(view: View, link: LinkState): View {
  if (link === "open") return { ...view, link };
  const lost = view.keypad.waiting > 0 ? { order: "dtmf" as const, refusal: LOST } : view.orders.refused;
  return {
    ...view,
    link,
    orders: { pending: [], refused: lost },
    keypad: stopped(view.keypad, null),
    noting: view.noting.ref === null ? view.noting : noteFailed(view.noting, LOST),
    search: { ...view.search, ref: null },
    past: { ...view.past, ref: null },
    redial: { ...view.redial, ref: null },
  };
}

function orderGiven(view: View, order: GivenOrder): View {
  const ending = order.order === "leave" || order.order === "end";
  const keypad = order.order === "dtmf" ? sending(view.keypad, order.ref) : view.keypad;
  return { ...view, orders: given(view.orders, order), keypad, hangingUp: view.hangingUp || ending };
}

function opened(view: View, panel: Panel | null): View {
  if (view.place !== "here" && panel !== "help") return { ...view, panel: null };
  return { ...view, panel, redial: { ...view.redial, refusal: null }, orders: { ...view.orders, refused: null } };
}

/** Silent: the agent wants it, or the platform holds their voice back. */
export function isMuted(view: View): boolean {
  return view.muted || (isLive(view.call) && selfIn(view.call)?.muted === true);
}

/** Microphone states in which no call can be made, each with its own explanation. */
export type MicrophoneTrouble = "denied" | "missing" | "busy" | "insecure";

export function microphoneTrouble(view: View): MicrophoneTrouble | null {
  const state = view.microphone;
  return state === "denied" || state === "missing" || state === "busy" || state === "insecure" ? state : null;
}

export type Screen =
  | "starting"
  | "idle"
  | "call"
  | "ended"
  | "refused"
  | "microphone"
  | "elsewhere"
  | "replaced"
  | "signed_out";

export function screenOf(view: View): Screen {
  if (view.place === "elsewhere" || view.place === "replaced" || view.place === "signed_out") return view.place;
  if (isLive(view.call)) return "call";
  if (microphoneTrouble(view) !== null) return "microphone";
  if (view.refusal !== null) return "refused";
  if (view.launch !== null || !isReady(view)) return "starting";
  return view.call === null ? "idle" : "ended";
}

/** The phone works: this tab's, microphone granted, SIP registered. */
export function isReady(view: View): boolean {
  return view.place === "here" && view.microphone === "ready" && view.line === "registered";
}

/** The launch that should be turned into a call now, or null. */
export function launchToDial(view: View): Launch | null {
  const { launch } = view;
  return launch !== null && isReady(view) && view.link === "open" && view.dialed !== launch.ticket ? launch : null;
}

/** A call rings here and waits for the agent's decision. */
export function isAsked(view: View): boolean {
  return view.place === "here" && isLive(view.call) && asksToAnswer(view.call) && !view.answered && !view.hangingUp;
}

/** Seconds since the customer answered, or null before. `now` is this computer's clock, milliseconds. */
export function talkSeconds(view: View, now: number): number | null {
  const answered = view.call?.answered_at;
  if (!answered) return null;
  return Math.max(0, (now + view.clockSkewMs - Date.parse(answered)) / 1000);
}

/** Seconds until calls can reach the agent again, or null when nothing is waited for. */
export function wrapUpSeconds(view: View, now: number): number | null {
  const until = view.wrapUp?.until;
  if (!until || isLive(view.call)) return null;
  const left = (Date.parse(until) - now - view.clockSkewMs) / 1000;
  return left > 0 ? left : null;
}
