/** Keys for the hands that stay on the keyboard. The list that people see is `SHORTCUTS`. */
import type { PlainKey } from "./language/catalog";

export type KeyAction =
  | "mute"
  | "hangUp"
  | "escape"
  | "help"
  | "hold"
  | "keypad"
  | "add"
  | "transfer"
  | "swap"
  | "merge"
  | "record"
  | "notes"
  | "history";

export interface KeyActions {
  readonly act: (action: KeyAction) => void;
  /** A digit while the keypad is open; true when it was taken. */
  readonly digit: (digit: string) => boolean;
  /** Single keys can be switched off (WCAG 2.2, 2.1.4): speech input types letters. */
  readonly enabled: () => boolean;
}

export interface Press {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly repeat: boolean;
}

const LETTERS: Readonly<Record<string, KeyAction>> = {
  m: "mute",
  h: "hold",
  d: "keypad",
  a: "add",
  t: "transfer",
  s: "swap",
  g: "merge",
  r: "record",
  n: "notes",
  y: "history",
};

/** Key caps and what they do, as the help shows them. */
export const SHORTCUTS: readonly (readonly [caps: string, meaning: PlainKey])[] = [
  ["M", "keyMute"],
  ["H", "keyHold"],
  ["D", "keyKeypad"],
  ["A", "keyAdd"],
  ["T", "keyTransfer"],
  ["S", "keySwap"],
  ["G", "keyMerge"],
  ["R", "keyRecording"],
  ["N", "keyNotes"],
  ["Y", "keyHistory"],
  ["Esc", "keyEscape"],
  ["Shift + H", "keyHangUp"],
  ["?", "keyHelp"],
];

export function actionOf(press: Press): KeyAction | null {
  if (isWithModifier(press) || press.repeat) return null;
  if (press.key === "Escape") return "escape";
  if (press.key === "?") return "help";
  if (press.key === "H" && press.shiftKey) return "hangUp";
  return LETTERS[press.key.toLowerCase()] ?? null;
}

function isWithModifier(press: Press): boolean {
  return press.ctrlKey || press.altKey || press.metaKey;
}

export function listenForKeys(document: Document, actions: KeyActions): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || !actions.enabled() || isInField(event.target)) return;
    if (!isWithModifier(event) && !event.repeat && actions.digit(event.key)) return event.preventDefault();
    const action = actionOf(event);
    if (action === null || !isFor(action, event.target)) return;
    event.preventDefault();
    actions.act(action);
  });
}

/** In a field or an open list the keys mean something else. */
function isInField(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea") !== null;
}

/** Over the keypad the voice can still be muted; every other dialog has its own keys, and Escape always closes it. */
function isFor(action: KeyAction, target: EventTarget | null): boolean {
  const dialog = target instanceof Element ? target.closest("dialog") : null;
  if (dialog === null) return true;
  return dialog.dataset.panel === "keypad" && (action === "mute" || action === "keypad");
}
