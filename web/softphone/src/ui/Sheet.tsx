/** A panel over the screen: the browser's own modal dialog, so that focus stays in it, Escape closes it and focus returns. */
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useRef } from "preact/hooks";
import { say } from "../language/language";
import type { Panel } from "../view";
import { Cross } from "./icons";

interface Props {
  name: Panel;
  title: string;
  onClose: () => void;
  children: ComponentChildren;
}

export function Sheet({ name, title, onClose, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    const shown = dialog.current;
    shown?.showModal();
    // Closed before it goes, so that focus returns to where it was.
    return () => shown?.close();
  }, []);
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: a click beside the panel closes it; the key for that is Escape, the browser's own
    <dialog
      ref={dialog}
      class="sheet"
      data-panel={name}
      data-testid={`panel-${name}`}
      aria-labelledby={`${name}-title`}
      onClose={onClose}
      onClick={(event) => event.target === dialog.current && onClose()}
    >
      <div class="sheet-body">
        <div class="sheet-head">
          <h2 id={`${name}-title`}>{title}</h2>
          <button
            type="button"
            class="icon-button"
            data-testid="close-panel"
            aria-label={say("close")}
            onClick={onClose}
          >
            <Cross />
          </button>
        </div>
        {children}
      </div>
    </dialog>
  );
}
