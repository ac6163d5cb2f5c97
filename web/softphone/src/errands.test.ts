import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Errands } from "./errands";
import { CONSULTING, LINK_OPEN, NOW, READY, SELF, TALKING, viewAfter } from "./examples";
import type { Call, FromPlatform, ToPlatform } from "./protocol";
import { type Happening, isMuted, reduce, type View } from "./view";

type Order = Extract<ToPlatform, { type: "order" }>;

/** A page without a screen: what happens is reduced, then attended to, as softphone.ts does. */
class Page {
  view: View = viewAfter(...READY);
  readonly sent: ToPlatform[] = [];
  open = true;
  readonly errands = new Errands({
    view: () => this.view,
    happen: (happening) => this.happen(happening),
    send: (message) => {
      if (this.open) this.sent.push(message);
      return this.open;
    },
    name: "page",
  });

  happen(happening: Happening): void {
    this.view = reduce(this.view, happening);
    this.errands.attend(this.view);
  }

  hear(message: FromPlatform): void {
    this.happen({ is: "message", message, now: NOW });
  }

  call(call: Call): void {
    this.hear({ type: "call", call });
  }

  get orders(): Order[] {
    return this.sent.filter((message) => message.type === "order");
  }

  get last(): Order {
    const last = this.orders.at(-1);
    if (last === undefined) throw new Error("no order was sent");
    return last;
  }

  done(): void {
    this.hear({ type: "done", ref: this.last.ref });
  }

  refuse(code = "not_possible_now"): void {
    this.hear({ type: "refused", ref: this.last.ref, call: null, code, title: "No", detail: "", remedy: "" });
  }
}

let page: Page;

beforeEach(() => {
  vi.useFakeTimers();
  page = new Page();
  page.call(TALKING);
});

afterEach(() => {
  vi.useRealTimers();
});

describe("an order", () => {
  it("leaves once, however often it is pressed, with a ref of its own", () => {
    page.errands.give("hold");
    page.errands.give("hold");
    expect(page.orders).toHaveLength(1);
    page.done();
    page.errands.give("consult", { to: { crm_username: "agent.018" } });
    expect(page.last).toMatchObject({ order: "consult", call_id: TALKING.call_id, to: { crm_username: "agent.018" } });
    expect(new Set(page.orders.map(({ ref }) => ref)).size).toBe(2);
  });

  it("that is not allowed does not leave", () => {
    page.errands.give("merge");
    expect(page.orders).toHaveLength(0);
  });

  it("that nobody answers is told as failed, and can be given again", () => {
    page.errands.give("hold");
    vi.advanceTimersByTime(8000);
    expect(page.view.orders.refused?.refusal.code).toBe("page:unanswered");
    page.errands.give("hold");
    expect(page.orders).toHaveLength(2);
  });

  it("that was answered in time is not told as failed later", () => {
    page.errands.give("hold");
    page.done();
    vi.advanceTimersByTime(20_000);
    expect(page.view.orders.refused).toBeNull();
  });

  it("without a connection fails at once and is not kept for later", () => {
    page.open = false;
    page.errands.give("hold");
    expect(page.view.orders.refused?.refusal.code).toBe("page:not_sent");
    page.open = true;
    page.happen({ is: "link", state: "lost" });
    page.happen(LINK_OPEN);
    expect(page.orders).toHaveLength(0);
  });
});

describe("keys", () => {
  it("are one order each, the next when the one before was carried out", () => {
    for (const digit of "42#") page.errands.pressKey(digit);
    expect(page.orders.map(({ digits }) => digits)).toEqual(["4"]);
    page.done();
    expect(page.orders.map(({ digits }) => digits)).toEqual(["4", "2"]);
    page.errands.pressKey("7");
    page.done();
    page.done();
    page.done();
    expect(page.orders.map(({ digits }) => digits).join("")).toBe("42#7");
    expect(page.view.keypad.waiting).toBe(0);
  });

  it("behind a refused one do not leave", () => {
    for (const digit of "42") page.errands.pressKey(digit);
    page.refuse();
    expect(page.orders).toHaveLength(1);
    expect(page.view.orders.refused?.order).toBe("dtmf");
  });

  it("are not taken where nobody would hear them", () => {
    page.call({ ...TALKING, allowed: [] });
    page.errands.pressKey("4");
    expect(page.view.keypad.pressed).toBe("");
  });
});

