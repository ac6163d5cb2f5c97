/** The screens without a living call. Each says what happened and what to do next. */
import type { ComponentChildren } from "preact";
import { clockTime } from "../../../shared/time";
import { say } from "../language/language";
import type { Devices, Softphone } from "../softphone";
import { microphoneTrouble, type View, wrapUpSeconds } from "../view";
import { customerOf, endRemedy, hintLine, microphoneAdvice, numberOf, refusalDetail, refusalRemedy } from "../words";
import { ClosingSoon } from "./ClosingSoon";
import { Check, Handset, HandsetDown, Lock, Mic, MicOff, Tabs, Warning } from "./icons";
import { MicrophonePicker } from "./MicrophonePicker";
import { NotesForm } from "./NotesForm";

interface Props {
  view: View;
  now: number;
  devices: Devices;
  softphone: Softphone;
}

interface NoticeProps {
  icon: ComponentChildren;
  tone?: "calm" | "good" | "bad";
  text?: string;
  extra?: string;
  children?: ComponentChildren;
}

/** The status line above is the title; this is the rest. */
function Notice({ icon, tone = "calm", text, extra = "", children }: NoticeProps) {
  return (
    <div class={`notice ${tone} ${extra}`}>
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
  return say(waiting ? "hintWaiting" : "hintIdle");
}

export function Ended({ view, now, softphone }: Props) {
  const { call } = view;
  if (call === null) return null;
  const answered = call.answered_at !== null && call.seat === "agent";
  const writes = answered || view.wrapUp?.call_id === call.call_id;
  const remedy = call.end === null ? "" : endRemedy(call.end);
  return (
    <Notice
      icon={<HandsetDown />}
      tone={call.end?.duration === 0 ? "bad" : "calm"}
      {...(writes ? { extra: "writes" } : {})}
    >
      <p class="who" data-testid="customer-number">
        {customerOf(call)}
      </p>
      {remedy !== "" && (
        <p class="remedy" data-testid="end-remedy">
          {remedy}
        </p>
      )}
      <WrapUpLine view={view} now={now} softphone={softphone} />
      {writes && <NotesForm view={view} call={call} softphone={softphone} />}
    </Notice>
  );
}

/** How long nobody is put through, and the button that ends it. */
function WrapUpLine({ view, now, softphone }: { view: View; now: number; softphone: Softphone }) {
  const left = wrapUpSeconds(view, now);
  if (left === null) return <p class="small">{say("nextCall")}</p>;
  return (
    <div class="wrap-up" data-testid="wrap-up">
      <p role="timer" aria-live="off">
        {say("wrapUpLeft", { time: clockTime(Math.ceil(left)) })}
      </p>
      <button type="button" class="button primary" data-testid="ready-again" onClick={() => softphone.readyAgain()}>
        {say("readyAgain")}
      </button>
    </div>
  );
}

export function Refused({ view, softphone }: Props) {
  const { refusal } = view;
  if (refusal === null) return null;
  return (
    <Notice icon={<Warning />} tone="bad" text={refusalDetail(refusal)}>
      <p class="remedy" data-testid="refusal-remedy">
        {refusalRemedy(refusal)}
      </p>
      <p class="small">
        {say(refusal.code === "launch_spent" ? "notCalledAgain" : "nobodyCalled")} {say("codeForAdmin")}{" "}
        <code data-testid="refusal-code">{refusal.code}</code>
      </p>
      <button type="button" class="button" data-testid="refusal-ok" onClick={() => softphone.dismissRefusal()}>
        {say("ok")}
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
          {say("tryAgain")}
        </button>
      )}
    </Notice>
  );
}

export function Elsewhere({ view, softphone }: Props) {
  const handedOver = view.launch !== null;
  const number = view.launch !== null ? numberOf(view.launch) : view.call !== null ? customerOf(view.call) : null;
  return (
    <Notice icon={<Tabs />} text={say(handedOver ? "sentThere" : "startsThere")}>
      {number !== null && (
        <p class="who" data-testid="customer-number">
          {number}
        </p>
      )}
      {handedOver && <ClosingSoon />}
      <button type="button" class="button" data-testid="use-this-tab" onClick={() => softphone.takeOver()}>
        {say("useThisTab")}
      </button>
    </Notice>
  );
}

export function Replaced({ softphone }: Props) {
  return (
    <Notice icon={<Tabs />} text={say("nowThere")}>
      <button type="button" class="button" data-testid="use-this-tab" onClick={() => softphone.takeOver()}>
        {say("useThisTab")}
      </button>
    </Notice>
  );
}

export function SignedOut({ view }: Props) {
  return (
    <Notice icon={<Lock />} tone="bad">
      <p class="remedy" data-testid="signed-out-remedy">
        {view.farewell === null ? say("signInAgain") : refusalRemedy(view.farewell)}
      </p>
    </Notice>
  );
}
