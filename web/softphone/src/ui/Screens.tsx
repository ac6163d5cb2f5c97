/** The screens without a living call. Each says what happened and what to do next. */
import type { ComponentChildren } from "preact";
import type { Devices, Softphone } from "../softphone";
import { microphoneTrouble, type View } from "../view";
import { customerOf, endLine, hintLine, microphoneAdvice, numberOf } from "../words";
import { ClosingSoon } from "./ClosingSoon";
import { Check, Handset, HandsetDown, Lock, Mic, MicOff, Tabs, Warning } from "./icons";
import { MicrophonePicker } from "./MicrophonePicker";

interface Props {
  view: View;
  devices: Devices;
  softphone: Softphone;
}

interface NoticeProps {
  icon: ComponentChildren;
  tone?: "calm" | "good" | "bad";
  text?: string;
  children?: ComponentChildren;
}

/** The status line above is the title; this is the rest. */
function Notice({ icon, tone = "calm", text, children }: NoticeProps) {
  return (
    <div class={`notice ${tone}`}>
      <div class="portrait">{icon}</div>
      {text && <p class="text">{text}</p>}
      {children}
    </div>
  );
}

export function Starting({ view }: Props) {
  return (
    <Notice icon={view.microphone === "asking" ? <Mic /> : <Handset />} tone="calm" text={hintLine(view)}>
      {view.launch !== null && (
        <p class="who" data-testid="customer-number">
          {numberOf(view.launch)}
        </p>
      )}
    </Notice>
  );
}

export function Idle({ view, devices, softphone }: Props) {
  const waiting = view.link !== "open" || !view.engineReady;
  return (
    <Notice icon={waiting ? <Handset /> : <Check />} tone={waiting ? "calm" : "good"} text={idleText(waiting)}>
      <MicrophonePicker devices={devices} onChoose={(device) => softphone.chooseMicrophone(device)} />
    </Notice>
  );
}

function idleText(waiting: boolean): string {
  return waiting
    ? "Calls can be made as soon as it is back. Leave this tab open."
    : "Click Dial in your CRM: the call starts here by itself. Leave this tab open.";
}

export function Ended({ view, devices, softphone }: Props) {
  const { call } = view;
  if (call === null) return null;
  const answered = (call.end?.duration ?? 0) > 0;
  return (
    <Notice icon={<HandsetDown />} tone={answered ? "calm" : "bad"}>
      <p class="who" data-testid="customer-number">
        {customerOf(call)}
      </p>
      <p class="text" data-testid="end-duration">
        {endLine(call)}
      </p>
      {call.end?.remedy && (
        <p class="remedy" data-testid="end-remedy">
          {call.end.remedy}
        </p>
      )}
      <p class="small">Ready for your next call.</p>
      <MicrophonePicker devices={devices} onChoose={(device) => softphone.chooseMicrophone(device)} />
    </Notice>
  );
}

export function Refused({ view, softphone }: Props) {
  const { refusal } = view;
  if (refusal === null) return null;
  return (
    <Notice icon={<Warning />} tone="bad" {...(refusal.detail === refusal.title ? {} : { text: refusal.detail })}>
      <p class="remedy" data-testid="refusal-remedy">
        {refusal.remedy}
      </p>
      <p class="small">
        {refusal.code === "launch_spent" ? "Nobody was called again." : "Nobody was called."} Code for your
        administrator: <code data-testid="refusal-code">{refusal.code}</code>
      </p>
      <button type="button" class="button" data-testid="refusal-ok" onClick={() => softphone.dismissRefusal()}>
        OK
      </button>
    </Notice>
  );
}

export function MicrophoneTroubled({ view, softphone }: Props) {
  const trouble = microphoneTrouble(view);
  if (trouble === null) return null;
  const advice = microphoneAdvice(trouble);
  return (
    <Notice icon={trouble === "insecure" ? <Lock /> : <MicOff />} tone="bad" text={advice.text}>
      <ol class="steps" data-testid="microphone-steps">
        {advice.steps.map((step) => (
          <li key={step}>{step}</li>
        ))}
      </ol>
      {trouble !== "insecure" && (
        <button
          type="button"
          class="button primary"
          data-testid="retry-microphone"
          onClick={() => softphone.retryMicrophone()}
        >
          Try again
        </button>
      )}
    </Notice>
  );
}

export function Elsewhere({ view, softphone }: Props) {
  const handedOver = view.launch !== null;
  const number = view.launch !== null ? numberOf(view.launch) : view.call !== null ? customerOf(view.call) : null;
  return (
    <Notice
      icon={<Tabs />}
      text={handedOver ? "The call was sent there." : "Calls start there by themselves. You can close this tab."}
    >
      {number !== null && (
        <p class="who" data-testid="customer-number">
          {number}
        </p>
      )}
      {handedOver && <ClosingSoon />}
      <button type="button" class="button" data-testid="use-this-tab" onClick={() => softphone.takeOver()}>
        Use this tab instead
      </button>
    </Notice>
  );
}

export function Replaced({ softphone }: Props) {
  return (
    <Notice icon={<Tabs />} text="Calls now start in the tab that you opened last. You can close this one.">
      <button type="button" class="button" data-testid="use-this-tab" onClick={() => softphone.takeOver()}>
        Use this tab instead
      </button>
    </Notice>
  );
}

export function SignedOut({ view }: Props) {
  return (
    <Notice icon={<Lock />} tone="bad">
      <p class="remedy" data-testid="signed-out-remedy">
        {view.farewell?.remedy ?? "Click Dial in your CRM again: that signs you in."}
      </p>
    </Notice>
  );
}
