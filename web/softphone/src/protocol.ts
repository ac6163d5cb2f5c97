/** The softphone socket's messages (docs/softphone-protocol.md), and the one place where a frame becomes a typed value. */
import { CALL_STATES, type CallState } from "../../shared/generated";
import { liveCall } from "./live-call";
import type { Figures, Reported } from "./reporting";

export type TroubleCode =
  | "microphone_denied"
  | "microphone_missing"
  | "microphone_busy"
  | "insecure_page"
  | "sip_failed";

export type ToPlatform =
  | { type: "hello"; tab: string; page: string; ticket: string | null; visible: boolean; voice: boolean }
  | { type: "ready" }
  | { type: "dial"; ticket: string }
  | { type: "hang_up"; call_id: string }
  | { type: "take_over" }
  | { type: "ping" }
  | { type: "trouble"; code: TroubleCode; detail: string }
  | ({ type: "report"; call_id: string; what: Reported } & Figures)
  | ({ type: "order"; call_id: string; order: OrderName; ref: string } & OrderDetails)
  | { type: "note"; call_id: string; disposition?: string; notes?: string; ref: string }
  | { type: "wrap_up_done" }
  | { type: "find_agents"; query: string; ref: string }
  | { type: "history"; before: string | null; ref: string }
  | { type: "redial"; call_id: string; ref: string };

export const ORDERS = [
  "hold",
  "resume",
  "mute",
  "unmute",
  "dtmf",
  "consult",
  "add",
  "swap",
  "merge",
  "transfer",
  "drop",
  "leave",
  "end",
  "pause_recording",
  "resume_recording",
  "answer",
  "decline",
] as const;
export type OrderName = (typeof ORDERS)[number];

/** Whom to call: any phone, an agent's softphone, an agent's phone. */
export type Target = { readonly number: string } | { readonly crm_username: string } | { readonly phone_of: string };

export interface OrderDetails {
  readonly participant_id?: string;
  readonly digits?: string;
  readonly to?: Target;
}

export interface SipAccount {
  readonly username: string;
  readonly password: string;
  readonly domain: string;
  readonly path: string;
}

export interface Launch {
  readonly ticket: string;
  readonly to_number: string;
  readonly to_display?: string;
}

export interface CallEnd {
  readonly status: string;
  readonly reason: string;
  readonly ended_by: string;
  readonly title: string;
  readonly remedy: string;
  /** Talk time in whole seconds, 0 when nobody answered; null when this agent has left a call that goes on. */
  readonly duration: number | null;
}

export interface Call {
  readonly call_id: string;
  readonly state: CallState;
  readonly customer_number: string;
  readonly customer_display?: string;
  readonly from_number: string;
  readonly from_display?: string;
  /** ISO 8601 UTC, as all times. */
  readonly started_at: string;
  readonly answered_at: string | null;
  readonly answer_token: string | null;
  readonly recording: boolean;
  readonly end: CallEnd | null;
  /** Where this page's agent sits. */
  readonly seat: "agent" | "guest";
  /** This page's agent. */
  readonly participant_id: string;
  /** `auto`: the page answers by itself. `ask`: it rings until the agent has decided. */
  readonly answer: "auto" | "ask";
  /** The agent who consults this page's agent or hands the call over; null otherwise. */
  readonly called_by: string | null;
  /** What this page's agent can order now. */
  readonly allowed: readonly OrderName[];
  readonly participants: readonly Participant[];
  readonly recording_paused: boolean;
  readonly disposition: string | null;
  readonly notes: string | null;
}

export interface Participant {
  readonly id: string;
  readonly role: "agent" | "customer" | "guest";
  readonly number: string | null;
  readonly display?: string | null;
  readonly crm_username: string | null;
  readonly state: "dialing" | "ringing" | "connected" | "left";
  readonly muted: boolean;
  readonly on_hold: boolean;
}

export type AgentPresence = "offline" | "ready" | "busy" | "wrap_up" | "asleep";

export interface FoundAgent {
  readonly crm_username: string;
  readonly presence: AgentPresence;
  readonly has_phone: boolean;
}

export interface PastCall {
  readonly call_id: string;
  readonly customer_display: string;
  readonly from_display: string;
  readonly started_at: string;
  readonly duration: number;
  readonly status: string;
  readonly reason: string;
  readonly title: string;
  readonly disposition: string | null;
  readonly notes: string | null;
  readonly recording_url: string | null;
}

