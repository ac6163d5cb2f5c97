/** Every sentence that depends on the state, in one place, in the page's language. Pure; no sentence repeats a number in a log or title. */
import { groupDigits } from "../../shared/numbers";
import type { PlainKey } from "./language/catalog";
import { platformWords, say } from "./language/language";
import { isLive, thirdIn } from "./live-call";
import type { Call, CallEnd, Launch, OrderName, Participant, Refusal } from "./protocol";
import { isAsked, isMuted, isReady, type MicrophoneTrouble, microphoneTrouble, screenOf, type View } from "./view";

export interface Advice {
  readonly title: string;
  readonly text: string;
  readonly steps: readonly string[];
}

export function customerOf(call: Call): string {
  return call.customer_display ?? groupDigits(call.customer_number);
}

export function callerIdOf(call: Call): string {
  return call.from_display ?? groupDigits(call.from_number);
}

export function numberOf(launch: Launch): string {
  return launch.to_display ?? groupDigits(launch.to_number);
}

/** A participant by what people know them by. */
export function nameOf(one: Participant | undefined): string {
  if (one === undefined) return say("phone");
  return one.crm_username ?? one.display ?? (one.number === null ? say("phone") : groupDigits(one.number));
}

export function roleOf(one: Participant): string {
  if (one.role === "customer") return say("customer");
  return say(one.crm_username === null && one.role === "guest" ? "phone" : "agent");
}

export function placeOf(one: Participant): string {
  if (one.state === "dialing") return say("stateDialing");
  if (one.state === "ringing") return say("stateRinging");
  return say(one.on_hold ? "stateOnHold" : "stateConnected");
}

/** The one line that a screen reader hears when something changes; never the ticking timer. */
export function statusLine(view: View): string {
  switch (screenOf(view)) {
    case "call":
      return view.call === null ? "" : callLine(view, view.call);
    case "ended":
      return view.call?.end ? endTitle(view.call.end) : say("callEnded");
    case "starting":
      return startingLine(view);
    case "idle":
      return idleLine(view);
    case "refused":
      return view.refusal === null ? "" : refusalTitle(view.refusal);
    case "microphone":
      return microphoneTitle(view);
    case "elsewhere":
      return say("otherTab");
    case "replaced":
      return say("movedTab");
    case "signed_out":
      return view.farewell === null ? say("signedOut") : refusalTitle(view.farewell);
  }
}

/** What the ear needs to know beside the status line, because the eye sees it elsewhere on the screen. */
export function asideLine(view: View): string {
  const { call } = view;
  if (screenOf(view) === "ended" && call !== null) return endLine(call);
  if (!isLive(call) || isAsked(view)) return "";
  const facts = [];
  if (view.returned && call.state !== "agent_away") facts.push(say("backInCall"));
  if (isMuted(view)) facts.push(say("youAreMuted"));
  if (call.recording && call.recording_paused) facts.push(say("recordingIsPaused"));
  return facts.map((text) => say("sentence", { text })).join(" ");
}

function callLine(view: View, call: Call): string {
  if (isAsked(view)) return askLine(call);
  if (view.hangingUp) return say(view.orders.pending.some(({ order }) => order === "leave") ? "leaving" : "hangingUp");
  if (call.seat === "guest") return guestLine(view, call);
  return stateLine(call);
}

function stateLine(call: Call): string {
  const who = nameOf(thirdIn(call));
  switch (call.state) {
    case "initiated":
    case "agent_ringing":
      return say("startingPhone");
    case "agent_answered":
      return say("calling", { who: customerOf(call) });
    case "customer_ringing":
      return say("ringing");
    case "talking":
      return say("connected");
    case "held":
      return say("onHold");
    case "consult_ringing":
      return say("consultRinging", { who });
    case "consulting":
      return say("consulting", { who });
    case "consult_held":
      return say("consultHeld", { who });
    case "adding":
      return say("adding", { who });
    case "three_way":
      return say("threeWay");
    case "transferring":
      return say("transferring", { who });
    case "agent_away":
      return say("agentAway");
    case "ending":
    case "ended":
      return say("hangingUp");
  }
}

/** Who called in this agent, and what for. */
export function askLine(call: Call): string {
  const who = callerOf(call);
  return say(call.state === "transferring" ? "asksTransfer" : "asksConsult", { who });
}

export function callerOf(call: Call): string {
  return call.called_by ?? nameOf(thirdIn(call));
}

function guestLine(view: View, call: Call): string {
  switch (call.state) {
    case "three_way":
      return say("threeWay");
    case "consult_held":
      return say("onHold");
    case "transferring":
      return say("beingTransferred");
    case "consult_ringing":
    case "adding":
      return say(view.answered ? "answering" : "ringing");
    case "ending":
    case "ended":
      return say("hangingUp");
    default:
      return say("guestWith", { who: callerOf(call) });
  }
}

/** The platform's own words speak of "the agent" to everybody; here the agent reads. */
const TO_THE_AGENT: Readonly<Record<string, PlainKey>> = {
  agent_hung_up: "youHungUp",
  agent_gave_up: "youGaveUp",
  transferred: "youTransferred",
  left: "youLeft",
};

/** How a call ended. `end` needs its reason and the platform's own title only. */
export function endTitle(end: Pick<CallEnd, "reason" | "title">): string {
  const key = TO_THE_AGENT[end.reason];
  return key === undefined ? (platformWords("reasons", end.reason)?.title ?? unstopped(end.title)) : say(key);
}

export function endRemedy(end: CallEnd): string {
  return platformWords("reasons", end.reason)?.remedy ?? end.remedy;
}

