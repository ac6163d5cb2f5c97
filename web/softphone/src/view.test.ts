import { describe, expect, it } from "vitest";
import {
  ASKED,
  BUSY_END,
  CONSULTING,
  ENDED,
  LAUNCH,
  LINK_OPEN,
  MICROPHONE_READY,
  NOW,
  READY,
  REGISTERED,
  RINGING,
  TALKING,
  viewAfter,
  WELCOME,
} from "./examples";
import type { FromPlatform } from "./protocol";
import { isAsked, isReady, launchToDial, screenOf, talkSeconds, wrapUpSeconds } from "./view";

const REFUSED: FromPlatform = {
  type: "refused",
  code: "call_limit_reached",
  title: "The account's limit of simultaneous calls is reached",
  detail: "5 calls are going on.",
  remedy: "Wait until a call ends.",
  call: null,
};

describe("which screen", () => {
  it("starts by starting, and is idle once microphone and line are there", () => {
    expect(screenOf(viewAfter())).toBe("starting");
    expect(screenOf(viewAfter(LINK_OPEN, WELCOME, MICROPHONE_READY))).toBe("starting");
    expect(screenOf(viewAfter(...READY))).toBe("idle");
  });

  it("shows a launch until it is a call, the call until it has ended, then its end", () => {
    expect(screenOf(viewAfter(...READY, { type: "launch", ...LAUNCH }))).toBe("starting");
    expect(screenOf(viewAfter(...READY, { type: "call", call: RINGING }))).toBe("call");
    expect(screenOf(viewAfter(...READY, { type: "call", call: RINGING }, { type: "call", call: ENDED }))).toBe("ended");
  });

  it.each(["denied", "missing", "busy", "insecure"] as const)(
    "explains a %s microphone, but never over a living call",
    (state) => {
      expect(screenOf(viewAfter(...READY, { is: "microphone", state }))).toBe("microphone");
      expect(screenOf(viewAfter(...READY, { type: "call", call: TALKING }, { is: "microphone", state }))).toBe("call");
    },
  );

  it("gives the whole page to another tab's call", () => {
    expect(screenOf(viewAfter(LINK_OPEN, { type: "elsewhere", launch: LAUNCH, call: TALKING }))).toBe("elsewhere");
    expect(screenOf(viewAfter(...READY, { type: "replaced" }))).toBe("replaced");
    expect(screenOf(viewAfter(...READY, { is: "closed_for_good", place: "signed_out" }))).toBe("signed_out");
  });
});

describe("turning a click into a call", () => {
  const launched = { ...WELCOME, launch: LAUNCH };

  it("waits for the microphone, the line and the connection", () => {
    expect(launchToDial(viewAfter(LINK_OPEN, launched))).toBeNull();
    expect(launchToDial(viewAfter(LINK_OPEN, launched, MICROPHONE_READY))).toBeNull();
    expect(launchToDial(viewAfter(LINK_OPEN, launched, MICROPHONE_READY, REGISTERED))).toEqual(LAUNCH);
    expect(
      launchToDial(viewAfter(LINK_OPEN, launched, MICROPHONE_READY, REGISTERED, { is: "link", state: "lost" })),
    ).toBeNull();
  });

  it("happens once for each ticket", () => {
    const dialed = [
      LINK_OPEN,
      launched,
      MICROPHONE_READY,
      REGISTERED,
      { is: "dial_sent", ticket: LAUNCH.ticket },
    ] as const;
    expect(launchToDial(viewAfter(...dialed))).toBeNull();
    expect(launchToDial(viewAfter(...dialed, launched))).toBeNull();
    const next = { ...LAUNCH, ticket: "T-of-the-second-click" };
    expect(launchToDial(viewAfter(...dialed, { type: "launch", ...next }))?.ticket).toBe(next.ticket);
  });

  it("is over when it was refused", () => {
    const view = viewAfter(LINK_OPEN, launched, MICROPHONE_READY, REGISTERED, REFUSED);
    expect(launchToDial(view)).toBeNull();
    expect(screenOf(view)).toBe("refused");
    expect(view.refusal?.code).toBe("call_limit_reached");
  });
});

