/**
 * The connection to the platform: opens, says hello, keeps itself alive, comes back after a loss.
 * Knows messages, but not what they mean.
 */
import { waitBefore } from "./backoff";
import { type FromPlatform, parseFrame, type ToPlatform } from "./protocol";

export type LinkState = "connecting" | "open" | "lost";

/** Close codes after which reconnecting would be wrong (docs/softphone-protocol.md). */
export const CLOSED_FOR_GOOD = { signedOut: 4401, wrongOrigin: 4403, replaced: 4409 } as const;

const PING_EVERY_MS = 20_000;
const ANSWER_WITHIN_MS = 10_000;

export interface SocketEvents {
  /** The first message of every connection. */
  readonly hello: () => ToPlatform;
  readonly onMessage: (message: FromPlatform) => void;
  readonly onLink: (state: LinkState) => void;
  readonly onClosedForGood: (code: number) => void;
}

export class PlatformSocket {
  readonly #url: string;
  readonly #events: SocketEvents;
  readonly #create: (url: string) => WebSocket;
  #socket: WebSocket | null = null;
  #attempt = 0;
  #retry: ReturnType<typeof setTimeout> | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #silence: ReturnType<typeof setTimeout> | undefined;

  constructor(url: string, events: SocketEvents, create = (to: string) => new WebSocket(to)) {
    this.#url = url;
    this.#events = events;
    this.#create = create;
  }

  get isOpen(): boolean {
    return this.#socket?.readyState === 1;
  }

  open(): void {
    this.close();
    this.#events.onLink(this.#attempt === 0 ? "connecting" : "lost");
    const socket = this.#create(this.#url);
    this.#socket = socket;
    socket.onopen = () => this.#opened(socket);
    socket.onmessage = (event: MessageEvent) => this.#received(event.data);
    socket.onclose = (event: CloseEvent) => this.#closed(socket, event.code);
  }

  /** True when the message left; nothing is kept for later, for an order must not come late. */
  send(message: ToPlatform): boolean {
    if (!this.isOpen) return false;
    this.#socket?.send(JSON.stringify(message));
    return true;
  }

  /** The network is back or the page is looked at again: try now instead of when the wait is over. */
  wake(): void {
    if (this.#retry !== undefined) this.open();
  }

  /** Close without coming back. */
  close(): void {
    this.#quiet();
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #opened(socket: WebSocket): void {
    socket.send(JSON.stringify(this.#events.hello()));
    this.#events.onLink("open");
    this.#heartbeat = setInterval(() => this.#ping(), PING_EVERY_MS);
  }

  #received(data: unknown): void {
    clearTimeout(this.#silence);
    this.#silence = undefined;
    this.#attempt = 0;
    const message = typeof data === "string" ? parseFrame(data) : null;
    if (message !== null && message.type !== "pong") this.#events.onMessage(message);
  }

  #ping(): void {
    this.send({ type: "ping" });
    this.#silence ??= setTimeout(() => this.#lost(), ANSWER_WITHIN_MS);
  }

  #closed(socket: WebSocket, code: number): void {
    if (socket !== this.#socket) return;
    const forGood = Object.values(CLOSED_FOR_GOOD).some((known) => known === code);
    if (forGood) {
      this.close();
      this.#events.onClosedForGood(code);
    } else {
      this.#lost();
    }
  }

  #lost(): void {
    this.close();
    this.#events.onLink("lost");
    this.#retry = setTimeout(() => this.open(), waitBefore(this.#attempt, Math.random()));
    this.#attempt += 1;
  }

  #quiet(): void {
    clearTimeout(this.#retry);
    clearInterval(this.#heartbeat);
    clearTimeout(this.#silence);
    this.#retry = undefined;
    this.#silence = undefined;
  }
}