export function refusalTitle(refusal: Pick<Refusal, "code" | "title">): string {
  return OWN[refusal.code]?.title() ?? platformWords("codes", refusal.code)?.title ?? refusal.title;
}

export function refusalRemedy(refusal: Pick<Refusal, "code" | "remedy">): string {
  return OWN[refusal.code]?.remedy() ?? platformWords("codes", refusal.code)?.remedy ?? refusal.remedy;
}

/** The platform's detail is English: shown in English only, where it is more than the title. */
export function refusalDetail(refusal: Refusal): string {
  const known = platformWords("codes", refusal.code) !== null || refusal.detail === refusal.title;
  return known ? "" : refusal.detail;
}

/** Failures that the page itself notices, and those whose words would speak of the API. */
const OWN: Readonly<Record<string, { title: () => string; remedy: () => string }>> = {
  "page:not_sent": { title: () => say("notSent"), remedy: () => say("notSentRemedy") },
  "page:unanswered": { title: () => say("unanswered"), remedy: () => say("unansweredRemedy") },
  not_possible_now: { title: () => say("notNow"), remedy: () => say("notNowRemedy") },
};

export function ownRefusal(code: "page:not_sent" | "page:unanswered"): Refusal {
  return { code, title: "", detail: "", remedy: "" };
}

/** An order's name as its button says it. */
const ORDER_KEYS = {
  hold: "hold",
  resume: "resume",
  mute: "mute",
  unmute: "unmute",
  dtmf: "keypad",
  consult: "addCall",
  add: "addCall",
  swap: "swap",
  merge: "merge",
  transfer: "transfer",
  drop: "drop",
  leave: "leave",
  end: "endForAll",
  pause_recording: "pauseRecording",
  resume_recording: "resumeRecording",
  answer: "answer",
  decline: "decline",
} as const satisfies Record<OrderName, PlainKey>;

export function orderWord(order: OrderName): string {
  return say(ORDER_KEYS[order]);
}

function unstopped(title: string): string {
  return title.replace(/\.$/, "");
}

function idleLine(view: View): string {
  if (view.link === "lost") return say("notConnected");
  return say(view.engineReady ? "ready" : "waitingForEngine");
}

function microphoneTitle(view: View): string {
  const trouble = microphoneTrouble(view);
  return trouble === null ? "" : microphoneAdvice(trouble).title;
}

function startingLine(view: View): string {
  if (view.microphone === "asking") return say("allowMicrophone");
  if (view.launch !== null && isReady(view)) return say("calling", { who: numberOf(view.launch) });
  return say("startingPhone");
}

/** Below the status line: what is going on or what to do, one sentence. */
export function hintLine(view: View): string {
  if (view.microphone === "asking") return say("hintAsking");
  if (screenOf(view) !== "starting") return "";
  if (view.link === "lost") return say("hintLinkLost");
  if (!view.engineReady) return say("hintEngine");
  return say(view.line === "lost" ? "hintLine" : "hintMoment");
}

/** What the tab's title says; the number stays out of it, for titles end up in browser histories. */
export function tabTitle(view: View, timer: string | null): string {
  if (isAsked(view)) return say("titleRings");
  if (isLive(view.call))
    return timer === null ? say("titleCalling") : `● ${timer}${isMuted(view) ? ` ${say("titleMuted")}` : ""}`;
  switch (screenOf(view)) {
    case "starting":
      return `… ${say("softphone")}`;
    case "microphone":
    case "refused":
      return `! ${say("softphone")}`;
    default:
      return say("softphone");
  }
}

export function endLine(call: Call): string {
  if (call.end?.duration === null) return say("callGoesOn");
  const seconds = call.end?.duration ?? 0;
  return seconds > 0 ? say("callEndedAfter", { time: spokenTime(seconds) }) : say("nobodyConnected");
}

/** Whole seconds as words: `1 minute 5 seconds`; minutes alone from ten minutes on, for nobody counts then. */
export function spokenTime(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const parts = [
    ["hours", Math.floor(whole / 3600)],
    ["minutes", Math.floor((whole % 3600) / 60)],
    ["seconds", whole < 600 ? whole % 60 : 0],
  ] as const;
  const said = parts.filter(([, n]) => n > 0).map(([unit, n]) => say(unit, { n }));
  return said.length > 0 ? said.join(" ") : say("seconds", { n: 0 });
}

export function microphoneAdvice(trouble: MicrophoneTrouble): Advice {
  const steps = {
    denied: () => [say("denied1"), say("denied2"), say("denied3")],
    missing: () => [say("missing1"), say("missing2")],
    busy: () => [say("busy1"), say("busy2")],
    insecure: () => [say("insecure1")],
  } as const;
  return { title: say(`${trouble}Title`), text: say(`${trouble}Text`), steps: steps[trouble]() };
}

/** What stands in the way right now without ending everything: a banner, role=alert. */
export function alertLine(view: View): { readonly kind: string; readonly text: string } | null {
  if (view.place !== "here") return null;
  const live = isLive(view.call);
  if (live && view.microphone === "lost") return { kind: "microphone", text: say("alertMicrophone") };
  if (live && view.soundBlocked) return { kind: "sound", text: say("alertSound") };
  if (view.link === "lost") return { kind: "link", text: say(live ? "alertLinkInCall" : "alertLink") };
  if (!view.engineReady) return { kind: "engine", text: say("alertEngine") };
  if (view.line === "lost") return { kind: "line", text: say("alertLine") };
  return null;
}
