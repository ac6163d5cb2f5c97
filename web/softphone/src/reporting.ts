/**
 * Tells the platform how this page's side of a call goes, for the call's timeline: the way of the voice, the microphone, and at
 * the end how the voice arrived (W3C webrtc-stats, `inbound-rtp`). Changes nothing in the call.
 */
export type Reported = "microphone_ended" | "ice_connected" | "ice_disconnected" | "ice_failed" | "quality";

export interface Figures {
  readonly packets?: number;
  readonly lost?: number;
  readonly jitter_ms?: number;
  readonly rtt_ms?: number;
}

export type Tell = (what: Reported, figures: Figures) => void;

const SAMPLE_MS = 5000;

const WAYS: Partial<Record<RTCIceConnectionState, Reported>> = {
  connected: "ice_connected",
  disconnected: "ice_disconnected",
  failed: "ice_failed",
};

interface Stat {
  readonly type: string;
  readonly kind?: string;
  readonly packetsReceived?: number;
  readonly packetsLost?: number;
  readonly jitter?: number;
  readonly roundTripTime?: number;
}

/** Watch one connection; the returned function tells the figures and stops. Its last sample is at most five seconds old. */
export function watch(connection: RTCPeerConnection, tell: Tell): () => void {
  let last: Figures | null = null;
  const sample = async () => {
    if (connection.connectionState === "closed") return;
    last = figuresOf((await connection.getStats()).values() as Iterable<Stat>) ?? last;
  };
  const moved = () => {
    const what = WAYS[connection.iceConnectionState];
    if (what === undefined) return;
    tell(what, {});
    void sample();
  };
  connection.addEventListener("iceconnectionstatechange", moved);
  const timer = setInterval(() => void sample(), SAMPLE_MS);
  return () => {
    clearInterval(timer);
    connection.removeEventListener("iceconnectionstatechange", moved);
    if (last !== null) tell("quality", last);
  };
}

/** What the reports of a connection say of the voice that arrived; null before any did. */
export function figuresOf(stats: Iterable<Stat>): Figures | null {
  let figures: Figures | null = null;
  let rtt: number | undefined;
  for (const stat of stats) {
    if (stat.type === "inbound-rtp" && stat.kind === "audio") {
      figures = {
        packets: stat.packetsReceived ?? 0,
        lost: Math.max(stat.packetsLost ?? 0, 0),
        jitter_ms: milliseconds(stat.jitter ?? 0),
      };
    }
    if (stat.type === "remote-inbound-rtp" && stat.roundTripTime !== undefined) rtt = milliseconds(stat.roundTripTime);
  }
  return figures === null || rtt === undefined ? figures : { ...figures, rtt_ms: rtt };
}

function milliseconds(seconds: number): number {
  return Math.round(seconds * 10_000) / 10;
}
