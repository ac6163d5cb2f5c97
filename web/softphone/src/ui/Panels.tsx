/** What lies over the screen: at most one panel. */
import type { Signal } from "@preact/signals";
import { say } from "../language/language";
import { isLive } from "../live-call";
import type { Softphone } from "../softphone";
import type { View } from "../view";
import { HistorySheet } from "./HistorySheet";
import { KeypadSheet } from "./KeypadSheet";
import { NotesForm } from "./NotesForm";
import { Sheet } from "./Sheet";
import { Shortcuts } from "./Shortcuts";
import { TargetSheet } from "./TargetSheet";

interface Props {
  view: View;
  softphone: Softphone;
  keysEnabled: Signal<boolean>;
}

export function Panels({ view, softphone, keysEnabled }: Props) {
  const { panel, call } = view;
  if (panel === "help") return <Shortcuts enabled={keysEnabled} onClose={() => softphone.open(null)} />;
  if (panel === "history") return <HistorySheet view={view} softphone={softphone} />;
  if (panel === null || !isLive(call)) return null;
  if (panel === "keypad") return <KeypadSheet view={view} call={call} softphone={softphone} />;
  if (panel === "notes") {
    return (
      <Sheet name="notes" title={say("notesTitle")} onClose={() => softphone.open(null)}>
        <NotesForm view={view} call={call} softphone={softphone} />
      </Sheet>
    );
  }
  return <TargetSheet key={panel} name={panel} view={view} call={call} softphone={softphone} />;
}
