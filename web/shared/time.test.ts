import { expect, it } from "vitest";
import { clockTime, spokenDuration } from "./time";

it.each([
  [0, "0:00"],
  [-5, "0:00"],
  [9.99, "0:09"],
  [65, "1:05"],
  [3599, "59:59"],
  [3600, "1:00:00"],
  [14_400, "4:00:00"],
])("%d seconds on the clock: %s", (seconds, shown) => {
  expect(clockTime(seconds)).toBe(shown);
});

it.each([
  [0, "0 seconds"],
  [1, "1 second"],
  [65, "1 minute 5 seconds"],
  [7201, "2 hours 1 second"],
])("%d seconds said: %s", (seconds, said) => {
  expect(spokenDuration(seconds)).toBe(said);
});
