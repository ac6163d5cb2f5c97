/** The keys, and the switch that turns them off. */
import type { Signal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";

const KEYS = [
  ["M", "Mute or unmute"],
  ["Esc", "Hang up"],
  ["Shift + H", "Hang up"],
  ["?", "Show this list"],
] as const;

export function Shortcuts({ open, enabled }: { open: Signal<boolean>; enabled: Signal<boolean> }) {
  const dialog = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    if (open.value && !dialog.current?.open) dialog.current?.showModal();
  }, [open.value]);
  return (
    <>
      <button
        type="button"
        class="quiet"
        data-testid="shortcuts"
        onClick={() => {
          open.value = true;
        }}
      >
        Keyboard shortcuts <kbd>?</kbd>
      </button>
      <dialog
        ref={dialog}
        aria-labelledby="shortcuts-title"
        onClose={() => {
          open.value = false;
        }}
      >
        <h2 id="shortcuts-title">Keyboard shortcuts</h2>
        <dl>
          {KEYS.map(([key, meaning]) => (
            <div key={key}>
              <dt>
                <kbd>{key}</kbd>
              </dt>
              <dd>{meaning}</dd>
            </div>
          ))}
        </dl>
        <label class="switch">
          <input
            type="checkbox"
            data-testid="shortcuts-enabled"
            checked={enabled.value}
            onChange={(event) => {
              enabled.value = event.currentTarget.checked;
            }}
          />
          Use these keys on this page
        </label>
        <form method="dialog">
          <button type="submit" class="button">
            Close
          </button>
        </form>
      </dialog>
    </>
  );
}
