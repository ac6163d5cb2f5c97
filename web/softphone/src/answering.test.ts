import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { AnswerRule } from "./answering";

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("admits the token that the platform named", async () => {
  const rule = new AnswerRule();
  rule.expect("right");
  await expect(rule.admits("right")).resolves.toBe(true);
});

it.each([null, undefined, ""])("admits no call with the token %s", async (token) => {
  const rule = new AnswerRule();
  rule.expect(null);
  await expect(rule.admits(token)).resolves.toBe(false);
});

it("waits two seconds for the message that comes after the INVITE", async () => {
  const rule = new AnswerRule();
  const answer = rule.admits("late");
  vi.advanceTimersByTime(1900);
  rule.expect("late");
  await expect(answer).resolves.toBe(true);
});

it("refuses when the message does not come, or names another token", async () => {
  const rule = new AnswerRule();
  rule.expect("right");
  const answer = rule.admits("wrong");
  rule.expect("right");
  vi.advanceTimersByTime(2000);
  await expect(answer).resolves.toBe(false);
});

it("refuses the token of a call that is over", async () => {
  const rule = new AnswerRule();
  rule.expect("right");
  rule.expect(null);
  const answer = rule.admits("right");
  vi.advanceTimersByTime(2000);
  await expect(answer).resolves.toBe(false);
});

it("answers by itself what the platform says to answer", async () => {
  const rule = new AnswerRule();
  rule.expect("right");
  await expect(rule.decided("right")).resolves.toBe(true);
});

it.each([
  ["answer", true],
  ["decline", false],
] as const)("lets a call that asks ring until the agent presses %s", async (decision, answered) => {
  const rule = new AnswerRule();
  rule.expect("asking", true);
  let outcome: boolean | null = null;
  const decided = rule.decided("asking").then((answers) => {
    outcome = answers;
  });
  rule.expect("asking", true); // more news of the same call
  await Promise.resolve();
  expect(outcome).toBeNull();
  rule.decide(decision);
  await decided;
  expect(outcome).toBe(answered);
});

it("a decision that was made before the phone rings counts, and is for that call only", async () => {
  const rule = new AnswerRule();
  rule.decide("answer"); // nobody asks
  rule.expect("first", true);
  rule.decide("decline");
  await expect(rule.decided("first")).resolves.toBe(false);
  rule.expect("second", true);
  let settled = false;
  void rule.decided("second").then(() => {
    settled = true;
  });
  await Promise.resolve();
  expect(settled).toBe(false);
});

it("does not answer a call that is not expected any more", async () => {
  const rule = new AnswerRule();
  rule.expect("gone", true);
  const decided = rule.decided("gone");
  rule.expect(null);
  await expect(decided).resolves.toBe(false);
});
