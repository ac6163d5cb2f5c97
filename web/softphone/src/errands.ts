/**
 * What the page asks of the platform and waits for: orders, keys, notes, searches, the history, a redial. Each has a `ref`, by which
 * its answer is known, and a deadline, after which it counts as failed.
 */
import { nextDigit } from "./keypad";
import { isLive, selfIn } from "./live-call";
import type { Written } from "./notes";
import { canGive, isPending } from "./orders";
import type { Call, OrderDetails, OrderName, Refusal, ToPlatform } from "./protocol";
import { type Happening, isMuted, type View } from "./view";
import { ownRefusal } from "./words";

const ANSWER_WITHIN_MS = 8000;

export interface Household {
  readonly view: () => View;
  readonly happen: (happening: Happening) => void;
  /** True when the message left. */
  readonly send: (message: ToPlatform) => boolean;
  /** Random, for this page. */
  readonly name: string;
}

export class Errands {
  readonly #house: Household;
  #count = 0;
  /** The news after which muting was tried: a refusal is not answered by asking again. */
  #mutedAfter: Call | null = null;

  constructor(house: Household) {
    this.#house = house;
  }

  /** Give an order if it is possible now and not under way already. */
  give(order: OrderName, details: OrderDetails = {}): void {
    const { call, orders } = this.#house.view();
    if (isLive(call) && canGive(call, orders, order)) this.#order(call, order, details);
  }

  /** What the state asks for by itself: the next key of the keypad, and silence that is the platform's too. */
  attend(view: View): void {
    const { call } = view;
    if (!isLive(call) || view.place !== "here" || view.link !== "open") return;
    const digit = nextDigit(view.keypad);
    if (digit !== null) this.#order(call, "dtmf", { digits: digit });
    else this.#silence(view, call);
  }

  pressKey(digit: string): void {
    const { call, keypad } = this.#house.view();
    const possible = isLive(call) && (call.allowed.includes("dtmf") || keypad.waiting > 0);
    if (possible) this.#house.happen({ is: "key_pressed", digit });
  }

  toggleMute(): void {
    const { orders } = this.#house.view();
    if (isPending(orders, "mute") || isPending(orders, "unmute")) return;
    this.#mutedAfter = null;
    this.#house.happen({ is: "mute_pressed" });
    const after = this.#house.view();
    if (!after.muted && isMuted(after)) this.give("unmute");
  }

  write(call_id: string, written: Written): void {
    this.#house.happen({ is: "note_written", call_id, written });
  }

  /** Send what is written about this call. An empty outcome is no outcome. */
  note(call_id: string): void {
    const { noting } = this.#house.view();
    if (noting.call_id !== call_id || noting.written === null) return;
    const { disposition, notes } = noting.written;
    const ref = this.#ref();
    this.#house.happen({ is: "note_sent", ref });
    this.#ask(ref, { type: "note", call_id, ...(disposition === "" ? {} : { disposition }), notes, ref });
  }

  find(query: string): void {
    const ref = this.#ref();
    this.#house.happen({ is: "search_sent", ref });
    this.#ask(ref, { type: "find_agents", query, ref });
  }

  /** The newest calls, or, with `more`, the next older ones. */
  history(more = false): void {
    const { past } = this.#house.view();
    const before = more ? past.next : null;
    if (more && (before === null || past.ref !== null)) return;
    const ref = this.#ref();
    this.#house.happen({ is: "history_asked", ref, fresh: !more });
    this.#ask(ref, { type: "history", before, ref });
  }

  redial(call_id: string): void {
    const { redial, call } = this.#house.view();
    if (redial.ref !== null || isLive(call)) return;
    const ref = this.#ref();
    this.#house.happen({ is: "redial_sent", ref, call_id });
    this.#ask(ref, { type: "redial", call_id, ref });
  }

  wrapUpDone(): void {
    this.#house.send({ type: "wrap_up_done" });
  }

  #silence(view: View, call: Call): void {
    const due = view.muted && selfIn(call)?.muted === false && this.#mutedAfter !== call;
    if (!due || !canGive(call, view.orders, "mute")) return;
    this.#mutedAfter = call;
    this.#order(call, "mute", {});
  }

  #order(call: Call, order: OrderName, details: OrderDetails): void {
    const ref = this.#ref();
    // Sent first: what happens next may ask for the next key.
    const message = { type: "order", call_id: call.call_id, order, ref, ...details } as const;
    const sent = this.#house.send(message);
    this.#house.happen({ is: "order_given", order: { ref, order, details, during: call.state } });
    this.#watch(ref, sent);
  }

  #ask(ref: string, message: ToPlatform): void {
    this.#watch(ref, this.#house.send(message));
  }

  #watch(ref: string, sent: boolean): void {
    if (!sent) this.#fail(ref, ownRefusal("page:not_sent"));
    else setTimeout(() => this.#fail(ref, ownRefusal("page:unanswered")), ANSWER_WITHIN_MS);
  }

  #fail(ref: string, refusal: Refusal): void {
    this.#house.happen({ is: "errand_failed", ref, refusal });
  }

  #ref(): string {
    this.#count += 1;
    return `${this.#house.name.slice(0, 12)}.${this.#count}`;
  }
}
