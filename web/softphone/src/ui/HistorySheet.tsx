/** The agent's own calls, newest first, each with what came of it and a way to call again. */
import { useEffect } from "preact/hooks";
import { clockTime } from "../../../shared/time";
import { language, say } from "../language/language";
import { isLive } from "../live-call";
import type { PastCall } from "../protocol";
import type { Softphone } from "../softphone";
import { isReady, type View } from "../view";
import { endTitle, refusalRemedy, refusalTitle } from "../words";
import { Handset } from "./icons";
import { Sheet } from "./Sheet";

export function HistorySheet({ view, softphone }: { view: View; softphone: Softphone }) {
  useEffect(() => softphone.errands.history(), [softphone]);
  const { calls, next, ref } = view.past;
  return (
    <Sheet name="history" title={say("history")} onClose={() => softphone.open(null)}>
      <div aria-busy={ref !== null}>
        {calls === null && <p class="small">{say("loading")}</p>}
        {calls?.length === 0 && <p class="small">{say("historyEmpty")}</p>}
        <ul class="history" data-testid="history">
          {calls?.map((call) => (
            <Row key={call.call_id} call={call} view={view} softphone={softphone} />
          ))}
        </ul>
        {next !== null && (
          <button
            type="button"
            class="button wide"
            data-testid="more"
            aria-disabled={ref !== null}
            onClick={() => softphone.errands.history(true)}
          >
            {say(ref === null ? "more" : "loading")}
          </button>
        )}
      </div>
    </Sheet>
  );
}

function Row({ call, view, softphone }: { call: PastCall; view: View; softphone: Softphone }) {
  const free = isReady(view) && view.link === "open" && !isLive(view.call) && view.redial.ref === null;
  const { redial } = view;
  const refusal = redial.call_id === call.call_id ? redial.refusal : null;
  return (
    <li class="past" data-testid="past-call" data-call-id={call.call_id}>
      <span class="person-text">
        <span class="person-name">{call.customer_display}</span>
        <span class="person-state">
          {when(call.started_at)}
          {call.duration > 0 && ` · ${clockTime(call.duration)}`}
        </span>
        <span class="person-state">
          {endTitle(call)}
          {call.disposition !== null && ` · ${call.disposition}`}
        </span>
        {call.notes && <span class="past-notes">{call.notes}</span>}
        {call.recording_url && (
          <a
            class="listen"
            href={call.recording_url}
            target="_blank"
            rel="noopener noreferrer"
            aria-label={say("listenTo", { who: call.customer_display })}
          >
            {say("listen")}
          </a>
        )}
      </span>
      <button
        type="button"
        class="icon-button"
        data-testid="redial"
        aria-label={say("redialWho", { who: call.customer_display })}
        title={say("redial")}
        aria-disabled={!free}
        aria-busy={redial.ref !== null && redial.call_id === call.call_id}
        onClick={() => free && softphone.errands.redial(call.call_id)}
      >
        <Handset />
      </button>
      <div role="alert" class="refusal-slot">
        {refusal !== null && (
          <p class="refusal-note plain" data-testid="redial-refusal">
            <strong>{say("sentence", { text: refusalTitle(refusal) })}</strong> {refusalRemedy(refusal)}
          </p>
        )}
      </div>
    </li>
  );
}

/** The time of day for today's calls, with the date for older ones; numerals 0 to 9 in every language. */
function when(startedAt: string): string {
  const at = new Date(startedAt);
  const locale = `${language.value}-IN-u-nu-latn`;
  const time = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" }).format(at);
  if (at.toDateString() === new Date().toDateString()) return `${say("today")} ${time}`;
  return `${new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" }).format(at)} ${time}`;
}
