import { describe, expect, it } from "vitest";
import { controlsOf, waysOut } from "./controls";
import { ASKED, CONSULTING, READY, RINGING, SELF, TALKING, THREE_WAY, viewAfter } from "./examples";
import type { Call, FromPlatform } from "./protocol";
import type { Happening } from "./view";

const names = (call: Call, ...more: (FromPlatform | Happening)[]) =>
  controlsOf(viewAfter(...READY, { type: "call", call }, ...more)).map(({ name }) => name);
const control = (name: string, call: Call, ...more: (FromPlatform | Happening)[]) =>
  controlsOf(viewAfter(...READY, { type: "call", call }, ...more)).find((one) => one.name === name);

const HELD: Call = { ...TALKING, state: "held", allowed: ["resume", "consult", "transfer", "mute", "unmute", "end"] };

describe("the buttons", () => {
  it("are those that this state allows", () => {
    expect(names(RINGING)).toEqual(["mute"]);
    expect(names(TALKING)).toEqual(["mute", "keypad", "hold", "add", "transfer", "record", "notes"]);
    expect(names(CONSULTING)).toEqual(["mute", "keypad", "swap", "merge", "complete", "record", "notes"]);
    expect(names(THREE_WAY)).toEqual(["mute", "keypad", "hold", "record", "notes"]);
    expect(names({ ...TALKING, recording: false })).not.toContain("record");
  });

  it("hold becomes resume", () => {
    expect(control("hold", TALKING)).toMatchObject({ order: "hold", pressed: false });
    expect(control("hold", HELD)).toMatchObject({ order: "resume", pressed: true });
  });

  it("the keypad keeps its place, but cannot be used while nobody hears it", () => {
    expect(control("keypad", TALKING)?.enabled).toBe(true);
    expect(control("keypad", HELD)?.enabled).toBe(false);
  });

  it("a pending order is shown, and those that wait for it cannot be pressed", () => {
    const given = { is: "order_given", order: { ref: "r", order: "hold", details: {}, during: "talking" } } as const;
    expect(control("hold", TALKING, given)).toMatchObject({ pending: true, enabled: false });
    expect(control("transfer", TALKING, given)).toMatchObject({ pending: false, enabled: false });
    expect(control("mute", TALKING, given)?.enabled).toBe(true);
  });

  it("an order that the platform allows no more stays while it is under way", () => {
    const given = { is: "order_given", order: { ref: "r", order: "swap", details: {}, during: "consulting" } } as const;
    const meanwhile = { ...CONSULTING, allowed: CONSULTING.allowed.filter((order) => order !== "swap") };
    expect(control("swap", CONSULTING, given, { type: "call", call: meanwhile })?.pending).toBe(true);
  });

  it("a transfer asks to whom; in a consultation it is known", () => {
    expect(control("transfer", TALKING)?.order).toBeNull();
    expect(control("complete", CONSULTING)?.order).toBe("transfer");
  });

  it("muted by oneself or by the platform looks the same", () => {
    expect(control("mute", TALKING)?.pressed).toBe(false);
    expect(control("mute", TALKING, { is: "mute_pressed" })?.pressed).toBe(true);
    expect(control("mute", { ...TALKING, participants: [{ ...SELF, muted: true }] })?.pressed).toBe(true);
  });

  it("there are none while a call asks to be answered, and few for a guest", () => {
    expect(names(ASKED)).toEqual([]);
    const guest: Call = { ...CONSULTING, seat: "guest", participant_id: "p1", allowed: ["mute", "unmute", "leave"] };
    expect(names(guest)).toEqual(["mute"]);
  });
});

describe("the ways out", () => {
  const ways = (call: Call) => waysOut(viewAfter(...READY, { type: "call", call }));

  it("are hanging up for two, leaving or ending for all for three", () => {
    expect(ways(RINGING)).toEqual(["hang_up"]);
    expect(ways({ ...TALKING, allowed: [] })).toEqual(["hang_up"]);
    expect(ways(CONSULTING)).toEqual(["end"]);
    expect(ways(THREE_WAY)).toEqual(["leave", "end"]);
    expect(ways({ ...THREE_WAY, seat: "guest", participant_id: "p1" })).toEqual(["leave"]);
    expect(ways(ASKED)).toEqual([]);
  });
});
