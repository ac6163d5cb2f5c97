import { describe, expect, it } from "vitest";
import { CONSULTING, READY, SELF, TALKING, viewAfter } from "./examples";
import { canGive, type GivenOrder, given, isPending, NO_ORDERS, refusedOrder, seen, settled } from "./orders";
import type { Call, OrderName, Refusal } from "./protocol";

const REFUSAL: Refusal = { code: "agent_busy", title: "The agent is in another call", detail: "", remedy: "Wait." };

function order(name: OrderName, call: Call = TALKING): GivenOrder {
  return { ref: `r-${name}`, order: name, details: {}, during: call.state };
}

describe("an order", () => {
  it("is possible only when the platform allows it", () => {
    expect(canGive(TALKING, NO_ORDERS, "hold")).toBe(true);
    expect(canGive(TALKING, NO_ORDERS, "resume")).toBe(false);
    expect(canGive({ ...TALKING, allowed: [] }, NO_ORDERS, "hold")).toBe(false);
  });

  it("cannot be given twice while it is under way", () => {
    const book = given(NO_ORDERS, order("hold"));
    expect(isPending(book, "hold")).toBe(true);
    expect(canGive(TALKING, book, "hold")).toBe(false);
    expect(canGive(TALKING, settled(book, "r-hold"), "hold")).toBe(true);
  });

  it("waits for another that changes who hears whom, while voice, recording and the end do not", () => {
    const book = given(NO_ORDERS, order("hold"));
    for (const name of ["consult", "transfer", "add"] as const) expect(canGive(TALKING, book, name)).toBe(false);
    for (const name of ["mute", "pause_recording", "dtmf", "end"] as const)
      expect(canGive(TALKING, book, name)).toBe(true);
    expect(canGive(CONSULTING, given(NO_ORDERS, order("swap", CONSULTING)), "leave")).toBe(true);
  });

  it("waits for its own opposite", () => {
    expect(canGive(TALKING, given(NO_ORDERS, order("mute")), "unmute")).toBe(false);
    expect(canGive(TALKING, given(NO_ORDERS, order("pause_recording")), "resume_recording")).toBe(false);
  });

  it("is told apart when it is refused, and the next order takes the refusal away", () => {
    const refused = refusedOrder(given(NO_ORDERS, order("transfer")), "r-transfer", REFUSAL);
    expect(refused).toEqual({ pending: [], refused: { order: "transfer", refusal: REFUSAL } });
    expect(given(refused, order("hold")).refused).toBeNull();
    expect(refusedOrder(NO_ORDERS, "somebody else's", REFUSAL)).toBe(NO_ORDERS);
  });

  it.each([
    ["hold", { ...TALKING, state: "held" }],
    ["mute", { ...TALKING, participants: [{ ...SELF, muted: true }] }],
    ["pause_recording", { ...TALKING, recording_paused: true }],
  ] as const)("%s is done once its effect shows, even when its answer was lost", (name, after) => {
    const book = given(NO_ORDERS, order(name));
    expect(seen(book, TALKING).pending).toHaveLength(1);
    expect(seen(book, after as Call).pending).toHaveLength(0);
  });
});

describe("in the view", () => {
  const talking = [...READY, { type: "call", call: TALKING }] as const;
  const held = { is: "order_given", order: order("hold") } as const;

  it("stands from the press to the answer", () => {
    expect(viewAfter(...talking, held).orders.pending).toHaveLength(1);
    expect(viewAfter(...talking, held, { type: "done", ref: "r-hold" }).orders.pending).toHaveLength(0);
  });

  it("a refusal with its ref belongs to the order, and leaves the call alone", () => {
    const view = viewAfter(...talking, held, { type: "refused", ref: "r-hold", call: null, ...REFUSAL });
    expect(view.orders.refused).toEqual({ order: "hold", refusal: REFUSAL });
    expect(view.refusal).toBeNull();
    expect(view.call).toEqual(TALKING);
  });

  it("leave and end look like an end at once, and not any more when they are refused", () => {
    const ending = { is: "order_given", order: order("end") } as const;
    expect(viewAfter(...talking, ending).hangingUp).toBe(true);
    expect(viewAfter(...talking, ending, { type: "refused", ref: "r-end", call: null, ...REFUSAL }).hangingUp).toBe(
      false,
    );
  });

  it("nothing is waited for over a lost connection", () => {
    expect(viewAfter(...talking, held, { is: "link", state: "lost" }).orders.pending).toHaveLength(0);
  });
});
