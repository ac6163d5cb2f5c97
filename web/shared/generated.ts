/* Generated from `calls/table.py` and `calls/endings.py` by `intellicall reference`. Do not edit. */

export const CALL_STATES = [
  "initiated",
  "agent_ringing",
  "agent_answered",
  "customer_ringing",
  "talking",
  "held",
  "consult_ringing",
  "consulting",
  "consult_held",
  "adding",
  "three_way",
  "transferring",
  "agent_away",
  "ending",
  "ended",
] as const;
export type CallState = (typeof CALL_STATES)[number];

export const CALL_ORDERS = [
  "hangup",
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
  "pause_recording",
  "resume_recording",
] as const;
export type CallOrder = (typeof CALL_ORDERS)[number];

export const CALL_STATUSES = ["ANSWER", "NO_ANSWER", "BUSY", "FAILED", "CANCELED"] as const;
export type CallStatus = (typeof CALL_STATUSES)[number];

export const END_REASONS = [
  "agent_hung_up",
  "customer_hung_up",
  "guest_hung_up",
  "ended_by_account",
  "max_length",
  "agent_left",
  "transfer_failed",
  "customer_busy",
  "customer_rejected",
  "customer_no_answer",
  "customer_unavailable",
  "agent_gave_up",
  "canceled_by_account",
  "agent_no_answer",
  "agent_busy",
  "agent_rejected",
  "agent_unreachable",
  "agent_no_audio",
  "number_unknown",
  "number_refused",
  "carrier_failure",
  "carrier_timeout",
  "no_route",
  "engine_unavailable",
  "dialed_too_late",
  "audio_lost",
  "engine_lost",
  "platform_restarted",
  "restored",
  "clock_set",
  "platform_error",
  "unexplained",
] as const;
export type EndReason = (typeof END_REASONS)[number];

export const PARTIES = ["agent", "customer", "guest", "account", "carrier", "platform"] as const;
export type Party = (typeof PARTIES)[number];
