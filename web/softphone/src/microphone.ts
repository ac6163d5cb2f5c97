/**
 * The microphone: permission, choice of device, loss and return. It is opened for a call, kept a little after it so that the
 * next call starts at once, then let go (the browser's recording mark goes out, a Bluetooth headset gets its music quality back).
 */
import type { MicrophoneTrouble } from "./view";

export interface Device {
  readonly id: string;
  readonly label: string;
}

export type MicrophoneNews = "asking" | "ready" | "lost" | MicrophoneTrouble;

export interface MicrophoneEvents {
  readonly onState: (state: MicrophoneNews, detail: string) => void;
  readonly onDevices: (devices: readonly Device[], current: string | null) => void;
  /** Another track took the old one's place: a device was chosen, or one came back. */
  readonly onTrack: (track: MediaStreamTrack) => void;
}

/** Opening failed; `trouble` says which way, `detail` is the browser's own word for it. */
export class MicrophoneError extends Error {
  readonly trouble: MicrophoneTrouble;

  constructor(trouble: MicrophoneTrouble, detail: string) {
    super(detail);
    this.trouble = trouble;
  }
}

const CHOICE_KEY = "intellicall.microphone";
const REST_AFTER_MS = 30_000;
const PROCESSING = { echoCancellation: true, noiseSuppression: true, autoGainControl: true, channelCount: 1 };

export class Microphone {
  readonly #events: MicrophoneEvents;
  readonly #media: MediaDevices | undefined;
  /** Asked once: its `state` stays true by itself. Null where the browser does not tell. */
  readonly #permission: Promise<PermissionStatus | null>;
  readonly #storage: Storage;
  #stream: MediaStream | null = null;
  #opening: Promise<MediaStream> | null = null;
  #resting: ReturnType<typeof setTimeout> | undefined;
  #muted = false;
  #wanted = false;
  #openings = 0;

  constructor(events: MicrophoneEvents, navigator: Navigator, storage: Storage) {
    this.#events = events;
    this.#media = navigator.mediaDevices as MediaDevices | undefined;
    this.#permission = permissionOf(navigator.permissions as Permissions | undefined);
    this.#storage = storage;
    this.#media?.addEventListener("devicechange", () => void this.#devicesChanged());
    void this.#watchPermission();
  }

