/**
 * The SIP side: one registration over the platform's own origin, and at most one call, which `AnswerRule` admits and says when to
 * answer. Everything else that rings gets 403.
 */
import * as JsSIP from "jssip";
import type { IceCandidateEvent, RTCSession } from "jssip/lib/RTCSession";
import type { IncomingRTCSessionEvent, RTCSessionEvent, UA } from "jssip/lib/UA";
import type { WebSocketInterface } from "jssip/lib/WebSocketInterface";
import type { AnswerRule } from "./answering";
import type { SipAccount } from "./protocol";
import { type Tell, watch } from "./reporting";
import type { LineState } from "./view";

/** The engine's INVITE carries the call's token in this header. */
const TOKEN_HEADER = "X-Intellicall-Answer";

/**
 * Host candidates appear within a few milliseconds of each other, while the browser reports the end of gathering much later. The
 * far end has a public address and learns further ones from our checks (RFC 8445, peer-reflexive candidates).
 */
const GATHER_MS = 20;

/** JsSIP registers again after a lost connection, but not after a refused or unanswered REGISTER. */
const REGISTER_AGAIN_MS = 3000;

export interface PhoneEvents {
  readonly onLine: (state: LineState) => void;
  /** SIP said no for good, for example wrong credentials. */
  readonly onRefused: (cause: string) => void;
  readonly onSound: (stream: MediaStream) => void;
  readonly onOver: () => void;
  /** How this side of the call goes. */
  readonly onReport: Tell;
}

export class Phone {
  readonly #rule: AnswerRule;
  readonly #microphone: () => Promise<MediaStream>;
  readonly #events: PhoneEvents;
  #ua: UA | null = null;
  #wire: WebSocketInterface | null = null;
  #account: SipAccount | null = null;
  #retired: UA | null = null;
  #session: RTCSession | null = null;

  constructor(rule: AnswerRule, microphone: () => Promise<MediaStream>, events: PhoneEvents) {
    this.#rule = rule;
    this.#microphone = microphone;
    this.#events = events;
  }

