import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Device, Microphone, MicrophoneError, troubleOf } from "./microphone";

class Track extends EventTarget {
  enabled = true;
  readyState: "live" | "ended" = "live";
  onended: (() => void) | null = null;
  readonly kind = "audio";
  readonly deviceId: string;

  constructor(deviceId: string) {
    super();
    this.deviceId = deviceId;
  }

  getSettings() {
    return { deviceId: this.deviceId };
  }

  stop() {
    this.readyState = "ended";
  }

  unplugged() {
    this.readyState = "ended";
    this.onended?.();
  }
}

/** A computer with these microphones, by id and label. */
class Computer extends EventTarget {
  permission = "granted";
  failure: string | null = null;
  readonly tracks: Track[] = [];
  readonly plugged = new Map<string, string>();

  constructor(...labels: string[]) {
    super();
    for (const label of labels) this.plugged.set(`id of ${label}`, label);
  }

  enumerateDevices() {
    return Promise.resolve([...this.plugged].map(([deviceId, label]) => ({ kind: "audioinput", deviceId, label })));
  }

  getUserMedia({ audio }: { audio: { deviceId?: { ideal: string } } }) {
    if (this.failure !== null) return Promise.reject(Object.assign(new Error("no"), { name: this.failure }));
    const wanted = audio.deviceId?.ideal ?? "";
    const track = new Track(this.plugged.has(wanted) ? wanted : ([...this.plugged.keys()][0] ?? "none"));
    this.tracks.push(track);
    return Promise.resolve({ getTracks: () => [track], getAudioTracks: () => [track] });
  }

  replug(label: string, there: boolean) {
    if (there) this.plugged.set(`id of ${label}`, label);
    else this.plugged.delete(`id of ${label}`);
    this.dispatchEvent(new Event("devicechange"));
  }
}

