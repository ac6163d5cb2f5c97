import { expect, it } from "vitest";
import { actionOf, type Press } from "./keyboard";

const PLAIN: Press = { key: "", shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, repeat: false };

it.each([
  [{ key: "m" }, "mute"],
  [{ key: "M", shiftKey: true }, "mute"],
  [{ key: "Escape" }, "hangUp"],
  [{ key: "H", shiftKey: true }, "hangUp"],
  [{ key: "?", shiftKey: true }, "help"],
  [{ key: "h" }, null],
  [{ key: "m", ctrlKey: true }, null],
  [{ key: "m", metaKey: true }, null],
  [{ key: "m", repeat: true }, null],
  [{ key: "Escape", altKey: true }, null],
] as const)("%o does %s", (press, action) => {
  expect(actionOf({ ...PLAIN, ...press })).toBe(action);
});
