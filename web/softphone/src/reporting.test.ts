import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Figures, figuresOf, type Reported, watch } from "./reporting";

class Connection extends EventTarget {
  iceConnectionState: RTCIceConnectionState = "new";
  connectionState = "connected";
  stats: unknown[] = [];
  getStats = async () => new Map(this.stats.map((stat, index) => [String(index), stat]));
  become(state: RTCIceConnectionState): void {
    this.iceConnectionState = state;
    this.dispatchEvent(new Event("iceconnectionstatechange"));
  }
}

const VOICE = { type: "inbound-rtp", kind: "audio", packetsReceived: 200, packetsLost: 2, jitter: 0.0042 };

describe("what a page tells of its side of a call", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("tells the way of the voice, and at the end how it arrived", async () => {
    const told: [Reported, Figures][] = [];
    const connection = new Connection();
    const stop = watch(connection as unknown as RTCPeerConnection, (what, figures) => told.push([what, figures]));
    for (const state of ["checking", "connected", "disconnected", "failed", "closed"] as const)
      connection.become(state);
    connection.stats = [VOICE, { type: "remote-inbound-rtp", roundTripTime: 0.05 }];
    await vi.advanceTimersByTimeAsync(5000);
    connection.connectionState = "closed";
    connection.stats = [];
    await vi.advanceTimersByTimeAsync(5000);
    stop();
    connection.become("failed");
    expect(told).toEqual([
      ["ice_connected", {}],
      ["ice_disconnected", {}],
      ["ice_failed", {}],
      ["quality", { packets: 200, lost: 2, jitter_ms: 4.2, rtt_ms: 50 }],
    ]);
  });

  it("has nothing to tell of a voice that never came", () => {
    const told: Reported[] = [];
    watch(new Connection() as unknown as RTCPeerConnection, (what) => told.push(what))();
    expect(told).toEqual([]);
    expect(figuresOf([])).toBeNull();
    expect(figuresOf([{ ...VOICE, packetsLost: -3 }])).toEqual({ packets: 200, lost: 0, jitter_ms: 4.2 });
  });
});
