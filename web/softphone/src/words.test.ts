import { describe, expect, it } from "vitest";
import { CALL_STATES } from "../../shared/generated";
import { BUSY_END, ENDED, LAUNCH, LINK_OPEN, READY, RINGING, TALKING, viewAfter, WELCOME } from "./examples";
import { alertLine, customerOf, endLine, hintLine, statusLine, tabTitle } from "./words";

describe("the status line", () => {
  it("has words for every state of a call", () => {
    for (const state of CALL_STATES) {
      expect(statusLine(viewAfter(...READY, { type: "call", call: { ...RINGING, state } }))).not.toBe("");
    }
  });

  it("goes from starting to the end", () => {
    expect(statusLine(viewAfter())).toBe("Starting your phone…");
    expect(statusLine(viewAfter(...READY, { type: "launch", ...LAUNCH }))).toBe("Calling +1 202 555 0143");
    expect(statusLine(viewAfter(...READY, { type: "call", call: RINGING }))).toBe("Ringing");
    expect(statusLine(viewAfter(...READY, { type: "call", call: TALKING }))).toBe("Connected");
    expect(statusLine(viewAfter(...READY, { type: "call", call: TALKING }, { is: "hang_up_pressed" }))).toBe(
      "Hanging up…",
    );
    expect(statusLine(viewAfter(...READY, { type: "call", call: ENDED }))).toBe("The customer's line is busy");
  });

  it("asks for the microphone in words", () => {
    const view = viewAfter(LINK_OPEN, WELCOME, { is: "microphone", state: "asking" });
    expect(statusLine(view)).toBe("Allow the microphone");
    expect(hintLine(view)).toContain("browser asks");
  });

  it("does not claim to be ready without a telephone system or a connection", () => {
    expect(statusLine(viewAfter(...READY))).toBe("Ready");
    expect(statusLine(viewAfter(...READY, { type: "engine", ready: false }))).not.toBe("Ready");
    expect(statusLine(viewAfter(...READY, { is: "link", state: "lost" }))).not.toBe("Ready");
  });
});

describe("alerts", () => {
  it("say what is wrong, the worst first", () => {
    const talking = [...READY, { type: "call", call: TALKING }] as const;
    expect(alertLine(viewAfter(...talking))).toBeNull();
    expect(alertLine(viewAfter(...talking, { is: "link", state: "lost" }))?.text).toContain("Your call goes on");
    expect(alertLine(viewAfter(...talking, { is: "sound", blocked: true }))?.kind).toBe("sound");
    const silent = viewAfter(...talking, { is: "link", state: "lost" }, { is: "microphone", state: "lost" });
    expect(alertLine(silent)?.kind).toBe("microphone");
    expect(alertLine(viewAfter(...READY, { type: "engine", ready: false }))?.kind).toBe("engine");
    expect(alertLine(viewAfter(...READY, { is: "line", state: "lost" }))?.kind).toBe("line");
  });

  it("are not for a tab that is not the softphone", () => {
    expect(alertLine(viewAfter({ type: "replaced" }, { is: "link", state: "lost" }))).toBeNull();
  });
});

describe("the tab's title", () => {
  it("shows the timer while somebody talks, and that nobody hears", () => {
    const talking = [...READY, { type: "call", call: TALKING }] as const;
    expect(tabTitle(viewAfter(...talking), "0:42")).toBe("● 0:42");
    expect(tabTitle(viewAfter(...talking, { is: "mute_pressed" }), "0:42")).toBe("● 0:42 muted");
    expect(tabTitle(viewAfter(...READY), null)).toBe("Softphone");
  });

  it("never holds a number: titles end up in the browser's history", () => {
    for (const call of [RINGING, TALKING, ENDED]) {
      expect(tabTitle(viewAfter(...READY, { type: "call", call }), "0:01")).not.toMatch(/555/);
    }
    expect(tabTitle(viewAfter(...READY, { type: "launch", ...LAUNCH }), null)).not.toMatch(/555/);
  });
});

it("says you to the agent", () => {
  const end = { ...BUSY_END, reason: "agent_hung_up", title: "The agent hung up." };
  expect(statusLine(viewAfter(...READY, { type: "call", call: { ...ENDED, end } }))).toBe("You hung up");
});

it("prefers the platform's own way to write a number", () => {
  expect(customerOf({ ...RINGING, customer_display: "(202) 555-0143" })).toBe("(202) 555-0143");
});

it("says how long people talked", () => {
  expect(endLine(ENDED)).toBe("Nobody was connected.");
  expect(endLine({ ...ENDED, end: { ...BUSY_END, duration: 61 } })).toBe("Call ended, 1 minute 1 second");
});
