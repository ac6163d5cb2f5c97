/** The page: who is on the phone, one status line, what stands in the way, and the screen that the state asks for. */
import type { ReadonlySignal, Signal } from "@preact/signals";
import type { FunctionComponent } from "preact";
import type { Devices, Softphone } from "../softphone";
import { isReady, type Screen, screenOf, type View } from "../view";
import { alertLine, statusLine } from "../words";
import { Alert } from "./Alert";
import { CallCard } from "./CallCard";
import { Handset } from "./icons";
import { Elsewhere, Ended, Idle, MicrophoneTroubled, Refused, Replaced, SignedOut, Starting } from "./Screens";
import { Shortcuts } from "./Shortcuts";

interface Props {
  softphone: Softphone;
  now: ReadonlySignal<number>;
  helpOpen: Signal<boolean>;
  keysEnabled: Signal<boolean>;
}

type Quiet = Exclude<Screen, "call">;

const SCREENS: Record<Quiet, FunctionComponent<{ view: View; devices: Devices; softphone: Softphone }>> = {
  starting: Starting,
  idle: Idle,
  ended: Ended,
  refused: Refused,
  microphone: MicrophoneTroubled,
  elsewhere: Elsewhere,
  replaced: Replaced,
  signed_out: SignedOut,
};

export function App({ softphone, now, helpOpen, keysEnabled }: Props) {
  const view = softphone.view.value;
  const devices = softphone.devices.value;
  const screen = screenOf(view);
  return (
    <div class="phone" data-testid="softphone" {...facts(view, screen)}>
      <header>
        <span class="brand">
          <Handset /> Intellicall
        </span>
        <Presence view={view} />
      </header>
      <main>
        <Alert alert={alertLine(view)} onHear={() => softphone.hear()} />
        <h1 class="visually-hidden">Softphone</h1>
        <p role="status" aria-live="polite" class="status" data-testid="status">
          {statusLine(view)}
        </p>
        {screen === "call" && view.call !== null ? (
          <>
            <RefusalNote view={view} softphone={softphone} />
            <CallCard view={view} call={view.call} now={now.value} devices={devices} softphone={softphone} />
          </>
        ) : (
          <QuietScreen screen={screen as Quiet} view={view} devices={devices} softphone={softphone} />
        )}
      </main>
      <footer>
        <Shortcuts open={helpOpen} enabled={keysEnabled} />
      </footer>
    </div>
  );
}

function QuietScreen({ screen, ...rest }: { screen: Quiet; view: View; devices: Devices; softphone: Softphone }) {
  const Content = SCREENS[screen];
  return <Content {...rest} />;
}

function Presence({ view }: { view: View }) {
  if (view.place !== "here" && view.place !== "opening") return null;
  const online = isReady(view) && view.link === "open" && view.engineReady;
  return (
    <span class={`presence ${online ? "online" : "offline"}`}>
      <span class="agent" data-testid="agent">
        {view.agent ?? ""}
      </span>
      <span class="dot" aria-hidden="true" />
      <span>{online ? "Ready" : "Not ready"}</span>
    </span>
  );
}

/** A second click that could not be carried out while a call lives: the call stays, the reason is said once. */
function RefusalNote({ view, softphone }: { view: View; softphone: Softphone }) {
  if (view.refusal === null) return null;
  return (
    <div class="refusal-note" role="alert" data-testid="refusal-note" data-code={view.refusal.code}>
      <p>
        <strong>{view.refusal.title}.</strong> {view.refusal.remedy}
      </p>
      <button type="button" class="quiet" data-testid="refusal-ok" onClick={() => softphone.dismissRefusal()}>
        OK
      </button>
    </div>
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
    "data-muted": String(view.muted),
    "data-end-status": view.call?.end?.status ?? "",
    "data-end-reason": view.call?.end?.reason ?? "",
  };
}
