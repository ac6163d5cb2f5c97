import { afterEach, describe, expect, it } from "vitest";
import { CALL_STATES } from "../../shared/generated";
import {
  ASKED,
  BUSY_END,
  CONSULTING,
  ENDED,
  LAUNCH,
  LINK_OPEN,
  READY,
  RINGING,
  SELF,
  TALKING,
  THREE_WAY,
  viewAfter,
  WELCOME,
} from "./examples";
import { language } from "./language/language";
import type { Call, FromPlatform } from "./protocol";
import type { Happening } from "./view";
import {
  alertLine,
  asideLine,
  customerOf,
  endLine,
  endTitle,
  hintLine,
  refusalDetail,
  refusalRemedy,
  refusalTitle,
  spokenTime,
  statusLine,
  tabTitle,
} from "./words";

afterEach(() => {
  language.value = "en";
});

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
  expect(endLine({ ...ENDED, end: { ...BUSY_END, duration: null } })).toBe("The others go on without you.");
});

describe("a live call in words", () => {
  const said = (call: Call, ...more: (FromPlatform | Happening)[]) =>
    statusLine(viewAfter(...READY, { type: "call", call }, ...more));

  it.each([
    [{ ...TALKING, state: "held" }, "On hold", "होल्ड पर"],
    [
      { ...CONSULTING, state: "consult_ringing" },
      "Calling agent.018, customer on hold",
      "agent.018 को कॉल लग रही है, ग्राहक होल्ड पर है",
    ],
    [CONSULTING, "Talking to agent.018, customer on hold", "agent.018 से बात हो रही है, ग्राहक होल्ड पर है"],
    [THREE_WAY, "Three-way call", "तीन लोगों की कॉल"],
    [{ ...CONSULTING, state: "transferring" }, "Transferring to agent.018", "कॉल agent.018 को ट्रांसफ़र हो रही है"],
    [ASKED, "agent.017 is calling you", "agent.017 आपको कॉल कर रहे हैं"],
    [
      { ...ASKED, state: "transferring" },
      "agent.017 is transferring a call to you",
      "agent.017 आपको एक कॉल ट्रांसफ़र कर रहे हैं",
    ],
  ] as const)("%#: %s", (call, inEnglish, inHindi) => {
    expect(said(call as Call)).toBe(inEnglish);
    language.value = "hi";
    expect(said(call as Call)).toBe(inHindi);
  });

  it("has words for every state, from both seats", () => {
    for (const state of CALL_STATES) {
      for (const call of [CONSULTING, { ...ASKED, answer: "auto" as const }]) {
        expect(said({ ...call, state }), state).not.toMatch(/^$|\{|undefined/);
      }
    }
  });

  it("tells the ear what the eye sees elsewhere", () => {
    const paused = { ...TALKING, recording_paused: true, participants: [{ ...SELF, muted: true }] };
    expect(asideLine(viewAfter(...READY, { type: "call", call: TALKING }))).toBe("");
    expect(asideLine(viewAfter(...READY, { type: "call", call: paused }))).toBe("You are muted. Recording paused.");
    const away = { ...TALKING, state: "agent_away" } as const;
    const back = viewAfter(...READY, { type: "call", call: away }, { type: "call", call: TALKING });
    expect(asideLine(back)).toBe("You are back in your call.");
    const ended = {
      ...TALKING,
      state: "ended",
      end: { ...BUSY_END, reason: "customer_hung_up", duration: 120 },
    } as const;
    expect(asideLine(viewAfter(...READY, { type: "call", call: ended }))).toBe("Call ended, 2 minutes");
  });

  it("shows in the tab that a call waits for an answer", () => {
    expect(tabTitle(viewAfter(...READY, { type: "call", call: ASKED }), "2:05")).toBe("☎ Incoming call");
  });
});

describe("what the platform says", () => {
  const refusal = {
    code: "agent_busy",
    title: "The agent is in another call",
    detail: "Since 10:00.",
    remedy: "Wait.",
  };

  it("is its own in English, ours in Hindi, and its own again where we have no words", () => {
    expect(refusalTitle(refusal)).toBe(refusal.title);
    expect(refusalDetail(refusal)).toBe(refusal.detail);
    language.value = "hi";
    expect(refusalTitle(refusal)).toBe("एजेंट दूसरी कॉल पर हैं");
    expect(refusalRemedy(refusal)).toBe("वह कॉल समाप्त होने पर फिर कोशिश करें।");
    expect(refusalDetail(refusal)).toBe("");
    expect(refusalTitle({ ...refusal, code: "of_next_year" })).toBe(refusal.title);
  });

  it("does not speak of fields of the API to an agent", () => {
    const refused = { code: "not_possible_now", title: "…", remedy: "See `state` and `allowed`." };
    expect(refusalRemedy(refused)).not.toContain("`");
  });

  it("names the end to the agent who reads it", () => {
    expect(endTitle({ reason: "transferred", title: "The agent transferred the call." })).toBe(
      "You transferred the call",
    );
    expect(endTitle({ reason: "customer_busy", title: "The customer's line is busy." })).toBe(
      "The customer's line is busy",
    );
  });
});

it.each([
  [0, "0 seconds", "0 सेकंड"],
  [65, "1 minute 5 seconds", "1 मिनट 5 सेकंड"],
  [119.9, "1 minute 59 seconds", "1 मिनट 59 सेकंड"],
  [605, "10 minutes", "10 मिनट"],
  [7260, "2 hours 1 minute", "2 घंटे 1 मिनट"],
])("%d seconds are %s", (seconds, inEnglish, inHindi) => {
  expect(spokenTime(seconds)).toBe(inEnglish);
  language.value = "hi";
  expect(spokenTime(seconds)).toBe(inHindi);
});