  /** Register, or keep the registration when the account is still the same. A talking call outlives its registration. */
  connect(account: SipAccount, origin: string): void {
    if (this.#ua !== null && same(account, this.#account)) return;
    this.#retire();
    this.#account = account;
    this.#events.onLine("connecting");
    this.#ua = this.#register(account, origin);
  }

  /**
   * Leave without a word: another tab is the softphone now, or the session is over. No BYE goes out, for the call may go on in
   * the other tab; the platform sees the connection close.
   */
  disconnect(): void {
    this.#wire?.disconnect();
    this.hangUp();
    this.#retire();
    this.#account = null;
    this.#events.onLine("off");
  }

  /** A call has reached this phone, whether it was answered or not. */
  get isRung(): boolean {
    return this.#session !== null;
  }

  /** The engine is back: it has forgotten who was registered. */
  registerAgain(): void {
    if (this.#ua?.isConnected()) this.#ua.register();
  }

  /** End the call by SIP: when the platform cannot be asked, or did not react. */
  hangUp(): void {
    if (this.#session !== null && !this.#session.isEnded()) this.#session.terminate();
  }

  /** Another microphone took over in the middle of a call. */
  useTrack(track: MediaStreamTrack): void {
    const sender = this.#connection()
      ?.getSenders()
      .find((candidate) => candidate.track?.kind === "audio");
    void sender?.replaceTrack(track);
  }

  /** How loud both sides are, 0 to 1, or null without a call (W3C webrtc-stats `audioLevel`). */
  async levels(): Promise<{ readonly own: number; readonly theirs: number } | null> {
    const connection = this.#connection();
    if (connection === undefined || connection.connectionState !== "connected") return null;
    let own = 0;
    let theirs = 0;
    for (const report of (await connection.getStats()).values() as Iterable<{ type: string; audioLevel?: number }>) {
      if (report.type === "media-source") own = report.audioLevel ?? 0;
      if (report.type === "inbound-rtp") theirs = report.audioLevel ?? 0;
    }
    return { own, theirs };
  }

  /** Stop the registration; while a call talks over it, only after that call. */
  #retire(): void {
    const ua = this.#ua;
    this.#ua = null;
    if (ua === null) return;
    ua.removeAllListeners();
    if (this.#session === null) ua.stop();
    else this.#retired = ua;
  }

  #connection(): RTCPeerConnection | undefined {
    return this.#session?.connection as RTCPeerConnection | undefined;
  }

  #register(account: SipAccount, origin: string): UA {
    this.#wire = new JsSIP.WebSocketInterface(new URL(account.path, origin.replace(/^http/, "ws")).href);
    const ua = new JsSIP.UA({
      sockets: [this.#wire],
      uri: `sip:${account.username}@${account.domain}`,
      authorization_user: account.username,
      password: account.password,
      register: true,
      register_expires: 300,
      session_timers: false,
      connection_recovery_min_interval: 1,
      connection_recovery_max_interval: 10,
      user_agent: "Intellicall softphone",
    });
    ua.on("registered", () => this.#events.onLine("registered"));
    ua.on("unregistered", () => this.#events.onLine("lost"));
    ua.on("disconnected", () => this.#events.onLine("lost"));
    ua.on("registrationFailed", ({ cause }) => {
      this.#events.onLine("lost");
      this.#events.onRefused(String(cause ?? "unknown"));
      setTimeout(() => this.#ua === ua && this.registerAgain(), REGISTER_AGAIN_MS);
    });
    ua.on("newRTCSession", (event: RTCSessionEvent) => {
      if (event.originator === "remote") void this.#invited(event as IncomingRTCSessionEvent);
    });
    ua.start();
    return ua;
  }

  async #invited({ session, request }: IncomingRTCSessionEvent): Promise<void> {
    const token = String(request.getHeader(TOKEN_HEADER) ?? "");
    const admitted = await this.#rule.admits(token);
    if (session.isEnded()) return;
    if (!admitted) return session.terminate({ status_code: 403, reason_phrase: "Forbidden" });
    this.#replaceBy(session);
    const answers = await this.#rule.decided(token);
    if (session.isEnded()) return;
    if (!answers) return session.terminate({ status_code: 603, reason_phrase: "Decline" });
    try {
      const stream = await this.#microphone();
      if (!session.isEnded()) this.#answer(session, stream);
    } catch {
      if (!session.isEnded()) session.terminate({ status_code: 480, reason_phrase: "No microphone" });
    }
  }

  /** The same call rings again after its connection was lost: what is left of the old one goes. */
  #replaceBy(session: RTCSession): void {
    const before = this.#session;
    this.#session = session;
    if (before !== null && !before.isEnded()) before.terminate();
    const over = () => {
      if (this.#session !== session) return;
      this.#session = null;
      this.#retired?.stop();
      this.#retired = null;
      this.#events.onOver();
    };
    session.on("ended", over);
    session.on("failed", over);
  }

  #answer(session: RTCSession, mediaStream: MediaStream): void {
    session.on("icecandidate", answerEarly());
    mediaStream
      .getAudioTracks()[0]
      ?.addEventListener("ended", () => this.#session === session && this.#events.onReport("microphone_ended", {}));
    session.on("peerconnection", ({ peerconnection }) => {
      const stop = watch(peerconnection, this.#events.onReport);
      session.on("ended", stop);
      session.on("failed", stop);
      peerconnection.addEventListener("track", ({ streams, track }) => {
        this.#events.onSound(streams[0] ?? new MediaStream([track]));
      });
    });
    session.answer({
      mediaStream,
      mediaConstraints: { audio: true, video: false },
      pcConfig: { iceServers: [], bundlePolicy: "max-bundle", rtcpMuxPolicy: "require" },
    });
  }
}

/** Do not wait for the end of gathering: the first host candidates are enough. */
function answerEarly(): (event: IceCandidateEvent) => void {
  let planned = false;
  return ({ candidate, ready }) => {
    if (planned || candidate.type !== "host" || candidate.protocol !== "udp") return;
    planned = true;
    setTimeout(ready, GATHER_MS);
  };
}

function same(one: SipAccount, other: SipAccount | null): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
