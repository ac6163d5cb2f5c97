/** Everybody else in a call of more than two: who, as what, in which state, and the button that drops whom the agent called in. */
import { say } from "../language/language";
import { othersIn } from "../live-call";
import { canGive, isPending } from "../orders";
import type { Call, Participant } from "../protocol";
import type { Softphone } from "../softphone";
import type { View } from "../view";
import { nameOf, placeOf, roleOf } from "../words";
import { Cross, Handset, MicOff, Pause, Person } from "./icons";
import { Name } from "./Name";

interface Props {
  view: View;
  call: Call;
  softphone: Softphone;
}

export function People({ view, call, softphone }: Props) {
  return (
    <ul class="people" aria-label={say("inThisCall")} data-testid="people">
      {othersIn(call).map((one) => (
        <PersonRow key={one.id} one={one} view={view} call={call} softphone={softphone} />
      ))}
    </ul>
  );
}

function PersonRow({ one, view, call, softphone }: Props & { one: Participant }) {
  const drops = one.role === "guest" && call.seat === "agent" && call.allowed.includes("drop");
  const waits = isPending(view.orders, "drop");
  const here = one.state === "connected" && !one.on_hold;
  return (
    <li
      class={`person ${here ? "here" : ""} ${one.on_hold ? "held" : ""}`}
      data-testid={`person-${one.role}`}
      data-state={one.state}
      data-on-hold={one.on_hold}
    >
      {one.on_hold ? <Pause /> : one.state === "connected" ? <Person /> : <Handset />}
      <span class="person-text">
        <span class="person-name" data-testid={one.role === "customer" ? "customer-number" : undefined}>
          <Name text={nameOf(one)} />
        </span>
        <span class="person-state">
          {roleOf(one)} · {placeOf(one)}
          {one.muted && (
            <>
              {" · "}
              <MicOff />
              {say("muted")}
            </>
          )}
        </span>
      </span>
      {drops && (
        <button
          type="button"
          class="icon-button"
          data-testid="drop"
          aria-label={say("dropWho", { who: nameOf(one) })}
          title={say("drop")}
          aria-disabled={!canGive(call, view.orders, "drop")}
          aria-busy={waits}
          onClick={() => softphone.errands.give("drop", { participant_id: one.id })}
        >
          <Cross />
        </button>
      )}
    </li>
  );
}
