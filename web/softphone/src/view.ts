/**
 * What the page knows, and how every event changes it. Pure: the only writer of the page's state is `reduce`, and
 * `screenOf` alone decides what is on screen.
 */
import type { Call, FromPlatform, Launch, Refusal } from "./protocol";
import type { LinkState } from "./socket";

/** Whether this tab is the agent's softphone. */
export type Place = "opening" | "here" | "elsewhere" | "replaced" | "signed_out";
/** The SIP line. */
export type LineState = "off" | "connecting" | "registered" | "lost";
export type MicrophoneState = "unknown" | "asking" | "ready" | "denied" | "missing" | "busy" | "insecure" | "lost";

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
  readonly hangingUp: boolean;
  readonly muted: boolean;
  readonly refusal: Refusal | null;
  readonly farewell: { readonly title: string; readonly remedy: string } | null;
  /** The browser does not play sound before a click. */
  readonly soundBlocked: boolean;
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
  | { is: "refusal_read" };

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
};

export function reduce(view: View, happening: Happening): View {
  switch (happening.is) {
    case "message":
      return told(view, happening.message, happening.now);
    case "link":
      return { ...view, link: happening.state };
    case "line":
      return { ...view, line: happening.state };
    case "microphone":
      return { ...view, microphone: happening.state };
    case "closed_for_good":
      return { ...view, place: happening.place, launch: null };
    case "dial_sent":
      return { ...view, dialed: happening.ticket };
    case "hang_up_pressed":
      return isLive(view.call) ? { ...view, hangingUp: true } : view;
    case "mute_pressed":
      return isLive(view.call) ? { ...view, muted: !view.muted } : view;
    case "sound":
      return { ...view, soundBlocked: happening.blocked };
    case "refusal_read":
      return { ...view, refusal: null };
  }
}

function told(view: View, message: FromPlatform, now: number): View {
  switch (message.type) {
    case "welcome":
      return welcomed(view, message, now);
    case "elsewhere":
      return { ...view, place: "elsewhere", launch: message.launch, call: message.call };
    case "launch":
      return launched(view, message);
    case "call":
      return withCall(view, message.call);
    case "refused":
      return refused(view, message);
    case "replaced":
      return { ...view, place: "replaced", launch: null };
    case "engine":
      return { ...view, engineReady: message.ready };
    case "signed_out":
      return { ...view, place: "signed_out", launch: null, farewell: { title: message.title, remedy: message.remedy } };
    case "pong":
      return view;
  }
}

/** A new click: what was before it is over, unless it still lives. */
function launched(view: View, launch: Launch): View {
  return { ...view, launch, dialed: null, refusal: null, call: isLive(view.call) ? view.call : null };
}

function welcomed(view: View, message: Extract<FromPlatform, { type: "welcome" }>, now: number): View {
  const serverTime = message.server_time === undefined ? Number.NaN : Date.parse(message.server_time);
  const here: View = {
    ...view,
    place: "here",
    agent: message.agent.crm_username,
    engineReady: message.engine_ready,
    launch: message.launch,
    clockSkewMs: Number.isNaN(serverTime) ? 0 : serverTime - now,
  };
  if (message.call !== null) return withCall(here, message.call);
  // A call that the platform does not know any more has ended while nobody told us.
  return isLive(view.call) ? { ...here, call: null, hangingUp: false, muted: false } : here;
}

/** News of a call. An ended call of before must not cover the one that lives now. */
function withCall(view: View, call: Call): View {
  const other = view.call !== null && view.call.call_id !== call.call_id;
  if (other && isLive(view.call) && !isLive(call)) return view;
  const fresh = view.call === null || other;
  return {
    ...view,
    call,
    launch: null,
    refusal: fresh ? null : view.refusal,
    hangingUp: isLive(call) && !fresh && view.hangingUp,
    muted: isLive(call) && !fresh && view.muted,
    soundBlocked: isLive(call) && view.soundBlocked,
  };
}

const TOO_LATE: ReadonlySet<string> = new Set(["not_found", "not_possible_now"]);

function refused(view: View, message: Extract<FromPlatform, { type: "refused" }>): View {
  const { code, title, detail, remedy } = message;
  // A hang-up that came after the end: what was wanted has happened.
  if (TOO_LATE.has(code) && view.launch === null && !isLive(message.call)) return { ...view, hangingUp: false };
  const told = message.call === null ? view : withCall(view, message.call);
  return { ...told, launch: null, hangingUp: false, refusal: { code, title, detail, remedy } };
}

export function isLive(call: Call | null): call is Call {
  return call !== null && call.state !== "ended";
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

/** Seconds since the customer answered, or null before. `now` is this computer's clock, milliseconds. */
export function talkSeconds(view: View, now: number): number | null {
  const answered = view.call?.answered_at;
  if (!answered) return null;
  return Math.max(0, (now + view.clockSkewMs - Date.parse(answered)) / 1000);
}
