import { describe, expect, it } from "vitest";
import { groupDigits } from "./numbers";

describe("groupDigits", () => {
  it.each([
    ["+919876543210", "+91 98765 43210"],
    ["+12025550143", "+1 202 555 0143"],
    ["+442079460958", "+44 2079 460958"],
    ["+33142685300", "+33 1 42 68 53 00"],
    ["+971501234567", "+971 50 123 4567"],
    ["+4930901820", "+493 090 1820"],
    ["9876543210", "987 654 3210"],
    ["100", "100"],
    ["112233", "112233"],
  ])("%s reads %s", (number, shown) => {
    expect(groupDigits(number)).toBe(shown);
  });

  it("loses and invents no digit", () => {
    for (let length = 1; length <= 18; length += 1) {
      const number = `+${"1234567890".repeat(2).slice(0, length)}`;
      expect(groupDigits(number).replaceAll(" ", "")).toBe(number);
    }
  });

  it("leaves alone what is not a number", () => {
    expect(groupDigits("agent's phone")).toBe("agent's phone");
    expect(groupDigits("")).toBe("");
  });
});