it("shows a new click instead of the end of the call before", () => {
  const view = viewAfter(...READY, { type: "call", call: ENDED }, { type: "launch", ...LAUNCH });
  expect(view.call).toBeNull();
  expect(viewAfter(...READY, { type: "call", call: TALKING }, { type: "launch", ...LAUNCH }).call).toEqual(TALKING);
});

describe("news of calls", () => {
  it("ignores the end of an older call while another one lives", () => {
    const view = viewAfter(
      ...READY,
      { type: "call", call: TALKING },
      { type: "call", call: { ...ENDED, call_id: "call-0" } },
    );
    expect(view.call).toEqual(TALKING);
  });

  it("shows the living call that a refusal names, with the reason beside it", () => {
    const view = viewAfter(...READY, { ...REFUSED, code: "already_calling", call: TALKING });
    expect(screenOf(view)).toBe("call");
    expect(view.refusal?.code).toBe("already_calling");
  });

  it("unmutes and forgets the hang-up for the next call", () => {
    const first = [
      ...READY,
      { type: "call", call: TALKING },
      { is: "mute_pressed" },
      { is: "hang_up_pressed" },
    ] as const;
    expect(viewAfter(...first)).toMatchObject({ muted: true, hangingUp: true });
    const next = { ...RINGING, call_id: "call-2" };
    expect(viewAfter(...first, { type: "call", call: ENDED }, { type: "call", call: next })).toMatchObject({
      muted: false,
      hangingUp: false,
    });
  });

  it("keeps mute and hang-up while the same call goes on", () => {
    const view = viewAfter(
      ...READY,
      { type: "call", call: RINGING },
      { is: "mute_pressed" },
      { type: "call", call: TALKING },
    );
    expect(view.muted).toBe(true);
  });

  it("forgets a living call that the platform does not know any more", () => {
    expect(viewAfter(...READY, { type: "call", call: TALKING }, WELCOME).call).toBeNull();
    expect(viewAfter(...READY, { type: "call", call: ENDED }, WELCOME).call).toEqual(ENDED);
  });

  it("takes a hang-up that came too late for granted", () => {
    const late = { ...REFUSED, code: "not_possible_now" };
    const view = viewAfter(...READY, { type: "call", call: ENDED }, late);
    expect(view.refusal).toBeNull();
    expect(screenOf(view)).toBe("ended");
  });

  it("lets nobody mute or hang up where no call is", () => {
    expect(viewAfter(...READY, { is: "mute_pressed" }, { is: "hang_up_pressed" })).toMatchObject({
      muted: false,
      hangingUp: false,
    });
    expect(viewAfter(...READY, { type: "call", call: { ...ENDED, end: BUSY_END } }, { is: "mute_pressed" }).muted).toBe(
      false,
    );
  });
});

describe("the timer", () => {
  const answeredAfter5s = { type: "call", call: TALKING } as const;

  it("runs from the answer", () => {
    expect(talkSeconds(viewAfter(...READY, { type: "call", call: RINGING }), NOW)).toBeNull();
    expect(talkSeconds(viewAfter(...READY, answeredAfter5s), NOW + 47_000)).toBe(42);
    expect(talkSeconds(viewAfter(...READY, answeredAfter5s), NOW)).toBe(0);
  });

  it("is right on a computer whose clock is a day off", () => {
    const dayAhead = { ...WELCOME, server_time: new Date(NOW - 86_400_000).toISOString() };
    const call = { ...TALKING, answered_at: new Date(NOW - 86_400_000 + 5000).toISOString() };
    expect(talkSeconds(viewAfter(LINK_OPEN, dayAhead, { type: "call", call }), NOW + 47_000)).toBe(42);
  });
});

it("is ready only as the agent's own softphone", () => {
  expect(isReady(viewAfter(...READY))).toBe(true);
  expect(isReady(viewAfter(...READY, { type: "replaced" }))).toBe(false);
  expect(isReady(viewAfter(...READY, { is: "line", state: "lost" }))).toBe(false);
});

