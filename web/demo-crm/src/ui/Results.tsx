/** The results that the platform pushed, newest first, with the recording to listen to. */
import type { Callback, Config } from "../api";
import type { Crm } from "../crm";
import { customerOf, durationWords, keyOf, reasonWords, statusTone, statusWord } from "../results";

/** Of so many newest recordings the length is fetched at once; of the rest when they are played. */
const FRESH = 3;

const TIME = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });

export function Results({ crm, config }: { crm: Crm; config: Config }) {
  const callbacks = crm.callbacks.value;
  return (
    <section aria-labelledby="results-title">
      <h2 id="results-title">Call results</h2>
      <p class="lead">Pushed by the platform to this CRM's callback URL, the moment a call ends.</p>
      <p role="status" class="visually-hidden">
        {crm.news.value}
      </p>
      {callbacks.length === 0 ? (
        <p class="empty" data-testid="no-results">
          No call yet. Dial somebody: the result arrives here by itself.
        </p>
      ) : (
        <ol class="results" data-testid="results">
          {callbacks.map((callback, at) => (
            <Result key={keyOf(callback)} callback={callback} config={config} fresh={at < FRESH} />
          ))}
        </ol>
      )}
    </section>
  );
}

/** On a narrow screen the results are far below: the newest one in a line, and the way there. */
export function Newest({ crm, config }: { crm: Crm; config: Config }) {
  const newest = crm.callbacks.value[0]?.body;
  if (newest === undefined) return null;
  return (
    <a class="newest" href="#results-title">
      <span>Newest result: {customerOf(newest, config.customers)?.name ?? "a call"}</span>
      <span class={`badge ${statusTone(newest.status)}`}>{statusWord(newest.status)}</span>
    </a>
  );
}

function Result({ callback, config, fresh }: { callback: Callback; config: Config; fresh: boolean }) {
  const result = callback.body;
  const who = customerOf(result, config.customers);
  return (
    <li class="result" data-testid="result" data-call-id={result.call_id ?? ""} data-status={result.status ?? ""}>
      <div class="result-head">
        <h3>{who?.name ?? result.customer_number ?? "Unknown customer"}</h3>
        <span class={`badge ${statusTone(result.status)}`}>{statusWord(result.status)}</span>
      </div>
      <p class="result-line">
        {durationWords(result)}
        {result.reason && <span> · {reasonWords(result)}</span>}
      </p>
      <dl>
        <Fact name="Agent" value={result.crm_username ?? result.agent_number} />
        <Fact name="Through" value={result.call_type === "server" ? "server API" : result.call_type} />
        <Fact name="Disposition" value={result.disposition} />
        <Fact name="Began" value={timeWords(result.start_time)} />
        <Fact name="Ended" value={timeWords(result.end_time)} />
        <Fact name="Signature" value={callback.signature} />
      </dl>
      {result.recording_url && <Recording url={result.recording_url} fresh={fresh} />}
      <details>
        <summary>What was received</summary>
        <pre>{JSON.stringify(result, null, 2)}</pre>
        <pre>{headerLines(callback)}</pre>
      </details>
    </li>
  );
}

function Fact({ name, value }: { name: string; value: string | null | undefined }) {
  if (!value) return null;
  return (
    <div>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

function Recording({ url, fresh }: { url: string; fresh: boolean }) {
  return (
    <figure class="recording">
      <figcaption class="visually-hidden">Recording</figcaption>
      {/* biome-ignore lint/a11y/useMediaCaption: a call's recording has no captions */}
      <audio controls preload={fresh ? "metadata" : "none"} src={url} data-testid="player" />
      <a href={url} download data-testid="download">
        Download the recording
      </a>
    </figure>
  );
}

function timeWords(iso: string | undefined): string | null {
  const at = iso === undefined ? Number.NaN : Date.parse(iso);
  return Number.isNaN(at) ? null : TIME.format(at);
}

function headerLines(callback: Callback): string {
  const lines = Object.entries(callback.headers).map(([name, value]) => `${name}: ${value}`);
  return [`received ${callback.received_at}`, ...lines].join("\n");
}
