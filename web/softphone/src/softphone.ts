/**
 * The wiring: platform's messages and people's presses go into `reduce`; what the new state asks for goes out to the socket,
 * the phone, the microphone and the speaker. Decides nothing itself.
 */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { AnswerRule } from "./answering";
import { waysOut } from "./controls";
import { Errands } from "./errands";
import { isLive } from "./live-call";
import { type Device, Microphone, type MicrophoneNews } from "./microphone";
import { Phone } from "./phone";
import type { FromPlatform, SipAccount, ToPlatform, TroubleCode } from "./protocol";
import type { Figures, Reported } from "./reporting";
import { Ring } from "./ring";
import { CLOSED_FOR_GOOD, PlatformSocket } from "./socket";
import { Speaker } from "./speaker";
import {
  FIRST_VIEW,
  type Happening,
  isAsked,
  isMuted,
  isReady,
  launchToDial,
  type Panel,
  reduce,
  type View,
} from "./view";

/** How long the platform may take to end a call before the page ends its own leg. */
const HANG_UP_WITHIN_MS = 1500;

const TROUBLE: Partial<Record<MicrophoneNews, TroubleCode>> = {
  denied: "microphone_denied",
  missing: "microphone_missing",
  lost: "microphone_missing",
  busy: "microphone_busy",
  insecure: "insecure_page",
};

export interface Surroundings {
  readonly origin: string;
  readonly tab: string;
  /** Random, new at each load: a reload in a call has lost its voice, a reconnection has not. */
  readonly page: string;
  readonly ticket: string | null;
  readonly forgetTicket: () => void;
  readonly isVisible: () => boolean;
  readonly audio: HTMLAudioElement;
  readonly navigator: Navigator;
  readonly storage: Storage;
}

export interface Devices {
  readonly all: readonly Device[];
  readonly current: string | null;
}

export class Softphone {
  readonly #view: Signal<View> = signal(FIRST_VIEW);
  readonly #devices: Signal<Devices> = signal({ all: [], current: null });
  readonly #around: Surroundings;
  readonly #rule = new AnswerRule();
  readonly #microphone: Microphone;
  readonly #speaker: Speaker;
  readonly #phone: Phone;
  readonly #socket: PlatformSocket;
  readonly #ring = new Ring();
  /** What the page asks of the platform: orders, keys, notes, searches, the history, a redial. */
  readonly errands: Errands;
  #ticket: string | null;
  #readySent = false;
  #takeOverWanted = false;

