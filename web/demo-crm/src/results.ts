/** Received call results in a salesperson's words. */
import { clockTime } from "../../shared/time";
import type { Callback, CallResult, Customer } from "./api";

export type Tone = "good" | "warn" | "bad" | "calm";

const STATUSES: Readonly<Record<string, readonly [word: string, tone: Tone]>> = {
  ANSWER: ["Answered", "good"],
  NO_ANSWER: ["No answer", "warn"],
  BUSY: ["Busy", "warn"],
  CANCELED: ["Canceled", "calm"],
  FAILED: ["Failed", "bad"],
};

export function statusWord(status: string | undefined): string {
  return STATUSES[status ?? ""]?.[0] ?? status ?? "Unknown";
}

export function statusTone(status: string | undefined): Tone {
  return STATUSES[status ?? ""]?.[1] ?? "calm";
}

/** Which of our customers it was; `+91 98…` and `98…` are the same number. */
export function customerOf(result: CallResult, customers: readonly Customer[]): Customer | undefined {
  const digits = (number: string) => number.replace(/\D/g, "");
  const called = digits(result.customer_number ?? "");
  if (called === "") return undefined;
  return (
    customers.find((customer) => digits(customer.number) === called) ??
    customers.find((customer) => called.length >= 7 && digits(customer.number).endsWith(called))
  );
}

export function durationWords(result: CallResult): string {
  return result.duration ? `Talked ${clockTime(result.duration)}` : "Not connected";
}

/** `customer_hung_up` to `customer hung up`. */
export function reasonWords(result: CallResult): string {
  return (result.reason ?? "").replaceAll("_", " ");
}

/** Stable for one delivery, so that a list that grows at its top keeps its open players. */
export function keyOf(callback: Callback): string {
  return `${callback.received_at} ${callback.body.call_id ?? ""}`;
}