function microphoneOf(computer: Computer | undefined) {
  const states: string[] = [];
  const swapped: MediaStreamTrack[] = [];
  const shown: { devices: readonly Device[]; current: string | null }[] = [];
  const kept = new Map<string, string>();
  const storage = {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => void kept.set(key, value),
  };
  const permissions = {
    query: () => Promise.resolve(Object.assign(new EventTarget(), { state: computer?.permission ?? "prompt" })),
  };
  const microphone = new Microphone(
    {
      onState: (state) => states.push(state),
      onDevices: (devices, current) => shown.push({ devices, current }),
      onTrack: (track) => swapped.push(track),
    },
    { mediaDevices: computer, permissions } as unknown as Navigator,
    storage as unknown as Storage,
  );
  return { microphone, states, swapped, shown, kept };
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

describe("opening", () => {
  it("asks only when it was not allowed before", async () => {
    const computer = new Computer("Headset");
    computer.permission = "prompt";
    const asking = microphoneOf(computer);
    await asking.microphone.open();
    expect(asking.states).toEqual(["asking", "ready"]);
    const allowed = microphoneOf(new Computer("Headset"));
    await allowed.microphone.open();
    expect(allowed.states).toEqual(["ready"]);
  });

  it("opens once for two that want it at the same time, and not again while it is open", async () => {
    const computer = new Computer("Headset");
    const { microphone } = microphoneOf(computer);
    const [one, other] = await Promise.all([microphone.open(), microphone.open()]);
    expect(one).toBe(other);
    expect(await microphone.open()).toBe(one);
    expect(computer.tracks).toHaveLength(1);
  });

  it.each([
    ["NotAllowedError", "denied"],
    ["NotFoundError", "missing"],
    ["OverconstrainedError", "missing"],
    ["NotReadableError", "busy"],
    ["AbortError", "busy"],
    ["SecurityError", "denied"],
  ])("tells %s as %s, and works once the cause is gone", async (failure, trouble) => {
    const computer = new Computer("Headset");
    computer.failure = failure;
    const { microphone, states } = microphoneOf(computer);
    await expect(microphone.open()).rejects.toThrow(MicrophoneError);
    expect(states.at(-1)).toBe(trouble);
    expect(troubleOf(failure)).toBe(trouble);
    computer.failure = null;
    await microphone.open();
    expect(states.at(-1)).toBe("ready");
  });

  it("tells an insecure page", async () => {
    const { microphone, states } = microphoneOf(undefined);
    await expect(microphone.open()).rejects.toThrow(MicrophoneError);
    expect(states).toEqual(["insecure"]);
  });
});

describe("choice of device", () => {
  it("is remembered by label and taken at the next opening", async () => {
    const computer = new Computer("Built-in", "Headset");
    const { microphone, swapped, kept } = microphoneOf(computer);
    await microphone.open();
    await microphone.choose({ id: "id of Headset", label: "Headset" });
    expect(swapped).toHaveLength(1);
    expect(computer.tracks.map(({ deviceId, readyState }) => [deviceId, readyState])).toEqual([
      ["id of Built-in", "ended"],
      ["id of Headset", "live"],
    ]);
    expect([...kept.values()]).toEqual(["Headset"]);
    microphone.release();
    await microphone.open();
    expect(computer.tracks.at(-1)?.deviceId).toBe("id of Headset");
  });

  it("falls back when a headset is pulled in a call, and returns to it when it is back", async () => {
    const computer = new Computer("Built-in", "Headset");
    const { microphone, states } = microphoneOf(computer);
    await microphone.open();
    await microphone.choose({ id: "id of Headset", label: "Headset" });
    const headset = computer.tracks.at(-1);
    computer.plugged.delete("id of Headset");
    headset?.unplugged();
    await vi.waitFor(() => expect(states.slice(-2)).toEqual(["lost", "ready"]));
    expect(computer.tracks.at(-1)?.deviceId).toBe("id of Built-in");
    computer.replug("Headset", true);
    await vi.waitFor(() => expect(computer.tracks.at(-1)?.deviceId).toBe("id of Headset"));
  });

  it("says so when no microphone is left", async () => {
    const computer = new Computer("Headset");
    const { microphone, states } = microphoneOf(computer);
    await microphone.open();
    computer.failure = "NotFoundError";
    computer.tracks[0]?.unplugged();
    await vi.waitFor(() => expect(states.at(-1)).toBe("lost"));
  });

  it("stays muted through a change of device", async () => {
    const computer = new Computer("Built-in", "Headset");
    const { microphone } = microphoneOf(computer);
    await microphone.open();
    microphone.mute(true);
    await microphone.choose({ id: "id of Headset", label: "Headset" });
    expect(computer.tracks.at(-1)?.enabled).toBe(false);
  });
});

it("lets go of what is being opened when another tab becomes the softphone, and opens again when wanted", async () => {
  const computer = new Computer("Headset");
  const { microphone, states } = microphoneOf(computer);
  const opening = microphone.open();
  microphone.release();
  const again = microphone.open();
  await expect(opening).rejects.toThrow(MicrophoneError);
  await again;
  expect(computer.tracks.map(({ readyState }) => readyState).toSorted()).toEqual(["ended", "live"]);
  expect(states).toEqual(["ready"]);
});

describe("after a call", () => {
  it("lets go after half a minute, if opening again asks nobody", async () => {
    const computer = new Computer("Headset");
    const { microphone } = microphoneOf(computer);
    await microphone.open();
    microphone.rest();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(computer.tracks[0]?.readyState).toBe("live");
    await vi.advanceTimersByTimeAsync(2000);
    expect(computer.tracks[0]?.readyState).toBe("ended");
  });

  it("keeps it where the browser would ask again, and for a call that begins meanwhile", async () => {
    const asking = new Computer("Headset");
    asking.permission = "prompt";
    const first = microphoneOf(asking);
    await first.microphone.open();
    first.microphone.rest();
    await vi.advanceTimersByTimeAsync(40_000);
    expect(asking.tracks[0]?.readyState).toBe("live");
    const computer = new Computer("Headset");
    const second = microphoneOf(computer);
    await second.microphone.open();
    second.microphone.rest();
    await second.microphone.open();
    await vi.advanceTimersByTimeAsync(40_000);
    expect(computer.tracks[0]?.readyState).toBe("live");
  });
});