  constructor(around: Surroundings) {
    this.#around = around;
    this.#ticket = around.ticket;
    this.#speaker = new Speaker(around.audio, (blocked) => this.#happen({ is: "sound", blocked }));
    this.#microphone = new Microphone(
      {
        onState: (state, detail) => this.#microphoneIs(state, detail),
        onDevices: (all, current) => {
          this.#devices.value = { all, current };
        },
        onTrack: (track) => this.#phone.useTrack(track),
      },
      around.navigator,
      around.storage,
    );
    this.#phone = new Phone(this.#rule, () => this.#microphone.open(), {
      onLine: (state) => this.#happen({ is: "line", state }),
      onRefused: (cause) => this.#trouble("sip_failed", cause),
      onSound: (stream) => this.#speaker.play(stream),
      onOver: () => this.#speaker.stop(),
      onReport: (what, figures) => this.#reportOfCall(what, figures),
    });
    this.#socket = new PlatformSocket(`${around.origin.replace(/^http/, "ws")}/softphone/socket`, {
      hello: () => this.#hello(),
      onMessage: (message) => this.#received(message),
      onLink: (state) => this.#happen({ is: "link", state }),
      onClosedForGood: (code) =>
        this.#happen({ is: "closed_for_good", place: code === CLOSED_FOR_GOOD.replaced ? "replaced" : "signed_out" }),
    });
    this.errands = new Errands({
      view: () => this.#view.value,
      happen: (happening) => this.#happen(happening),
      send: (message) => this.#socket.send(message),
      name: around.page,
    });
  }

  get view(): ReadonlySignal<View> {
    return this.#view;
  }

  get devices(): ReadonlySignal<Devices> {
    return this.#devices;
  }

  /** Connect; where the microphone was granted before, it opens meanwhile. */
  async start(): Promise<void> {
    this.#socket.open();
    if (await this.#microphone.isGranted()) this.#openMicrophone();
  }

  /** The network is back, or somebody looks at the page again. */
  wake(): void {
    this.#socket.wake();
  }

  /** The way out that the screen offers first: hang up, leave, or end for all; a call that asks is declined. */
  goOut(): void {
    const [first] = waysOut(this.#view.value);
    if (isAsked(this.#view.value)) this.decline();
    if (first === "hang_up") this.hangUp();
    if (first === "leave") this.leave();
    if (first === "end") this.errands.give("end");
  }

  hangUp(): void {
    const { call } = this.#view.value;
    if (!isLive(call)) return;
    this.#happen({ is: "hang_up_pressed" });
    this.#insist(call.call_id, this.#socket.send({ type: "hang_up", call_id: call.call_id }));
  }

  /** Leave the call to the others. Hanging up one's own leg means the same, so that it works without the platform's answer. */
  leave(): void {
    const { call } = this.#view.value;
    if (!isLive(call)) return;
    this.errands.give("leave");
    this.#happen({ is: "hang_up_pressed" });
    this.#insist(call.call_id, this.#socket.isOpen);
  }

  answer(): void {
    if (!isAsked(this.#view.value)) return;
    this.#rule.decide("answer");
    this.#happen({ is: "answer_pressed" });
  }

  decline(): void {
    const { call } = this.#view.value;
    if (!isLive(call) || !isAsked(this.#view.value)) return;
    this.#rule.decide("decline");
    // Before the phone rings there is nothing to refuse but the call itself.
    if (!this.#phone.isRung) this.errands.give("decline");
    this.#happen({ is: "hang_up_pressed" });
  }

  /** The agent is done with the call before the wrap-up time is. */
  readyAgain(): void {
    this.errands.wrapUpDone();
  }

  open(panel: Panel | null): void {
    this.#happen({ is: "panel", panel });
  }

  /** The page is about to be left during a call: what that means is on it while the browser asks. */
  leavingPage(leaving: boolean): void {
    this.#happen({ is: "leaving_page", leaving });
  }

  dismissOrderRefusal(): void {
    this.#happen({ is: "order_refusal_read" });
  }

  chooseMicrophone(device: Device): void {
    void this.#microphone.choose(device);
  }

  retryMicrophone(): void {
    this.#openMicrophone();
  }

  hear(): void {
    void this.#speaker.resume();
  }

  dismissRefusal(): void {
    this.#happen({ is: "refusal_read" });
  }

  takeOver(): void {
    this.#takeOverWanted = true;
    if (!this.#sendTakeOver()) this.#socket.open();
  }

  levels(): Promise<{ readonly own: number; readonly theirs: number } | null> {
    return this.#phone.levels();
  }

  /** End the own leg when the platform could not be asked, or does not react. */
  #insist(call_id: string, asked: boolean): void {
    const insist = () => {
      const { call, hangingUp } = this.#view.value;
      if (hangingUp && call?.call_id === call_id) this.#phone.hangUp();
    };
    setTimeout(insist, asked ? HANG_UP_WITHIN_MS : 0);
  }

  #hello(): ToPlatform {
    const { tab, page } = this.#around;
    // A platform that was restarted does not know whether the voice of a call is still here.
    const voice = this.#phone.isRung;
    return { type: "hello", tab, page, ticket: this.#ticket, visible: this.#around.isVisible(), voice };
  }

  #received(message: FromPlatform): void {
    if (message.type === "welcome") this.#welcomed(message.sip);
    if (message.type === "engine" && message.ready) this.#phone.registerAgain();
    if (ticketIsSpent(message)) this.#forgetTicket();
    this.#happen({ is: "message", message, now: Date.now() });
    if (message.type === "elsewhere" && this.#takeOverWanted) this.#sendTakeOver();
  }

  /** Every welcome wants its own `ready`; the account may be new, for an engine that started again knows none. */
  #welcomed(sip: SipAccount | null): void {
    this.#readySent = false;
    if (sip !== null) this.#phone.connect(sip, this.#around.origin);
  }

  /** The click has become a call, was refused or went to another tab: a reload must not bring it up again. */
  #forgetTicket(): void {
    this.#ticket = null;
    this.#around.forgetTicket();
  }

  #happen(happening: Happening): void {
    const before = this.#view.value;
    const after = reduce(before, happening);
    this.#view.value = after;
    this.#moved(before, after);
    this.#serveCall(before, after);
    this.#report(this.#view.value);
    this.errands.attend(this.#view.value);
  }

  /** Become, or stop being, the agent's softphone. */
  #moved(before: View, after: View): void {
    if (before.place === after.place) return;
    if (after.place === "here") {
      this.#takeOverWanted = false;
      this.#openMicrophone();
    } else {
      this.#phone.disconnect();
      this.#speaker.stop();
      this.#microphone.release();
    }
  }

  /** What a call needs: its token expected, the ring while it asks, the microphone open and muted as shown. */
  #serveCall(before: View, after: View): void {
    this.#expectCall(after);
    if (after.place !== "here") return;
    if (needsMicrophone(after) && !needsMicrophone(before)) this.#openMicrophone();
    const opened = before.microphone !== "ready" && after.microphone === "ready";
    if (!needsMicrophone(after) && (opened || needsMicrophone(before))) this.#microphone.rest();
    this.#microphone.mute(isMuted(after) || after.hangingUp);
    if (isLive(before.call) && !isLive(after.call)) this.#phone.hangUp();
  }

  #expectCall(view: View): void {
    const call = isLive(view.call) ? view.call : null;
    this.#rule.expect(call?.answer_token ?? null, call?.answer === "ask");
    if (isAsked(view)) this.#ring.start();
    else this.#ring.stop();
  }

  /** Tell the platform that the phone works, then turn the click into a call. */
  #report(view: View): void {
    if (isReady(view) && view.link === "open" && !this.#readySent)
      this.#readySent = this.#socket.send({ type: "ready" });
    const launch = launchToDial(view);
    if (launch !== null && this.#readySent && this.#socket.send({ type: "dial", ticket: launch.ticket })) {
      this.#happen({ is: "dial_sent", ticket: launch.ticket });
    }
  }

  #openMicrophone(): void {
    this.#microphone.open().catch(() => {}); // The failure has been told through onState.
  }

  #microphoneIs(state: MicrophoneNews, detail: string): void {
    this.#happen({ is: "microphone", state });
    const code = TROUBLE[state];
    if (code !== undefined) this.#trouble(code, detail);
  }

  #reportOfCall(what: Reported, figures: Figures): void {
    const call = this.#view.value.call;
    if (call !== null) this.#socket.send({ type: "report", call_id: call.call_id, what, ...figures });
  }

  #trouble(code: TroubleCode, detail: string): void {
    this.#socket.send({ type: "trouble", code, detail: detail.slice(0, 200) });
  }

  #sendTakeOver(): boolean {
    const sent = this.#view.value.place === "elsewhere" && this.#socket.send({ type: "take_over" });
    if (sent) this.#takeOverWanted = false;
    return sent;
  }
}

function needsMicrophone(view: View): boolean {
  return view.launch !== null || (isLive(view.call) && !isAsked(view));
}

function ticketIsSpent(message: FromPlatform): boolean {
  if (message.type === "welcome") return message.launch === null;
  return message.type === "call" || message.type === "refused" || message.type === "elsewhere";
}
