import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { waitBefore } from "./backoff";
import type { FromPlatform } from "./protocol";
import { type LinkState, PlatformSocket } from "./socket";

/** The far end of a WebSocket, played by the test. */
class Wire {
  readyState = 0;
  readonly sent: { type: string }[] = [];
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;

  send(text: string): void {
    this.sent.push(JSON.parse(text));
  }

  close(): void {
    this.readyState = 3;
  }

  opens(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  says(message: FromPlatform): void {
    this.onmessage?.({ data: JSON.stringify(message) });
  }

  breaks(code = 1006): void {
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

function opened() {
  const wires: Wire[] = [];
  const heard: FromPlatform[] = [];
  const links: LinkState[] = [];
  const ends: number[] = [];
  const socket = new PlatformSocket(
    "ws://test/softphone/socket",
    {
      hello: () => ({ type: "hello", tab: "tab", page: "page", ticket: null, visible: true, voice: false }),
      onMessage: (message) => heard.push(message),
      onLink: (state) => links.push(state),
      onClosedForGood: (code) => ends.push(code),
    },
    () => {
      const wire = new Wire();
      wires.push(wire);
      return wire as unknown as WebSocket;
    },
  );
  socket.open();
  const wire = () => wires.at(-1) as Wire;
  return { socket, wires, wire, heard, links, ends };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("PlatformSocket", () => {
  it("says hello first and hands over what it hears", () => {
    const { wire, heard, links } = opened();
    wire().opens();
    wire().says({ type: "engine", ready: false });
    wire().onmessage?.({ data: "no json" });
    wire().onmessage?.({ data: JSON.stringify({ type: "from_the_future" }) });
    expect(wire().sent.map(({ type }) => type)).toEqual(["hello"]);
    expect(heard).toEqual([{ type: "engine", ready: false }]);
    expect(links).toEqual(["connecting", "open"]);
  });

  it("comes back after a loss, later each time, and at once when woken", () => {
    const { socket, wires, wire, links } = opened();
    wire().breaks();
    expect(links.at(-1)).toBe("lost");
    vi.advanceTimersByTime(100);
    expect(wires).toHaveLength(1);
    vi.advanceTimersByTime(200);
    expect(wires).toHaveLength(2);
    for (let attempt = 0; attempt < 8; attempt += 1) {
      wire().breaks();
      vi.advanceTimersByTime(10_000);
    }
    wire().breaks();
    vi.advanceTimersByTime(4900);
    const before = wires.length;
    socket.wake();
    expect(wires).toHaveLength(before + 1);
  });

  it("notices a connection that is dead without saying so", () => {
    const { wire, wires } = opened();
    wire().opens();
    vi.advanceTimersByTime(20_000);
    expect(wire().sent.at(-1)).toEqual({ type: "ping" });
    wire().says({ type: "pong" });
    vi.advanceTimersByTime(20_000);
    expect(wires).toHaveLength(1);
    vi.advanceTimersByTime(10_300);
    expect(wires).toHaveLength(2);
  });

  it.each([4401, 4403, 4409])("stays closed after %d", (code) => {
    const { wire, wires, ends } = opened();
    wire().opens();
    wire().breaks(code);
    vi.advanceTimersByTime(60_000);
    expect(ends).toEqual([code]);
    expect(wires).toHaveLength(1);
  });

  it("sends no order into a closed connection, nor later", () => {
    const { socket, wire } = opened();
    expect(socket.send({ type: "dial", ticket: "t" })).toBe(false);
    wire().opens();
    expect(wire().sent.map(({ type }) => type)).toEqual(["hello"]);
    expect(socket.send({ type: "ready" })).toBe(true);
  });
});

it("waits longer and longer, spread, never above ten seconds", () => {
  expect([0, 1, 2, 3, 10, 1000].map((attempt) => waitBefore(attempt, 0))).toEqual([125, 250, 500, 1000, 5000, 5000]);
  expect(waitBefore(0, 0.999)).toBeLessThanOrEqual(250);
  expect(waitBefore(1000, 0.999)).toBeLessThanOrEqual(10_000);
});