/** The time after a call in which its outcome is written down; `until` null: it is over, or has no end of its own. */
export interface WrapUp {
  readonly call_id: string;
  readonly until: string | null;
  readonly disposition: string | null;
  readonly notes: string | null;
}

export interface Refusal {
  readonly code: string;
  readonly title: string;
  readonly detail: string;
  readonly remedy: string;
}

export type FromPlatform =
  | {
      type: "welcome";
      server_time?: string;
      agent: { crm_username: string };
      /** Null while the telephone engine is away; another welcome follows. */
      sip: SipAccount | null;
      launch: Launch | null;
      call: Call | null;
      engine_ready: boolean;
      dispositions?: readonly string[];
      default_disposition?: string | null;
      wrap_up?: WrapUp | null;
    }
  | { type: "elsewhere"; launch: Launch | null; call: Call | null }
  | ({ type: "launch" } & Launch)
  | { type: "call"; call: Call }
  | ({ type: "refused"; call: Call | null; ref?: string | null } & Refusal)
  | { type: "done"; ref: string }
  | { type: "agents"; ref: string; agents: readonly FoundAgent[] }
  | { type: "calls"; ref: string; calls: readonly PastCall[]; next: string | null }
  | { type: "digit"; call_id: string; participant_id: string; digit: string }
  | ({ type: "wrap_up" } & WrapUp)
  | { type: "noted"; ref: string; call_id: string; disposition: string | null; notes: string | null }
  | { type: "replaced" }
  | { type: "engine"; ready: boolean }
  | { type: "signed_out"; code: string; title: string; remedy: string }
  | { type: "pong" };

type Json = Record<string, unknown>;

/** A frame as a message, or null when it is none of ours: a newer platform may say more than this page knows. */
export function parseFrame(text: string): FromPlatform | null {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return null;
  }
  return isObject(json) && isMessage(json) ? (completed(json) as FromPlatform) : null;
}

/** Every call in a message with all its fields: the platform leaves out what does not apply. */
function completed(json: Json): Json {
  return isObject(json.call) ? { ...json, call: liveCall(json.call) } : json;
}

const SHAPES: Record<FromPlatform["type"], (json: Json) => boolean> = {
  welcome: (json) =>
    isObject(json.agent) &&
    (json.sip === null || isSip(json.sip)) &&
    isLaunchOrNull(json.launch) &&
    isCallOrNull(json.call),
  elsewhere: (json) => isCallOrNull(json.call ?? null),
  launch: (json) => isLaunchOrNull(json),
  call: (json) => json.call !== null && isCallOrNull(json.call),
  refused: (json) => isText(json.code) && isText(json.title) && isCallOrNull(json.call ?? null),
  replaced: () => true,
  engine: (json) => typeof json.ready === "boolean",
  signed_out: (json) => isText(json.title),
  pong: () => true,
  done: (json) => isText(json.ref),
  agents: (json) => isText(json.ref) && isListOf(json.agents, "crm_username"),
  calls: (json) => isText(json.ref) && isListOf(json.calls, "call_id"),
  digit: (json) => isText(json.call_id) && isText(json.participant_id) && isText(json.digit),
  wrap_up: (json) => isText(json.call_id),
  noted: (json) => isText(json.ref) && isText(json.call_id),
};

function isMessage(json: Json): boolean {
  const shape = Object.entries(SHAPES).find(([type]) => type === json.type)?.[1];
  return shape?.(json) ?? false;
}

function isObject(value: unknown): value is Json {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isSip(value: unknown): boolean {
  return isObject(value) && ["username", "password", "domain", "path"].every((key) => isText(value[key]));
}

function isListOf(value: unknown, key: string): boolean {
  return Array.isArray(value) && value.every((entry) => isObject(entry) && isText(entry[key]));
}

function isLaunchOrNull(value: unknown): boolean {
  return value === null || (isObject(value) && isText(value.ticket) && isText(value.to_number));
}

function isCallOrNull(value: unknown): boolean {
  if (value === null) return true;
  return (
    isObject(value) &&
    isText(value.call_id) &&
    isText(value.customer_number) &&
    CALL_STATES.some((state) => state === value.state)
  );
}
