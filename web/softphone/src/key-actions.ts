/** What the keys of keyboard.ts do: the same as the buttons, and only where the button is there and enabled. */
import { effect } from "@preact/signals";
import { type ControlName, controlsOf, waysOut } from "./controls";
import type { KeyAction, KeyActions } from "./keyboard";
import { isDigit } from "./keypad";
import type { Softphone } from "./softphone";
import { pressControl } from "./ui/Controls";
import { isAsked } from "./view";

/** Escape that closed a panel and is pressed once more out of habit must not hang up. */
const AFTER_PANEL_MS = 1000;

const CONTROLS: Partial<Record<KeyAction, readonly ControlName[]>> = {
  hold: ["hold"],
  keypad: ["keypad"],
  add: ["add"],
  transfer: ["transfer", "complete"],
  swap: ["swap"],
  merge: ["merge"],
  record: ["record"],
  notes: ["notes"],
};

export function keysOf(softphone: Softphone, enabled: () => boolean): KeyActions {
  const view = () => softphone.view.value;
  let closedAt = Number.NEGATIVE_INFINITY;
  let panel = view().panel;
  effect(() => {
    const { panel: now } = softphone.view.value;
    if (panel !== null && now === null) closedAt = performance.now();
    panel = now;
  });

  const others: Partial<Record<KeyAction, () => void>> = {
    mute: () => !isAsked(view()) && softphone.errands.toggleMute(),
    hangUp: () => softphone.goOut(),
    escape: () => {
      if (view().panel !== null) return softphone.open(null);
      const plain = waysOut(view())[0] === "hang_up";
      if (plain && performance.now() - closedAt > AFTER_PANEL_MS) softphone.hangUp();
    },
    help: () => softphone.open("help"),
    history: () => view().place === "here" && softphone.open("history"),
  };

  const act = (action: KeyAction) => {
    const names = CONTROLS[action];
    if (names === undefined) return others[action]?.();
    if (action === "keypad" && view().panel === "keypad") return softphone.open(null);
    const control = controlsOf(view()).find((one) => names.includes(one.name));
    if (control !== undefined) pressControl(control, softphone);
  };

  const digit = (key: string) => {
    const taken = view().panel === "keypad" && isDigit(key);
    if (taken) softphone.errands.pressKey(key);
    return taken;
  };
  return { act, digit, enabled };
}
