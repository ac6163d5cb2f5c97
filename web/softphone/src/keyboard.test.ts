import { expect, it } from "vitest";
import { actionOf, type Press, SHORTCUTS } from "./keyboard";

const PLAIN: Press = { key: "", shiftKey: false, ctrlKey: false, altKey: false, metaKey: false, repeat: false };

it.each([
  [{ key: "m" }, "mute"],
  [{ key: "M", shiftKey: true }, "mute"],
  [{ key: "h" }, "hold"],
  [{ key: "H", shiftKey: true }, "hangUp"],
  // Caps lock, not Shift: the same key as h.
  [{ key: "H" }, "hold"],
  [{ key: "Escape" }, "escape"],
  [{ key: "?", shiftKey: true }, "help"],
  [{ key: "d" }, "keypad"],
  [{ key: "a" }, "add"],
  [{ key: "t" }, "transfer"],
  [{ key: "s" }, "swap"],
  [{ key: "g" }, "merge"],
  [{ key: "r" }, "record"],
  [{ key: "n" }, "notes"],
  [{ key: "y" }, "history"],
  [{ key: "5" }, null],
  [{ key: "Enter" }, null],
  [{ key: "r", ctrlKey: true }, null],
  [{ key: "m", metaKey: true }, null],
  [{ key: "m", repeat: true }, null],
  [{ key: "Escape", altKey: true }, null],
] as const)("%o does %s", (press, action) => {
  expect(actionOf({ ...PLAIN, ...press })).toBe(action);
});

it("lists every key that does something, each once", () => {
  const caps = SHORTCUTS.map(([cap]) => cap);
  expect(new Set(caps).size).toBe(caps.length);
  const letters = caps.filter((cap) => /^[A-Z]$/.test(cap));
  expect(letters.map((cap) => actionOf({ ...PLAIN, key: cap.toLowerCase() }))).not.toContain(null);
  const known = [..."abcdefghijklmnopqrstuvwxyz"].filter((key) => actionOf({ ...PLAIN, key }) !== null);
  expect(new Set(letters.map((cap) => cap.toLowerCase()))).toEqual(new Set(known));
});