  /** True when opening it will not ask the user anything. */
  async isGranted(): Promise<boolean> {
    return (await this.#permission)?.state === "granted";
  }

  /** The open microphone; opens it, asking the user when needed. Throws `MicrophoneError`. */
  open(): Promise<MediaStream> {
    this.#wanted = true;
    clearTimeout(this.#resting);
    if (this.#stream?.getAudioTracks()[0]?.readyState === "live") return Promise.resolve(this.#stream);
    if (this.#opening !== null) return this.#opening;
    const opening = this.#start().finally(() => {
      if (this.#opening === opening) this.#opening = null;
    });
    this.#opening = opening;
    return opening;
  }

  /** No call needs it any more: let go of it in half a minute, if opening it again asks nobody anything. */
  rest(): void {
    this.#wanted = false;
    this.mute(false);
    clearTimeout(this.#resting);
    this.#resting = setTimeout(() => void this.#letGo(), REST_AFTER_MS);
  }

  /** Let go at once, also of what is being opened. */
  release(): void {
    this.#wanted = false;
    this.#opening = null;
    this.#openings += 1;
    clearTimeout(this.#resting);
    for (const track of this.#stream?.getTracks() ?? []) track.stop();
    this.#stream = null;
  }

  mute(muted: boolean): void {
    this.#muted = muted;
    for (const track of this.#stream?.getAudioTracks() ?? []) track.enabled = !muted;
  }

  /** Use this device from now on, in a running call too, and remember it by its label: ids change, labels stay. */
  async choose(device: Device): Promise<void> {
    this.#storage.setItem(CHOICE_KEY, device.label);
    await this.#swap(device.id);
  }

  async #start(): Promise<MediaStream> {
    if (this.#media === undefined) throw this.#failed("insecure", "no media devices");
    const opening = this.#openings;
    if (!(await this.isGranted())) this.#events.onState("asking", "");
    const stream = await this.#ask(await this.#rememberedId());
    if (opening !== this.#openings) {
      for (const track of stream.getTracks()) track.stop();
      throw new MicrophoneError("busy", "released meanwhile");
    }
    this.#adopt(stream);
    this.#events.onState("ready", "");
    void this.#tellDevices();
    return stream;
  }

  async #ask(deviceId: string | null): Promise<MediaStream> {
    const media = this.#media;
    if (media === undefined) throw this.#failed("insecure", "no media devices");
    const device = deviceId === null ? {} : { deviceId: { ideal: deviceId } };
    try {
      return await media.getUserMedia({ audio: { ...PROCESSING, ...device }, video: false });
    } catch (error) {
      const name = error instanceof Error ? error.name : "unknown";
      throw this.#failed(troubleOf(name), name);
    }
  }

  #failed(trouble: MicrophoneTrouble, detail: string): MicrophoneError {
    this.#events.onState(trouble, detail);
    return new MicrophoneError(trouble, detail);
  }

  #adopt(stream: MediaStream): void {
    const before = this.#stream;
    this.#stream = stream;
    const track = stream.getAudioTracks()[0];
    if (track === undefined) return;
    track.enabled = !this.#muted;
    track.onended = () => void this.#ended(track);
    if (before !== null) this.#events.onTrack(track);
    for (const old of before?.getTracks() ?? []) old.stop();
  }

  /** The device was unplugged or taken away: try whatever microphone is left. */
  async #ended(track: MediaStreamTrack): Promise<void> {
    if (this.#stream?.getAudioTracks()[0] !== track) return;
    if (!this.#wanted) return this.release();
    this.#events.onState("lost", "ended");
    await this.#swap(null);
  }

  async #swap(deviceId: string | null): Promise<void> {
    try {
      this.#adopt(await this.#ask(deviceId));
      this.#events.onState("ready", "");
    } catch {
      if (this.#stream !== null) this.#events.onState("lost", "no other device");
    }
    await this.#tellDevices();
  }

  /** A replugged headset is taken up again, a lost microphone replaced by any. */
  async #devicesChanged(): Promise<void> {
    await this.#tellDevices();
    if (this.#stream === null) return;
    const track = this.#stream.getAudioTracks()[0];
    const remembered = await this.#rememberedId();
    const better = remembered !== null && remembered !== track?.getSettings().deviceId;
    if (better || track?.readyState === "ended") await this.#swap(remembered);
  }

  async #tellDevices(): Promise<void> {
    const devices = await this.#devices();
    this.#events.onDevices(devices, this.#stream?.getAudioTracks()[0]?.getSettings().deviceId ?? null);
  }

  async #devices(): Promise<Device[]> {
    const all = (await this.#media?.enumerateDevices()) ?? [];
    return all
      .filter((device) => device.kind === "audioinput" && device.label !== "" && device.deviceId !== "communications")
      .map((device) => ({ id: device.deviceId, label: device.label }));
  }

  async #rememberedId(): Promise<string | null> {
    const label = this.#storage.getItem(CHOICE_KEY);
    if (label === null) return null;
    return (await this.#devices()).find((device) => device.label === label)?.id ?? null;
  }

  async #letGo(): Promise<void> {
    if (!this.#wanted && (await this.isGranted())) this.release();
  }

  /** Allowed in the address bar while the page explains how: no second click needed. */
  async #watchPermission(): Promise<void> {
    const status = await this.#permission;
    status?.addEventListener("change", () => {
      if (status.state === "granted" && this.#wanted) void this.open().catch(() => {});
    });
  }
}

async function permissionOf(permissions: Permissions | undefined): Promise<PermissionStatus | null> {
  try {
    return (await permissions?.query({ name: "microphone" as PermissionName })) ?? null;
  } catch {
    return null; // An older browser does not know this name: then every opening may ask.
  }
}

/** getUserMedia's error names (W3C Media Capture and Streams, 10.3.1, and what browsers really throw). */
export function troubleOf(errorName: string): MicrophoneTrouble {
  switch (errorName) {
    case "NotFoundError":
    case "OverconstrainedError":
    case "DevicesNotFoundError":
      return "missing";
    case "NotReadableError":
    case "AbortError":
    case "TrackStartError":
      return "busy";
    default:
      return "denied";
  }
}
