/** Named dummies for the tests: one launch, one call, one welcome. */
import type { Call, CallEnd, FromPlatform, Launch, Participant } from "./protocol";
import { FIRST_VIEW, type Happening, reduce, type View } from "./view";

export const NOW = Date.parse("2026-07-03T10:00:00Z");

export const LAUNCH: Launch = { ticket: "T-of-the-first-click", to_number: "+12025550143" };

export const RINGING: Call = {
  call_id: "call-1",
  state: "customer_ringing",
  customer_number: "+12025550143",
  from_number: "+912240001234",
  started_at: "2026-07-03T10:00:00Z",
  answered_at: null,
  answer_token: "token-1",
  recording: true,
  end: null,
  seat: "agent",
  participant_id: "agent",
  answer: "auto",
  called_by: null,
  allowed: [],
  participants: [],
  recording_paused: false,
  disposition: null,
  notes: null,
};

/** A participant of a call; on the line unless said otherwise. */
export function participant(id: string, role: Participant["role"], more: Partial<Participant> = {}): Participant {
  return { id, role, number: null, crm_username: null, state: "connected", muted: false, on_hold: false, ...more };
}

export const SELF = participant("agent", "agent", { crm_username: "agent.017" });
export const CUSTOMER = participant("customer", "customer", { number: "+12025550143" });
export const GUEST = participant("p1", "guest", { crm_username: "agent.018" });

export const TALKING: Call = {
  ...RINGING,
  state: "talking",
  answered_at: "2026-07-03T10:00:05Z",
  allowed: [
    "hold",
    "mute",
    "unmute",
    "dtmf",
    "consult",
    "add",
    "transfer",
    "pause_recording",
    "resume_recording",
    "end",
  ],
  participants: [SELF, CUSTOMER],
};

export const CONSULTING: Call = {
  ...TALKING,
  state: "consulting",
  allowed: ["mute", "unmute", "dtmf", "swap", "merge", "transfer", "drop", "leave", "pause_recording", "end"],
  participants: [SELF, { ...CUSTOMER, on_hold: true }, GUEST],
};

export const THREE_WAY: Call = {
  ...CONSULTING,
  state: "three_way",
  allowed: ["hold", "mute", "unmute", "dtmf", "transfer", "drop", "leave", "pause_recording", "end"],
  participants: [SELF, CUSTOMER, GUEST],
};

/** The same call as the agent sees it who is asked into it. */
export const ASKED: Call = {
  ...CONSULTING,
  state: "consult_ringing",
  seat: "guest",
  participant_id: "p1",
  answer: "ask",
  called_by: "agent.017",
  allowed: ["answer", "decline"],
  participants: [SELF, { ...CUSTOMER, on_hold: true }, { ...GUEST, state: "ringing" }],
};

export const BUSY_END: CallEnd = {
  status: "BUSY",
  reason: "customer_busy",
  ended_by: "customer",
  title: "The customer's line is busy",
  remedy: "Try again in a few minutes.",
  duration: 0,
};

export const ENDED: Call = { ...RINGING, state: "ended", end: BUSY_END };

export const WELCOME = {
  type: "welcome",
  server_time: "2026-07-03T10:00:00Z",
  agent: { crm_username: "agent.017" },
  sip: { username: "u", password: "p", domain: "softphone.test", path: "/softphone/sip" },
  launch: null,
  call: null,
  engine_ready: true,
} as const satisfies FromPlatform;

/** The view after these messages and happenings, one after the other. */
export function viewAfter(...steps: readonly (FromPlatform | Happening)[]): View {
  return steps.reduce<View>(
    (view, step) => reduce(view, "is" in step ? step : { is: "message", message: step, now: NOW }),
    FIRST_VIEW,
  );
}

export const MICROPHONE_READY: Happening = { is: "microphone", state: "ready" };
export const REGISTERED: Happening = { is: "line", state: "registered" };
export const LINK_OPEN: Happening = { is: "link", state: "open" };

/** Everything works, nobody is called. */
export const READY: readonly (FromPlatform | Happening)[] = [LINK_OPEN, WELCOME, MICROPHONE_READY, REGISTERED];
