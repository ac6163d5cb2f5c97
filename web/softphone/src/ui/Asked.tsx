/** A call that waits for this agent's decision. Focus goes to who calls, not to a button: a key that was meant for elsewhere answers nothing. */
import { useEffect, useRef } from "preact/hooks";
import { say } from "../language/language";
import { isShared } from "../live-call";
import type { Call } from "../protocol";
import type { Softphone } from "../softphone";
import { callerOf, customerOf } from "../words";
import { Handset, HandsetDown, Person } from "./icons";
import { Name } from "./Name";

export function Asked({ call, softphone }: { call: Call; softphone: Softphone }) {
  const who = useRef<HTMLHeadingElement>(null);
  useEffect(() => who.current?.focus(), []);
  return (
    <section class="call asked" data-testid="asked" aria-labelledby="asked-who">
      <div class="portrait waiting">
        <Person />
      </div>
      <h2 class="who" id="asked-who" tabIndex={-1} ref={who}>
        <Name text={callerOf(call)} />
      </h2>
      {isShared(call) && (
        <p class="timer still">
          {say("customer")}: <span data-testid="customer-number">{customerOf(call)}</span>
        </p>
      )}
      <div class="ways">
        <button type="button" class="way leave" data-testid="decline" onClick={() => softphone.decline()}>
          <HandsetDown />
          <span>{say("decline")}</span>
        </button>
        <button type="button" class="way answer" data-testid="answer" onClick={() => softphone.answer()}>
          <Handset />
          <span>{say("answer")}</span>
        </button>
      </div>
    </section>
  );
}
