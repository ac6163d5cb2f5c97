import { expect, it } from "vitest";
import { ASKED, CONSULTING, CUSTOMER, GUEST, RINGING, SELF, TALKING, THREE_WAY } from "./examples";
import { asksToAnswer, isShared, liveCall, othersIn, selfIn, thirdIn } from "./live-call";

const PLAIN = {
  call_id: "call-1",
  state: "talking",
  customer_number: "+12025550143",
  from_number: "+912240001234",
  started_at: "2026-07-03T10:00:00Z",
  answered_at: null,
  answer_token: "t",
  recording: true,
  end: null,
};

it("a call that says nothing special is an agent's own, and allows nothing", () => {
  expect(liveCall(PLAIN)).toMatchObject({
    seat: "agent",
    answer: "auto",
    allowed: [],
    participants: [],
    answered_at: null,
  });
});

it("knows the end by the API's name too, and passes over orders that this page does not know", () => {
  expect(liveCall({ ...PLAIN, allowed: ["hangup", "hold", "levitate", 7] }).allowed).toEqual(["hold", "end"]);
});

it("tells who is who", () => {
  expect(selfIn(TALKING)).toBe(SELF);
  expect(othersIn(THREE_WAY)).toEqual([CUSTOMER, GUEST]);
  expect(thirdIn(TALKING)).toBeUndefined();
  expect(thirdIn(CONSULTING)).toBe(GUEST);
  expect(thirdIn(ASKED)?.id).toBe("agent");
  expect([TALKING, CONSULTING, THREE_WAY, ASKED].map(isShared)).toEqual([false, true, true, true]);
});

it("whoever has left is not in the call any more", () => {
  const left = {
    ...CONSULTING,
    participants: [{ ...SELF, state: "left" as const }, CUSTOMER, GUEST],
    participant_id: "p1",
  };
  expect(othersIn(left)).toEqual([CUSTOMER]);
  expect(isShared(left)).toBe(false);
});

it("asks only until this agent's phone is answered", () => {
  expect(asksToAnswer(ASKED)).toBe(true);
  expect(asksToAnswer({ ...ASKED, participants: [SELF, CUSTOMER, GUEST] })).toBe(false);
  expect(asksToAnswer({ ...ASKED, answer: "auto" })).toBe(false);
  expect(asksToAnswer(RINGING)).toBe(false);
});
