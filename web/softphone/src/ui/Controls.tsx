/** The living call's buttons, as controls.ts has them. */
import type { FunctionComponent } from "preact";
import { type Control, type ControlName, controlsOf, type WayOut, waysOut } from "../controls";
import { say } from "../language/language";
import type { Softphone } from "../softphone";
import type { View } from "../view";
import {
  HandsetDown,
  Keypad,
  Leave,
  Merge,
  Mic,
  MicOff,
  Note,
  Pause,
  PauseRecord,
  PersonPlus,
  Play,
  Record,
  Swap,
  Transfer,
} from "./icons";

const KEYS: Record<ControlName, string> = {
  mute: "M",
  keypad: "D",
  hold: "H",
  swap: "S",
  add: "A",
  merge: "G",
  transfer: "T",
  complete: "T",
  record: "R",
  notes: "N",
};

/** What a press means, by button; the keyboard comes here too. */
export function pressControl(control: Control, softphone: Softphone): void {
  if (!control.enabled) return;
  if (control.name === "mute") softphone.errands.toggleMute();
  else if (control.order !== null) softphone.errands.give(control.order);
  else if (
    control.name === "keypad" ||
    control.name === "add" ||
    control.name === "transfer" ||
    control.name === "notes"
  )
    softphone.open(control.name);
}

function faceOf({ name, pressed }: Control): { Icon: FunctionComponent; label: string } {
  switch (name) {
    case "mute":
      return pressed ? { Icon: MicOff, label: say("muted") } : { Icon: Mic, label: say("mute") };
    case "keypad":
      return { Icon: Keypad, label: say("keypad") };
    case "hold":
      return pressed ? { Icon: Play, label: say("resume") } : { Icon: Pause, label: say("hold") };
    case "swap":
      return { Icon: Swap, label: say("swap") };
    case "add":
      return { Icon: PersonPlus, label: say("addCall") };
    case "merge":
      return { Icon: Merge, label: say("merge") };
    case "transfer":
      return { Icon: Transfer, label: say("transfer") };
    case "complete":
      return { Icon: Transfer, label: say("completeTransfer") };
    case "record":
      return pressed
        ? { Icon: Record, label: say("resumeRecording") }
        : { Icon: PauseRecord, label: say("pauseRecording") };
    case "notes":
      return { Icon: Note, label: say("notes") };
  }
}

export function Controls({ view, softphone }: { view: View; softphone: Softphone }) {
  const controls = controlsOf(view).filter(({ name }) => name !== "notes");
  if (controls.length === 0) return null;
  return (
    // biome-ignore lint/a11y/useSemanticElements: a fieldset is for fields; these are buttons
    <div class={`controls of-${controls.length}`} role="group" aria-label={say("callControls")}>
      {controls.map((control) => (
        <ControlButton key={control.name} control={control} softphone={softphone} />
      ))}
    </div>
  );
}

/**
 * A button that cannot be used now stays in the tab order (aria-disabled), so that focus is not lost while an order is under way.
 * Mute alone is a switch; hold and recording change their name instead, for a name and a state that both change mislead.
 */
function ControlButton({ control, softphone }: { control: Control; softphone: Softphone }) {
  const { Icon, label } = faceOf(control);
  const isSwitch = control.name === "mute";
  return (
    <button
      type="button"
      class={`round ${control.pressed ? "on" : ""} ${control.pending ? "pending" : ""}`}
      data-testid={control.name}
      data-pending={control.pending}
      aria-disabled={!control.enabled}
      aria-busy={control.pending}
      aria-keyshortcuts={KEYS[control.name]}
      {...(isSwitch ? { "aria-pressed": control.pressed === true } : {})}
      {...(control.order === null && !isSwitch ? { "aria-haspopup": "dialog" as const } : {})}
      onClick={() => pressControl(control, softphone)}
    >
      <Icon />
      <span class="label">{control.pending ? say("underWay", { what: label }) : label}</span>
    </button>
  );
}

/** Beside the microphone: writing something down does nothing to the call. */
export function NotesButton({ view, softphone }: { view: View; softphone: Softphone }) {
  const control = controlsOf(view).find(({ name }) => name === "notes");
  if (control === undefined) return null;
  return (
    <button
      type="button"
      class="quiet notes-button"
      data-testid="notes"
      aria-haspopup="dialog"
      aria-keyshortcuts={KEYS.notes}
      aria-disabled={!control.enabled}
      onClick={() => pressControl(control, softphone)}
    >
      <Note />
      {say("notes")}
    </button>
  );
}

const WAYS: Record<WayOut, "hangUp" | "leave" | "endForAll"> = { hang_up: "hangUp", leave: "leave", end: "endForAll" };

export function WaysOut({ view, softphone }: { view: View; softphone: Softphone }) {
  const ways = waysOut(view);
  const busy = view.hangingUp || view.call?.state === "ending";
  const go: Record<WayOut, () => void> = {
    hang_up: () => softphone.hangUp(),
    leave: () => softphone.leave(),
    end: () => softphone.errands.give("end"),
  };
  return (
    <div class="ways">
      {ways.map((way, at) => (
        <button
          key={way}
          type="button"
          class={`way ${way}`}
          data-testid={way === "hang_up" ? "hang-up" : way}
          aria-disabled={busy}
          {...(at === 0 ? { "aria-keyshortcuts": way === "hang_up" ? "Escape Shift+H" : "Shift+H" } : {})}
          onClick={() => !busy && go[way]()}
        >
          {way === "leave" ? <Leave /> : <HandsetDown />}
          <span>{say(WAYS[way])}</span>
        </button>
      ))}
    </div>
  );
}