describe("mute", () => {
  const muted: Call = { ...TALKING, participants: [{ ...SELF, muted: true }] };

  it("is silence at once, and the platform's order beside it", () => {
    page.errands.toggleMute();
    expect(isMuted(page.view)).toBe(true);
    expect(page.last.order).toBe("mute");
    page.call(muted);
    page.done();
    page.errands.toggleMute();
    expect(page.last.order).toBe("unmute");
    expect(isMuted(page.view)).toBe(true); // until the platform lets the voice through again
    page.call(TALKING);
    expect(isMuted(page.view)).toBe(false);
  });

  it("cannot be turned while it is under way", () => {
    page.errands.toggleMute();
    page.errands.toggleMute();
    expect(page.orders).toHaveLength(1);
    expect(page.view.muted).toBe(true);
  });

  it("that was refused keeps the own microphone silent, and asks again only on news", () => {
    page.errands.toggleMute();
    page.refuse();
    expect(isMuted(page.view)).toBe(true);
    expect(page.orders).toHaveLength(1);
    page.call({ ...TALKING });
    expect(page.orders).toHaveLength(2);
  });

  it("from before the answer becomes the platform's as soon as that is possible", () => {
    page = new Page();
    page.call({ ...TALKING, state: "customer_ringing", answered_at: null, allowed: [] });
    page.errands.toggleMute();
    expect(page.orders).toHaveLength(0);
    expect(isMuted(page.view)).toBe(true);
    page.call(TALKING);
    expect(page.last.order).toBe("mute");
  });

  it("by the platform is shown, and undone by the agent", () => {
    page.call(muted);
    expect(isMuted(page.view)).toBe(true);
    page.errands.toggleMute();
    expect(page.last.order).toBe("unmute");
  });
});

describe("questions", () => {
  it("only the last search is shown", () => {
    page.errands.find("a");
    page.errands.find("ab");
    const [first, second] = page.sent.filter((message) => message.type === "find_agents");
    page.hear({
      type: "agents",
      ref: first?.ref ?? "",
      agents: [{ crm_username: "a", presence: "ready", has_phone: true }],
    });
    expect(page.view.search.agents).toBeNull();
    page.hear({ type: "agents", ref: second?.ref ?? "", agents: [] });
    expect(page.view.search.agents).toEqual([]);
  });

  it("the history grows by what is asked for, and begins anew", () => {
    const past = (call_id: string) => ({ call_id }) as Extract<FromPlatform, { type: "calls" }>["calls"][number];
    const answer = (call_id: string, next: string | null) => {
      const asked = page.sent.filter((message) => message.type === "history").at(-1);
      page.hear({ type: "calls", ref: asked?.ref ?? "", calls: [past(call_id)], next });
      return asked?.before;
    };
    page.errands.history();
    expect(answer("c1", "n1")).toBeNull();
    page.errands.history(true);
    expect(answer("c2", null)).toBe("n1");
    expect(page.view.past.calls?.map(({ call_id }) => call_id)).toEqual(["c1", "c2"]);
    page.errands.history(true);
    expect(page.sent.filter((message) => message.type === "history")).toHaveLength(2);
    page.errands.history();
    answer("c0", "n0");
    expect(page.view.past.calls?.map(({ call_id }) => call_id)).toEqual(["c0"]);
  });

  it("a redial leaves once, not during a call, and says why it was refused", () => {
    page.errands.redial("c1");
    expect(page.sent.filter((message) => message.type === "redial")).toHaveLength(0);
    page.call({ ...CONSULTING, state: "ended", end: null });
    page.errands.redial("c1");
    page.errands.redial("c1");
    const asked = page.sent.filter((message) => message.type === "redial");
    expect(asked).toHaveLength(1);
    const refusal = { code: "call_limit_reached", title: "No", detail: "", remedy: "" };
    page.hear({ type: "refused", ref: asked[0]?.ref ?? "", call: null, ...refusal });
    expect(page.view.redial).toEqual({ ref: null, call_id: "c1", refusal });
  });

  it("a note leaves without an empty outcome", () => {
    page.errands.write(TALKING.call_id, { disposition: "", notes: "hello" });
    page.errands.note(TALKING.call_id);
    page.errands.note("another call");
    const notes = page.sent.filter((message) => message.type === "note");
    expect(notes).toEqual([{ type: "note", call_id: TALKING.call_id, notes: "hello", ref: expect.any(String) }]);
  });
});