describe("a call that asks to be answered", () => {
  const asked = [...READY, { type: "call", call: ASKED }] as const;

  it("rings until the agent has decided, or it is gone", () => {
    expect(isAsked(viewAfter(...asked))).toBe(true);
    expect(isAsked(viewAfter(...asked, { is: "answer_pressed" }))).toBe(false);
    expect(isAsked(viewAfter(...asked, { is: "hang_up_pressed" }))).toBe(false);
    expect(isAsked(viewAfter(...asked, { type: "call", call: { ...ASKED, state: "ended" } }))).toBe(false);
    expect(isAsked(viewAfter(...asked, { type: "replaced" }))).toBe(false);
  });

  it("asks anew for the next call", () => {
    const next = { ...ASKED, call_id: "call-2" };
    const ended = { type: "call", call: { ...ASKED, state: "ended" } } as const;
    expect(isAsked(viewAfter(...asked, { is: "answer_pressed" }, ended, { type: "call", call: next }))).toBe(true);
  });
});

describe("a reload in a call", () => {
  const AWAY = { ...TALKING, state: "agent_away", answer_token: "token-2" } as const;

  it("is remembered from the way back to the next change of state", () => {
    const back = [...READY.slice(0, 1), { ...WELCOME, call: AWAY }] as const;
    expect(viewAfter(...back).returned).toBe(true);
    expect(viewAfter(...back, { type: "call", call: TALKING }).returned).toBe(true);
    expect(viewAfter(...back, { type: "call", call: TALKING }, { type: "call", call: { ...TALKING } }).returned).toBe(
      true,
    );
    const held = { ...TALKING, state: "held" } as const;
    expect(viewAfter(...back, { type: "call", call: TALKING }, { type: "call", call: held }).returned).toBe(false);
  });

  it("is one also when the platform had not noticed yet that the page was gone", () => {
    expect(viewAfter(LINK_OPEN, { ...WELCOME, call: TALKING }).returned).toBe(true);
  });

  it("is none when only the connection was lost", () => {
    const lost = [{ is: "link", state: "lost" }, LINK_OPEN, { ...WELCOME, call: TALKING }] as const;
    expect(viewAfter(...READY, { type: "call", call: TALKING }, ...lost).returned).toBe(false);
  });
});

describe("panels", () => {
  const talking = [...READY, { type: "call", call: TALKING }] as const;

  it.each(["add", "transfer", "keypad", "notes"] as const)("%s closes with the call, history stays", (panel) => {
    const over = [{ type: "call", call: { ...TALKING, state: "ended" } }] as const;
    expect(viewAfter(...talking, { is: "panel", panel }).panel).toBe(panel);
    expect(viewAfter(...talking, { is: "panel", panel }, ...over).panel).toBeNull();
    expect(viewAfter(...talking, { is: "panel", panel: "history" }, ...over).panel).toBe("history");
  });

  it("close when their order has been carried out, and for a call that comes in", () => {
    expect(viewAfter(...talking, { is: "panel", panel: "add" }, { type: "call", call: CONSULTING }).panel).toBeNull();
    expect(
      viewAfter(...talking, { is: "panel", panel: "transfer" }, { type: "call", call: CONSULTING }).panel,
    ).toBeNull();
    expect(viewAfter(...talking, { is: "panel", panel: "keypad" }, { type: "call", call: CONSULTING }).panel).toBe(
      "keypad",
    );
    expect(viewAfter(...READY, { is: "panel", panel: "history" }, { type: "call", call: ASKED }).panel).toBeNull();
  });
});

it("counts wrap-up down by the platform's clock, not during a call", () => {
  const until = new Date(NOW + 30_000).toISOString();
  const wrapUp = { type: "wrap_up", call_id: "call-1", until, disposition: null, notes: null } as const;
  const ended = [...READY, { type: "call", call: ENDED }, wrapUp] as const;
  expect(wrapUpSeconds(viewAfter(...ended), NOW + 10_000)).toBe(20);
  expect(wrapUpSeconds(viewAfter(...ended), NOW + 31_000)).toBeNull();
  expect(wrapUpSeconds(viewAfter(...ended, { ...wrapUp, until: null }), NOW)).toBeNull();
  expect(wrapUpSeconds(viewAfter(...ended, { type: "call", call: { ...TALKING, call_id: "call-2" } }), NOW)).toBeNull();
});

it("warns of leaving only while a call lives", () => {
  const leaving = { is: "leaving_page", leaving: true } as const;
  expect(viewAfter(...READY, leaving).leavingPage).toBe(false);
  expect(viewAfter(...READY, { type: "call", call: TALKING }, leaving).leavingPage).toBe(true);
});
