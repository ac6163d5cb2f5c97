import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { Ring } from "./ring";

/** As much of Web Audio as the ring uses; counts tones. */
class Sound {
  tones = 0;
  closed = false;
  state = "running";
  currentTime = 0;
  destination = {};
  resume = vi.fn(async () => {});
  readonly #node = { connect: () => ({ connect: () => {} }), frequency: { value: 0 }, start: () => {}, stop: () => {} };

  createOscillator() {
    this.tones += 1;
    return this.#node;
  }

  createGain() {
    const gain = {
      setValueAtTime: () => {},
      linearRampToValueAtTime: () => {},
      exponentialRampToValueAtTime: () => {},
    };
    return { gain, connect: () => {} };
  }

  async close() {
    this.closed = true;
  }
}

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

it("rings on until it is stopped, and only once at a time", () => {
  const sound = new Sound();
  const ring = new Ring(() => sound as unknown as AudioContext);
  ring.start();
  ring.start();
  expect(sound.tones).toBe(2);
  vi.advanceTimersByTime(6000);
  expect(sound.tones).toBe(6);
  ring.stop();
  vi.advanceTimersByTime(60_000);
  expect(sound.tones).toBe(6);
  expect(sound.closed).toBe(true);
  expect(ring.isRinging).toBe(false);
});

it("asks the browser for sound as long as it keeps it back", () => {
  const sound = new Sound();
  sound.state = "suspended";
  const ring = new Ring(() => sound as unknown as AudioContext);
  ring.start();
  vi.advanceTimersByTime(3000);
  expect(sound.resume).toHaveBeenCalledTimes(2);
  ring.stop();
});
