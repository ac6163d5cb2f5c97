import { describe, expect, it } from "vitest";
import { READY, TALKING, viewAfter } from "./examples";
import { hear, isDigit, KEYS, type Keypad, nextDigit, press, QUIET, sending, sent, stopped } from "./keypad";

const pressed = (digits: string): Keypad => [...digits].reduce(press, QUIET);

describe("keys", () => {
  it("are the twelve of a phone", () => {
    expect(KEYS.map(([digit]) => digit).join("")).toBe("123456789*0#");
    expect(KEYS.every(([digit]) => isDigit(digit))).toBe(true);
    for (const other of ["", "A", "12", " ", "+"]) expect(isDigit(other)).toBe(false);
    expect(press(QUIET, "x")).toBe(QUIET);
  });

  it("go one by one, in order, none twice and none lost, however fast they are pressed", () => {
    let keypad = pressed("1234567890*#11");
    const arrived: string[] = [];
    for (let at = 0; nextDigit(keypad) !== null; at += 1) {
      arrived.push(nextDigit(keypad) ?? "");
      keypad = sending(keypad, `r${at}`);
      expect(nextDigit(keypad)).toBeNull();
      if (at === 3) keypad = press(keypad, "7");
      keypad = sent(keypad, `r${at}`);
    }
    expect(arrived.join("")).toBe("1234567890*#117");
    expect(keypad).toMatchObject({ pressed: "1234567890*#117", waiting: 0, sending: null });
  });

  it("do not move on by an answer to something else", () => {
    const keypad = sending(pressed("12"), "r1");
    expect(sent(keypad, "r9")).toBe(keypad);
    expect(stopped(keypad, "r9")).toBe(keypad);
    expect(sending(keypad, "r2").sending).toBe("r1");
  });

  it("behind one that failed are not sent alone, and not shown as sent", () => {
    let keypad = sending(pressed("12"), "r1");
    keypad = sent(keypad, "r1");
    keypad = stopped(sending(press(keypad, "3"), "r2"), "r2");
    expect(keypad).toMatchObject({ pressed: "1", waiting: 0, sending: null });
    expect(nextDigit(press(keypad, "4"))).toBe("4");
  });

  it("stay in order when more are pressed than the display holds", () => {
    let keypad = pressed("1".repeat(70));
    keypad = sent(sending(keypad, "r"), "r");
    expect(keypad.pressed).toHaveLength(69);
    expect(nextDigit(keypad)).toBe("1");
  });
});

it("shows who pressed what", () => {
  const keypad = hear(hear(hear(QUIET, "customer", "4"), "p1", "9"), "customer", "2");
  expect(keypad.heard).toEqual([
    { participant: "customer", digits: "42" },
    { participant: "p1", digits: "9" },
  ]);
});

describe("in the view", () => {
  const talking = [...READY, { type: "call", call: TALKING }] as const;
  const digit = { type: "digit", call_id: TALKING.call_id, participant_id: "customer", digit: "5" } as const;

  it("digits of another call are not shown, and all are forgotten with the call", () => {
    expect(viewAfter(...talking, { ...digit, call_id: "call-0" }).keypad.heard).toHaveLength(0);
    const view = viewAfter(...talking, digit, { is: "key_pressed", digit: "1" });
    expect(view.keypad).toMatchObject({ pressed: "1", waiting: 1, heard: [{ digits: "5" }] });
    const ended = { type: "call", call: { ...TALKING, state: "ended" } } as const;
    expect(viewAfter(...talking, digit, { is: "key_pressed", digit: "1" }, ended).keypad).toEqual(QUIET);
  });

  it("keys that were not sent when the connection went are not sent later, and that is said", () => {
    const view = viewAfter(...talking, { is: "key_pressed", digit: "1" }, { is: "link", state: "lost" });
    expect(nextDigit(view.keypad)).toBeNull();
    expect(view.orders.refused?.order).toBe("dtmf");
  });
});
