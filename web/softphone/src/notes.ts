/** What the agent writes down about a call: as typed, as stored, as the platform had it. Pure. */
import type { Call, Refusal, WrapUp } from "./protocol";

export interface Written {
  readonly disposition: string;
  readonly notes: string;
}

export interface Noting {
  readonly call_id: string | null;
  /** As it stands in the form; null before anything was typed. */
  readonly written: Written | null;
  /** As it was last sent. */
  readonly sent: Written | null;
  /** The question that is under way. */
  readonly ref: string | null;
  readonly refusal: Refusal | null;
}

export const UNWRITTEN: Noting = { call_id: null, written: null, sent: null, ref: null, refusal: null };

export function write(noting: Noting, call_id: string, written: Written): Noting {
  return noting.call_id === call_id ? { ...noting, written, refusal: null } : { ...UNWRITTEN, call_id, written };
}

export function noteSent(noting: Noting, ref: string): Noting {
  return { ...noting, ref, sent: noting.written, refusal: null };
}

export function noteStored(noting: Noting, ref: string): Noting {
  return noting.ref === ref ? { ...noting, ref: null } : noting;
}

/** Nothing is stored: what is written stays in the form and can be sent again. */
export function noteFailed(noting: Noting, refusal: Refusal): Noting {
  return { ...noting, ref: null, sent: null, refusal };
}

/** What the platform has about this call: wrap-up tells it last. */
export function storedOf(call: Call, wrapUp: WrapUp | null): Written {
  const source = wrapUp?.call_id === call.call_id ? wrapUp : call;
  return { disposition: source.disposition ?? "", notes: source.notes ?? "" };
}

/** What the form shows. */
export function writtenOf(noting: Noting, call_id: string, stored: Written): Written {
  return (noting.call_id === call_id ? noting.written : null) ?? stored;
}

export function isUnsaved(noting: Noting, call_id: string, stored: Written): boolean {
  if (noting.call_id !== call_id || noting.written === null) return false;
  const last = noting.sent ?? stored;
  return noting.written.disposition !== last.disposition || noting.written.notes !== last.notes;
}
