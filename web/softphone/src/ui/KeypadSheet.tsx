/** The keypad: what was pressed, what the others pressed, twelve keys. */
import { KEYS } from "../keypad";
import { say } from "../language/language";
import { othersIn } from "../live-call";
import type { Call } from "../protocol";
import type { Softphone } from "../softphone";
import type { View } from "../view";
import { nameOf, roleOf } from "../words";
import { OrderRefusal } from "./OrderRefusal";
import { Sheet } from "./Sheet";

interface Props {
  view: View;
  call: Call;
  softphone: Softphone;
}

export function KeypadSheet({ view, call, softphone }: Props) {
  const { pressed, waiting } = view.keypad;
  const possible = call.allowed.includes("dtmf") || waiting > 0;
  return (
    <Sheet name="keypad" title={say("keypad")} onClose={() => softphone.open(null)}>
      <dl class="display">
        <dt>{say("youPressed")}</dt>
        <dd data-testid="pressed">
          {pressed === "" ? <span class="small">{say("nothingPressed")}</span> : <bdi>{pressed}</bdi>}
        </dd>
      </dl>
      <HeardDigits view={view} call={call} />
      <div class="keys">
        {KEYS.map(([digit, letters]) => (
          <button
            key={digit}
            type="button"
            class="key"
            data-testid={`key-${digit}`}
            aria-disabled={!possible}
            {...spoken(digit)}
            onClick={() => softphone.errands.pressKey(digit)}
          >
            <span class="key-digit">{digit}</span>
            <span class="key-letters">{letters}</span>
          </button>
        ))}
      </div>
      <p class="small waiting-keys">{waiting > 1 && say("stillSending", { n: waiting })}</p>
      <OrderRefusal view={view} softphone={softphone} of={(order) => order === "dtmf"} />
    </Sheet>
  );
}

/** Keys that the others pressed, as they come. */
export function HeardDigits({ view, call }: { view: View; call: Call }) {
  const people = othersIn(call);
  return (
    <div role="log" class="heard" aria-label={say("keypad")}>
      {view.keypad.heard.map(({ participant, digits }) => {
        const one = people.find((candidate) => candidate.id === participant);
        const who = one === undefined || one.role === "customer" ? say("customer") : `${roleOf(one)} ${nameOf(one)}`;
        return (
          <p key={participant} data-testid="heard">
            {say("whoPressed", { who })} <bdi class="digits">{digits}</bdi>
          </p>
        );
      })}
    </div>
  );
}

/** Signs have names; digits and letters speak for themselves. */
function spoken(digit: string): { "aria-label"?: string } {
  if (digit === "*") return { "aria-label": say("star") };
  return digit === "#" ? { "aria-label": say("pound") } : {};
}
