/** Which buttons the living call has, and what each does now. Pure: the screen draws them, the keyboard presses them. */
import { isShared } from "./live-call";
import { canGive, isPending } from "./orders";
import type { Call, OrderName } from "./protocol";
import { isAsked, isMuted, type View } from "./view";

export type ControlName =
  | "mute"
  | "keypad"
  | "hold"
  | "swap"
  | "add"
  | "merge"
  | "transfer"
  | "complete"
  | "record"
  | "notes";

export interface Control {
  readonly name: ControlName;
  /** The order that a press gives; null: it opens the panel of its name, or (mute) is the page's own. */
  readonly order: OrderName | null;
  readonly enabled: boolean;
  readonly pending: boolean;
  /** For a switch whether it is on; null for what is none. */
  readonly pressed: boolean | null;
}

/** The buttons from left to right, top to bottom; only what this agent can have in this state. */
export function controlsOf(view: View): readonly Control[] {
  const { call } = view;
  if (call === null || isAsked(view)) return [];
  const all = [
    muteOf(view),
    keypadOf(view, call),
    holdOf(view, call),
    isShared(call) ? orderOf(view, call, "swap", "swap") : addOf(view, call),
    isShared(call) ? orderOf(view, call, "merge", "merge") : null,
    transferOf(view, call),
    recordOf(view, call),
    call.answered_at === null || call.seat === "guest"
      ? null
      : { ...PLAIN, name: "notes" as const, enabled: !view.hangingUp },
  ];
  return all.filter((control) => control !== null);
}

const PLAIN = { order: null, enabled: true, pending: false, pressed: null } as const;

/** Always there: the microphone is the agent's own, whatever the platform can do at the moment. */
function muteOf(view: View): Control {
  const pending = isPending(view.orders, "mute") || isPending(view.orders, "unmute");
  return { ...PLAIN, name: "mute", pressed: isMuted(view), pending, enabled: !pending && !view.hangingUp };
}

function keypadOf(view: View, call: Call): Control | null {
  const possible = call.allowed.includes("dtmf") || view.keypad.waiting > 0;
  // Once there is somebody to hear keys, its place is kept: only what is allowed comes and goes.
  const there = possible || (call.answered_at !== null && call.seat === "agent");
  return there ? { ...PLAIN, name: "keypad", enabled: possible && !view.hangingUp } : null;
}

function holdOf(view: View, call: Call): Control | null {
  const resumes = call.allowed.includes("resume") || isPending(view.orders, "resume");
  const control = orderOf(view, call, "hold", resumes ? "resume" : "hold");
  return control === null ? null : { ...control, pressed: resumes };
}

function addOf(view: View, call: Call): Control | null {
  const orders = ["consult", "add"] as const;
  const pending = orders.some((order) => isPending(view.orders, order));
  if (!pending && !orders.some((order) => call.allowed.includes(order))) return null;
  const enabled = !view.hangingUp && orders.some((order) => canGive(call, view.orders, order));
  return { ...PLAIN, name: "add", pending, enabled };
}

/** With nobody else there it asks to whom; in a consultation it is the agent's leaving. In a three-way call that is Leave below. */
function transferOf(view: View, call: Call): Control | null {
  if (call.state === "three_way" || call.state === "transferring") return null;
  const control = orderOf(view, call, isShared(call) ? "complete" : "transfer", "transfer");
  return control !== null && !isShared(call) ? { ...control, order: null } : control;
}

function recordOf(view: View, call: Call): Control | null {
  if (!call.recording) return null;
  const control = orderOf(view, call, "record", call.recording_paused ? "resume_recording" : "pause_recording");
  return control === null ? null : { ...control, pressed: call.recording_paused };
}

function orderOf(view: View, call: Call, name: ControlName, order: OrderName): Control | null {
  const pending = isPending(view.orders, order);
  if (!pending && !call.allowed.includes(order)) return null;
  return { ...PLAIN, name, order, pending, enabled: !view.hangingUp && canGive(call, view.orders, order) };
}

/** The ways out of the call. `hang_up` is the first protocol's own message and works in every state. */
export type WayOut = "hang_up" | "leave" | "end";

export function waysOut(view: View): readonly WayOut[] {
  const { call } = view;
  if (call === null || isAsked(view)) return [];
  if (call.seat === "guest") return ["leave"];
  if (!isShared(call)) return ["hang_up"];
  // In a consultation the way out without ending it is Complete transfer, among the controls.
  const leaves = (call.state === "three_way" || call.state === "transferring") && call.allowed.includes("leave");
  return leaves ? ["leave", "end"] : ["end"];
}
