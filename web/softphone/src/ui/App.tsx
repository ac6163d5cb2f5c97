/** The page: who is on the phone, one status line, what stands in the way, and the screen that the state asks for. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import { useRef } from "preact/hooks";
import { say } from "../language/language";
import { isLive } from "../live-call";
import type { Devices, Softphone } from "../softphone";
import { isAsked, isMuted, isReady, type Screen, screenOf, type View, wrapUpSeconds } from "../view";
import { alertLine, asideLine, refusalRemedy, refusalTitle, statusLine } from "../words";
import { Alert } from "./Alert";
import { CallCard } from "./CallCard";
import { Clock, Handset, Keyboard } from "./icons";
import { LanguagePicker } from "./LanguagePicker";
import { Panels } from "./Panels";
import { Elsewhere, Ended, Idle, MicrophoneTroubled, Refused, Replaced, SignedOut, Starting } from "./Screens";
import { useKeptFocus } from "./useKeptFocus";

interface Props {
  softphone: Softphone;
  now: ReadonlySignal<number>;
  keysEnabled: Signal<boolean>;
}

type Quiet = Exclude<Screen, "call">;

interface QuietProps {
  view: View;
  now: number;
  devices: Devices;
  softphone: Softphone;
}

const SCREENS: Record<Quiet, FunctionComponent<QuietProps>> = {
  starting: Starting,
  idle: Idle,
  ended: Ended,
  refused: Refused,
  microphone: MicrophoneTroubled,
  elsewhere: Elsewhere,
  replaced: Replaced,
  signed_out: SignedOut,
};

export function App({ softphone, now, keysEnabled }: Props) {
  const view = softphone.view.value;
  const screen = screenOf(view);
  const main = useRef<HTMLElement>(null);
  useKeptFocus(main, `${screen} ${view.call?.state} ${isAsked(view)}`);
  return (
    <div class="phone" data-testid="softphone" {...facts(view, screen)}>
      <header>
        <span class="brand">
          <Handset /> Intellicall
        </span>
        <Presence view={view} now={now.value} />
      </header>
      <main ref={main} tabIndex={-1}>
        <Alert alert={alertLine(view)} onHear={() => softphone.hear()} />
        <h1 class="visually-hidden">{say("softphone")}</h1>
        {view.leavingPage && <p class="leaving-page">{say("leavingPage")}</p>}
        <Status view={view} />
        {screen === "call" && view.call !== null && <RefusalNote view={view} softphone={softphone} />}
        <Content screen={screen} view={view} now={now.value} devices={softphone.devices.value} softphone={softphone} />
      </main>
      <Footer view={view} softphone={softphone} />
      <Panels view={view} softphone={softphone} keysEnabled={keysEnabled} />
    </div>
  );
}

/** The page's one live region for the call: the line that everybody sees, and what the eye finds elsewhere on the screen. */
function Status({ view }: { view: View }) {
  const aside = asideLine(view);
  return (
    <div role="status" class="status-block">
      <p class="status" data-testid="status">
        {statusLine(view)}
      </p>
      <p class={screenOf(view) === "ended" ? "text" : "visually-hidden"} data-testid="aside">
        {aside}
      </p>
    </div>
  );
}

function Content({ screen, ...rest }: QuietProps & { screen: Screen }) {
  if (screen === "call") return rest.view.call === null ? null : <CallCard {...rest} call={rest.view.call} />;
  const Quiet = SCREENS[screen];
  return <Quiet {...rest} />;
}

function Presence({ view, now }: { view: View; now: number }) {
  if (view.place !== "here" && view.place !== "opening") return null;
  const { kind, word } = presenceOf(view, now);
  return (
    <span class={`presence ${kind}`}>
      <span class="agent" data-testid="agent">
        {view.agent ?? ""}
      </span>
      <span class="dot" aria-hidden="true" />
      <span data-testid="presence">{word}</span>
    </span>
  );
}

function presenceOf(view: View, now: number): { kind: "online" | "offline" | "occupied"; word: string } {
  const online = isReady(view) && view.link === "open" && view.engineReady;
  if (!online) return { kind: "offline", word: say("notReady") };
  if (isLive(view.call)) return { kind: "occupied", word: say("inCall") };
  if (wrapUpSeconds(view, now) !== null) return { kind: "occupied", word: say("wrapUp") };
  return { kind: "online", word: say("ready") };
}

/** A second click that could not be carried out while a call lives: the call stays, the reason is said once. */
function RefusalNote({ view, softphone }: { view: View; softphone: Softphone }) {
  if (view.refusal === null) return null;
  return (
    <div class="refusal-note" role="alert" data-testid="refusal-note" data-code={view.refusal.code}>
      <p>
        <strong>{say("sentence", { text: refusalTitle(view.refusal) })}</strong> {refusalRemedy(view.refusal)}
      </p>
      <button type="button" class="quiet" data-testid="refusal-ok" onClick={() => softphone.dismissRefusal()}>
        {say("ok")}
      </button>
    </div>
  );
}

function Footer({ view, softphone }: { view: View; softphone: Softphone }) {
  return (
    <footer>
      {view.place === "here" && (
        <button
          type="button"
          class="quiet"
          data-testid="history-button"
          aria-haspopup="dialog"
          onClick={() => softphone.open("history")}
        >
          <Clock /> {say("history")}
        </button>
      )}
      <button
        type="button"
        class="quiet"
        data-testid="shortcuts"
        aria-haspopup="dialog"
        aria-label={say("shortcuts")}
        title={say("shortcuts")}
        onClick={() => softphone.open("help")}
      >
        <Keyboard /> <kbd>?</kbd>
      </button>
      <LanguagePicker />
    </footer>
  );
}

/** The state as attributes, for tests and for styles. */
function facts(view: View, screen: Screen) {
  return {
    "data-screen": screen,
    "data-place": view.place,
    "data-link": view.link,
    "data-line": view.line,
    "data-microphone": view.microphone,
    "data-engine": view.engineReady ? "ready" : "unavailable",
    "data-state": view.call?.state ?? "none",
    "data-call-id": view.call?.call_id ?? "",
    "data-muted": String(isMuted(view)),
    "data-asked": String(isAsked(view)),
    "data-paused": String(view.call?.recording_paused ?? false),
    "data-panel": view.panel ?? "",
    "data-end-status": view.call?.end?.status ?? "",
    "data-end-reason": view.call?.end?.reason ?? "",
  };
}
