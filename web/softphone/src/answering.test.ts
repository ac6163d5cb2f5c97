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
