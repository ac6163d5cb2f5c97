/** The orders that were given and not answered yet, and the last one that was refused. Pure. */
import { selfIn } from "./live-call";
import type { Call, OrderDetails, OrderName, Refusal } from "./protocol";

export interface GivenOrder {
  readonly ref: string;
  readonly order: OrderName;
  readonly details: OrderDetails;
  /** The call's state when it was given. */
  readonly during: Call["state"];
}

export interface RefusedOrder {
  readonly order: OrderName;
  readonly refusal: Refusal;
}

export interface OrderBook {
  readonly pending: readonly GivenOrder[];
  readonly refused: RefusedOrder | null;
}

export const NO_ORDERS: OrderBook = { pending: [], refused: null };

/** Orders that change who hears whom: what the next one would mean depends on whether this one is carried out. */
const ARRANGING: ReadonlySet<OrderName> = new Set([
  "hold",
  "resume",
  "consult",
  "add",
  "swap",
  "merge",
  "transfer",
  "drop",
  "leave",
  "end",
]);

/** Orders whose opposite waits for them too. */
const PAIRS: readonly ReadonlySet<OrderName>[] = [
  new Set(["mute", "unmute"]),
  new Set(["pause_recording", "resume_recording"]),
  new Set(["answer", "decline"]),
];

export function isPending(book: OrderBook, order: OrderName): boolean {
  return book.pending.some((given) => given.order === order);
}

/** Allowed now, and nothing is under way that it would have to wait for. `end` waits for nothing but itself. */
export function canGive(call: Call, book: OrderBook, order: OrderName): boolean {
  if (!call.allowed.includes(order) || isPending(book, order)) return false;
  if (order === "end" || order === "leave") return true;
  return !book.pending.some((given) => excludes(given.order, order));
}

function excludes(given: OrderName, order: OrderName): boolean {
  if (ARRANGING.has(given) && ARRANGING.has(order)) return true;
  return PAIRS.some((pair) => pair.has(given) && pair.has(order));
}

export function given(book: OrderBook, order: GivenOrder): OrderBook {
  return { pending: [...book.pending, order], refused: null };
}

/** Carried out, refused, or nobody knows: no longer waited for. */
export function settled(book: OrderBook, ref: string): OrderBook {
  const pending = book.pending.filter((order) => order.ref !== ref);
  return pending.length === book.pending.length ? book : { ...book, pending };
}

export function refusedOrder(book: OrderBook, ref: string, refusal: Refusal): OrderBook {
  const order = book.pending.find((one) => one.ref === ref)?.order;
  return order === undefined ? book : { ...settled(book, ref), refused: { order, refusal } };
}

/** News of the call: an order whose effect shows is done, even when its answer was lost with a connection. */
export function seen(book: OrderBook, call: Call): OrderBook {
  const pending = book.pending.filter((order) => !shows(call, order));
  return pending.length === book.pending.length ? book : { ...book, pending };
}

function shows(call: Call, { order, during }: GivenOrder): boolean {
  switch (order) {
    case "mute":
    case "unmute":
      return selfIn(call)?.muted === (order === "mute");
    case "pause_recording":
    case "resume_recording":
      return call.recording_paused === (order === "pause_recording");
    case "dtmf":
      return false;
    default:
      return call.state !== during;
  }
}
