/** The keys, and the switch that turns them off. */
import type { Signal } from "@preact/signals";
import { SHORTCUTS } from "../keyboard";
import { say } from "../language/language";
import { Sheet } from "./Sheet";

export function Shortcuts({ enabled, onClose }: { enabled: Signal<boolean>; onClose: () => void }) {
  return (
    <Sheet name="help" title={say("shortcuts")} onClose={onClose}>
      <dl class="shortcuts">
        {SHORTCUTS.map(([caps, meaning]) => (
          <div key={caps}>
            <dt>
              <kbd>{caps}</kbd>
            </dt>
            <dd>{say(meaning)}</dd>
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
        {say("keysOn")}
      </label>
    </Sheet>
  );
}
