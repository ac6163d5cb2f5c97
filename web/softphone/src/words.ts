/** Every sentence that depends on the state, in one place. Pure; no sentence repeats a number in a log or title. */
import type { EndReason } from "../../shared/generated";
import { groupDigits } from "../../shared/numbers";
import { spokenDuration } from "../../shared/time";
import type { Call, Launch } from "./protocol";
import { isLive, isReady, type MicrophoneTrouble, microphoneTrouble, screenOf, type View } from "./view";

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

/** The one line that a screen reader hears when something changes; never the ticking timer. */
export function statusLine(view: View): string {
  switch (screenOf(view)) {
    case "call":
      return view.call === null ? "" : callLine(view.call, view.hangingUp);
    case "ended":
      return endTitle(view.call);
    case "starting":
      return startingLine(view);
    case "idle":
      return idleLine(view);
    case "refused":
      return view.refusal?.title ?? "";
    case "microphone":
      return microphoneTitle(view);
    case "elsewhere":
      return "Your softphone is open in another tab";
    case "replaced":
      return "Your softphone moved to another tab";
    case "signed_out":
      return view.farewell?.title ?? "You are signed out";
  }
}

function callLine(call: Call, hangingUp: boolean): string {
  if (hangingUp) return "Hanging up…";
  switch (call.state) {
    case "initiated":
    case "agent_ringing":
      return "Starting your phone…";
    case "agent_answered":
      return `Calling ${customerOf(call)}`;
    case "customer_ringing":
      return "Ringing";
    case "talking":
      return "Connected";
    case "ending":
    case "ended":
      return "Hanging up…";
  }
}

/** The platform's own words speak of "the agent" to everybody; here the agent reads. */
const TO_THE_AGENT: Readonly<Partial<Record<string, string>>> = {
  agent_hung_up: "You hung up",
  agent_gave_up: "You hung up before the customer answered",
} satisfies Partial<Record<EndReason, string>>;

function endTitle(call: Call | null): string {
  const end = call?.end;
  return end ? (TO_THE_AGENT[end.reason] ?? end.title) : "Call ended";
}

function idleLine(view: View): string {
  if (view.link === "lost") return "Not connected";
  return view.engineReady ? "Ready" : "Waiting for the telephone system";
}

function microphoneTitle(view: View): string {
  const trouble = microphoneTrouble(view);
  return trouble === null ? "" : MICROPHONE[trouble].title;
}

function startingLine(view: View): string {
  if (view.microphone === "asking") return "Allow the microphone";
  if (view.launch !== null && isReady(view)) return `Calling ${numberOf(view.launch)}`;
  return "Starting your phone…";
}

/** Below the status line: what is going on or what to do, one sentence. */
export function hintLine(view: View): string {
  if (view.microphone === "asking") return "Your browser asks for it at the top of this window.";
  if (screenOf(view) !== "starting") return "";
  if (view.link === "lost") return "The platform cannot be reached at the moment. Trying again…";
  if (!view.engineReady) return "Your phone starts as soon as the telephone system is back.";
  if (view.line === "lost") return "The phone line cannot be reached at the moment. Trying again…";
  return "This takes a moment. There is nothing to click.";
}

/** What the tab's title says; the number stays out of it, for titles end up in browser histories. */
export function tabTitle(view: View, timer: string | null): string {
  if (isLive(view.call)) return timer === null ? "○ Calling…" : `● ${timer}${view.muted ? " muted" : ""}`;
  switch (screenOf(view)) {
    case "starting":
      return "… Softphone";
    case "microphone":
    case "refused":
      return "! Softphone";
    default:
      return "Softphone";
  }
}

export function endLine(call: Call): string {
  const seconds = call.end?.duration ?? 0;
  return seconds > 0 ? `You talked for ${spokenDuration(seconds)}.` : "Nobody was connected.";
}

const MICROPHONE: Record<MicrophoneTrouble, Advice> = {
  denied: {
    title: "Your microphone is blocked",
    text: "Calls need it, and your browser or computer does not let this page use it. Nobody was called.",
    steps: [
      "Click the symbol left of the address at the top of the browser.",
      "Set Microphone to Allow.",
      "Come back here and try again. If it stays blocked, look into the microphone privacy settings of your computer.",
    ],
  },
  missing: {
    title: "No microphone found",
    text: "This computer has no microphone that the browser can see. Nobody was called.",
    steps: ["Plug in your headset, or switch it on.", "Wait until your computer has noticed it, then try again."],
  },
  busy: {
    title: "Your microphone is in use",
    text: "Another program holds it and does not share it. Nobody was called.",
    steps: ["Close other programs that use the microphone: meetings, recorders, other phones.", "Then try again."],
  },
  insecure: {
    title: "This address is not secure",
    text: "Browsers give the microphone only to https pages, so calls cannot be made from this address. Nobody was called.",
    steps: ["Ask your CRM administrator to use the https address of the platform in the Dial button."],
  },
};

export function microphoneAdvice(trouble: MicrophoneTrouble): Advice {
  return MICROPHONE[trouble];
}

/** What stands in the way right now without ending everything: a banner, role=alert. */
export function alertLine(view: View): { readonly kind: string; readonly text: string } | null {
  if (view.place !== "here") return null;
  const live = isLive(view.call);
  if (live && view.microphone === "lost") {
    return {
      kind: "microphone",
      text: "Your microphone is gone: the customer cannot hear you. Plug it in or choose another.",
    };
  }
  if (live && view.soundBlocked)
    return { kind: "sound", text: "Your browser waits for a click before it plays sound." };
  if (view.link === "lost") {
    const rest = live ? " Your call goes on." : "";
    return { kind: "link", text: `Connection to the platform lost. Reconnecting…${rest}` };
  }
  if (!view.engineReady) {
    return { kind: "engine", text: "The telephone system is not available at the moment. It comes back by itself." };
  }
  if (view.line === "lost") return { kind: "line", text: "The phone line was lost. Reconnecting…" };
  return null;
}
