/** The living call: who, how far, how long, and what can be done with it. */
import { clockTime } from "../../../shared/time";
import { say } from "../language/language";
import { isShared } from "../live-call";
import type { Call, OrderName } from "../protocol";
import type { Devices, Softphone } from "../softphone";
import { isAsked, isMuted, talkSeconds, type View } from "../view";
import { callerIdOf, customerOf } from "../words";
import { Asked } from "./Asked";
import { Controls, NotesButton, WaysOut } from "./Controls";
import { Pause, Person } from "./icons";
import { Level } from "./Level";
import { MicrophonePicker } from "./MicrophonePicker";
import { OrderRefusal } from "./OrderRefusal";
import { People } from "./People";

interface Props {
  view: View;
  call: Call;
  now: number;
  devices: Devices;
  softphone: Softphone;
}

export function CallCard(props: Props) {
  const { view, call, softphone } = props;
  if (isAsked(view)) return <Asked call={call} softphone={softphone} />;
  return (
    <section
      class={`call ${call.answered_at === null ? "" : "answered"} ${isShared(call) ? "shared" : ""}`}
      aria-label={say("inThisCall")}
    >
      {call.answered_at !== null && call.recording && <RecordingBadge paused={call.recording_paused} />}
      <Who {...props} />
      {isShared(call) && <People view={view} call={call} softphone={softphone} />}
      {call.state === "agent_away" && <p class="hint">{say("hintAway")}</p>}
      <div class="hands">
        <Controls view={view} softphone={softphone} />
        <OrderRefusal view={view} softphone={softphone} of={isShownHere(view)} />
        <WaysOut view={view} softphone={softphone} />
      </div>
      <Footing {...props} />
    </section>
  );
}

/** An open panel shows the refusals of its own orders. */
function isShownHere(view: View): (order: OrderName) => boolean {
  return () => view.panel === null || view.panel === "history" || view.panel === "help" || view.panel === "notes";
}

function Who({ view, call, now }: Props) {
  const talking = call.answered_at !== null && !view.hangingUp && call.state !== "agent_away";
  const seconds = talkSeconds(view, now);
  return (
    <div class="who-block">
      {!isShared(call) && (
        <div class={`portrait ${talking ? "talking" : "waiting"}`}>
          <Person />
        </div>
      )}
      {!isShared(call) && (
        <p class="who" data-testid="customer-number">
          {customerOf(call)}
        </p>
      )}
      {seconds === null ? (
        <p class="timer still">{say("from", { number: callerIdOf(call) })}</p>
      ) : (
        <p class="timer" role="timer" aria-live="off" data-testid="timer">
          {clockTime(seconds)}
        </p>
      )}
    </div>
  );
}

/** Word, shape and colour: a dot while it runs, bars in another frame while it does not. */
function RecordingBadge({ paused }: { paused: boolean }) {
  return (
    <p class={`recorded ${paused ? "paused" : ""}`} data-testid="recorded" data-paused={paused}>
      {paused ? <Pause /> : <span class="red-dot" aria-hidden="true" />}
      {say(paused ? "recordingPaused" : "recording")}
    </p>
  );
}

function Footing({ view, call, devices, softphone }: Props) {
  const voice = call.answered_at !== null && !isMuted(view) && !view.hangingUp;
  return (
    <div class="footing">
      <div class="microphone-row">
        <MicrophonePicker devices={devices} onChoose={(device) => softphone.chooseMicrophone(device)} />
        {voice && <Level levels={() => softphone.levels()} />}
        <NotesButton view={view} softphone={softphone} />
      </div>
      {call.answered_at !== null && call.seat === "agent" && !isShared(call) && (
        <p class="facts">{say("callerId", { number: callerIdOf(call) })}</p>
      )}
    </div>
  );
}
