/** Keys for the hands that stay on the keyboard: M, Esc, Shift+H, and ? for this list. */

export interface KeyActions {
  readonly mute: () => void;
  readonly hangUp: () => void;
  readonly help: () => void;
  /** Single keys can be switched off (WCAG 2.2, 2.1.4): speech input types letters. */
  readonly enabled: () => boolean;
}

export type KeyAction = "mute" | "hangUp" | "help";

export interface Press {
  readonly key: string;
  readonly shiftKey: boolean;
  readonly ctrlKey: boolean;
  readonly altKey: boolean;
  readonly metaKey: boolean;
  readonly repeat: boolean;
}

export function actionOf(press: Press): KeyAction | null {
  if (press.ctrlKey || press.altKey || press.metaKey || press.repeat) return null;
  if (press.key === "Escape" || (press.key === "H" && press.shiftKey)) return "hangUp";
  if (press.key === "m" || press.key === "M") return "mute";
  return press.key === "?" ? "help" : null;
}

export function listenForKeys(document: Document, actions: KeyActions): void {
  document.addEventListener("keydown", (event) => {
    if (event.defaultPrevented || !actions.enabled() || isBusyElsewhere(event.target)) return;
    const action = actionOf(event);
    if (action === null) return;
    event.preventDefault();
    actions[action]();
  });
}

/** In a field, an open list or a dialog the keys mean something else. */
function isBusyElsewhere(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea, dialog") !== null;
}
