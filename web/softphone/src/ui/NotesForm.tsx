/** The outcome of a call and a note about it. What is typed is saved by itself when typing rests, and when the form goes away. */
import { useEffect, useRef } from "preact/hooks";
import { say } from "../language/language";
import { isUnsaved, storedOf, type Written, writtenOf } from "../notes";
import type { Call } from "../protocol";
import type { Softphone } from "../softphone";
import type { View } from "../view";
import { refusalRemedy, refusalTitle } from "../words";

interface Props {
  view: View;
  call: Call;
  softphone: Softphone;
}

const AFTER_TYPING_MS = 1200;
const LONGEST_NOTE = 4000;

export function NotesForm({ view, call, softphone }: Props) {
  const stored = storedOf(call, view.wrapUp);
  const written = writtenOf(view.noting, call.call_id, stored);
  const unsaved = isUnsaved(view.noting, call.call_id, stored);
  const write = (changed: Partial<Written>) => softphone.errands.write(call.call_id, { ...written, ...changed });
  const save = useRef(() => {});
  save.current = () => unsaved && softphone.errands.note(call.call_id);
  useEffect(() => {
    const timer = setTimeout(() => save.current(), AFTER_TYPING_MS);
    return () => clearTimeout(timer);
  }, [written.disposition, written.notes]);
  useEffect(() => () => save.current(), []);
  return (
    <form
      class="notes-form"
      data-testid="notes-form"
      onSubmit={(event) => {
        event.preventDefault();
        save.current();
      }}
    >
      <Outcome view={view} written={written} write={write} />
      <label class="field">
        <span>{say("note")}</span>
        <textarea
          rows={3}
          maxLength={LONGEST_NOTE}
          data-testid="note"
          value={written.notes}
          onInput={(event) => write({ notes: event.currentTarget.value })}
        />
      </label>
      <div class="saving">
        <Saving view={view} callId={call.call_id} unsaved={unsaved} />
        <button type="submit" class="button" data-testid="save-note">
          {say("save")}
        </button>
      </div>
    </form>
  );
}

interface OutcomeProps {
  view: View;
  written: Written;
  write: (changed: Partial<Written>) => void;
}

/** A list where the account has one, else free text. */
function Outcome({ view, written, write }: OutcomeProps) {
  const listed = view.dispositions.length > 0;
  const known = written.disposition === "" || view.dispositions.includes(written.disposition);
  const choices = known ? view.dispositions : [written.disposition, ...view.dispositions];
  const change = (event: Event & { currentTarget: HTMLSelectElement | HTMLInputElement }) =>
    write({ disposition: event.currentTarget.value });
  return (
    <label class="field" for="disposition">
      <span>{say("disposition")}</span>
      {listed ? (
        <select id="disposition" data-testid="disposition" value={written.disposition} onChange={change}>
          {written.disposition === "" && <option value="">{say("chooseDisposition")}</option>}
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice}
            </option>
          ))}
        </select>
      ) : (
        <input
          id="disposition"
          data-testid="disposition"
          maxLength={100}
          value={written.disposition}
          onInput={change}
        />
      )}
    </label>
  );
}

function Saving({ view, callId, unsaved }: { view: View; callId: string; unsaved: boolean }) {
  const { noting } = view;
  const ours = noting.call_id === callId;
  const refusal = ours ? noting.refusal : null;
  return (
    <>
      <p class="small" data-testid="saving" data-saved={ours && !unsaved && noting.ref === null && refusal === null}>
        {refusal === null && savingLine(ours, unsaved, noting.ref !== null)}
      </p>
      <div role="alert" class="refusal-slot">
        {refusal !== null && (
          <p class="refusal-note plain" data-testid="note-refusal">
            <strong>{say("sentence", { text: refusalTitle(refusal) })}</strong> {refusalRemedy(refusal)}
          </p>
        )}
      </div>
    </>
  );
}

function savingLine(ours: boolean, unsaved: boolean, underWay: boolean): string {
  if (unsaved) return say("notSaved");
  if (!ours) return "";
  return say(underWay ? "saving" : "saved");
}
