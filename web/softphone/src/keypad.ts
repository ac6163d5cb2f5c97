/**
 * The keypad: one order per key, the next only when the one before was answered, so that no key is lost or overtaken. Pure. What was
 * pressed is on screen only, and only as long as the call.
 */
export interface Heard {
  readonly participant: string;
  readonly digits: string;
}

export interface Keypad {
  /** What the agent pressed, the oldest first. */
  readonly pressed: string;
  /** How many of these are not sent yet: the last ones. */
  readonly waiting: number;
  /** The order that carries a key now. */
  readonly sending: string | null;
  readonly heard: readonly Heard[];
}

export const QUIET: Keypad = { pressed: "", waiting: 0, sending: null, heard: [] };

export const KEYS = [
  ["1", ""],
  ["2", "ABC"],
  ["3", "DEF"],
  ["4", "GHI"],
  ["5", "JKL"],
  ["6", "MNO"],
  ["7", "PQRS"],
  ["8", "TUV"],
  ["9", "WXYZ"],
  ["*", ""],
  ["0", "+"],
  ["#", ""],
] as const;

const SHOWN = 64;

export function isDigit(key: string): boolean {
  return /^[0-9*#]$/.test(key);
}

export function press(keypad: Keypad, digit: string): Keypad {
  if (!isDigit(digit)) return keypad;
  return { ...keypad, pressed: keypad.pressed + digit, waiting: keypad.waiting + 1 };
}

/** The key that can be sent now, or null. */
export function nextDigit(keypad: Keypad): string | null {
  if (keypad.sending !== null || keypad.waiting === 0) return null;
  return keypad.pressed.at(-keypad.waiting) ?? null;
}

export function sending(keypad: Keypad, ref: string): Keypad {
  return keypad.sending === null ? { ...keypad, sending: ref } : keypad;
}

export function sent(keypad: Keypad, ref: string): Keypad {
  if (keypad.sending !== ref) return keypad;
  const waiting = keypad.waiting - 1;
  // Only sent keys may scroll away.
  return { ...keypad, sending: null, waiting, pressed: keypad.pressed.slice(-Math.max(SHOWN, waiting)) };
}

/** A key could not be sent: those behind it must not go alone. They leave the display, for nobody received them. */
export function stopped(keypad: Keypad, ref: string | null): Keypad {
  if (ref !== null && keypad.sending !== ref) return keypad;
  const received = keypad.pressed.length - keypad.waiting;
  return { ...keypad, sending: null, waiting: 0, pressed: keypad.pressed.slice(0, received) };
}

/** Somebody else pressed a key. */
export function hear(keypad: Keypad, participant: string, digit: string): Keypad {
  const known = keypad.heard.some((one) => one.participant === participant);
  const before = known ? keypad.heard : [...keypad.heard, { participant, digits: "" }];
  const heard = before.map((one) =>
    one.participant === participant ? { ...one, digits: (one.digits + digit).slice(-SHOWN) } : one,
  );
  return { ...keypad, heard };
}
