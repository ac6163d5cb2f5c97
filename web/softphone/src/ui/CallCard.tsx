/** The living call: who, how far, how long, and the two buttons that matter. */
import { clockTime } from "../../../shared/time";
import type { Call } from "../protocol";
import type { Devices, Softphone } from "../softphone";
import { talkSeconds, type View } from "../view";
import { callerIdOf, customerOf } from "../words";
import { HandsetDown, Mic, MicOff, Person } from "./icons";
import { Level } from "./Level";
import { MicrophonePicker } from "./MicrophonePicker";

interface Props {
  view: View;
  call: Call;
  now: number;
  devices: Devices;
  softphone: Softphone;
}

export function CallCard({ view, call, now, devices, softphone }: Props) {
  const talking = call.state === "talking" && !view.hangingUp;
  const seconds = talkSeconds(view, now);
  return (
    <div class="call">
      <div class={`portrait ${talking ? "talking" : "waiting"}`}>
        <Person />
      </div>
      <p class="who" data-testid="customer-number">
        {customerOf(call)}
      </p>
      {seconds === null ? (
        <p class="timer still">from {callerIdOf(call)}</p>
      ) : (
        <p class="timer" role="timer" aria-live="off" data-testid="timer">
          {clockTime(seconds)}
        </p>
      )}
      <div class="controls">
        <MuteButton muted={view.muted} softphone={softphone} />
        <div class="control">
          <button
            type="button"
            class="round danger"
            data-testid="hang-up"
            aria-keyshortcuts="Escape Shift+H"
            disabled={view.hangingUp || call.state === "ending"}
            onClick={() => softphone.hangUp()}
          >
            <HandsetDown />
            <span class="label">Hang up</span>
          </button>
        </div>
      </div>
      <div class="footing">
        <div class="microphone-row">
          <MicrophonePicker devices={devices} onChoose={(device) => softphone.chooseMicrophone(device)} />
          {talking && !view.muted && <Level levels={() => softphone.levels()} />}
        </div>
        <p class="facts">
          {seconds !== null && <span>Caller ID {callerIdOf(call)}</span>}
          {call.recording && (
            <span class="recorded" data-testid="recorded">
              Recorded
            </span>
          )}
        </p>
      </div>
    </div>
  );
}

function MuteButton({ muted, softphone }: { muted: boolean; softphone: Softphone }) {
  return (
    <div class="control">
      <button
        type="button"
        class="round"
        data-testid="mute"
        aria-pressed={muted}
        aria-keyshortcuts="M"
        onClick={() => softphone.toggleMute()}
      >
        {muted ? <MicOff /> : <Mic />}
        <span class="label">{muted ? "Muted" : "Mute"}</span>
      </button>
    </div>
  );
}
