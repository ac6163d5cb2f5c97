/** The softphone socket's messages (docs/softphone-protocol.md), and the one place where a frame becomes a typed value. */
import { CALL_STATES, type CallState } from "../../shared/generated";

export type TroubleCode =
  | "microphone_denied"
  | "microphone_missing"
  | "microphone_busy"
  | "insecure_page"
  | "sip_failed";

export type ToPlatform =
  | { type: "hello"; tab: string; page: string; ticket: string | null; visible: boolean }
  | { type: "ready" }
  | { type: "dial"; ticket: string }
  | { type: "hang_up"; call_id: string }
  | { type: "take_over" }
  | { type: "ping" }
  | { type: "trouble"; code: TroubleCode; detail: string };

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
  /** Talk time in whole seconds, 0 when nobody answered. */
  readonly duration: number;
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
    }
  | { type: "elsewhere"; launch: Launch | null; call: Call | null }
  | ({ type: "launch" } & Launch)
  | { type: "call"; call: Call }
  | ({ type: "refused"; call: Call | null } & Refusal)
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
  return isObject(json) && isMessage(json) ? (json as FromPlatform) : null;
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
