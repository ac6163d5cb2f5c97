/** The soft ring of a call that waits for an answer: two tones made by Web Audio, no file. Silent where sound is not allowed yet. */

/** A falling third, quiet: an agent has a headset on. */
const TONES_HZ = [784, 659] as const;
const TONE_S = 0.35;
const PAUSE_MS = 3000;
const LOUDNESS = 0.08;

export class Ring {
  readonly #create: () => AudioContext;
  #context: AudioContext | null = null;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(create = () => new AudioContext()) {
    this.#create = create;
  }

  get isRinging(): boolean {
    return this.#timer !== undefined;
  }

  start(): void {
    if (this.isRinging) return;
    this.#context = this.#create();
    this.#sound();
    this.#timer = setInterval(() => this.#sound(), PAUSE_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    void this.#context?.close();
    this.#context = null;
  }

  #sound(): void {
    const context = this.#context;
    if (context === null) return;
    // Without a click on the page before, a browser may keep it suspended: the ring is seen then, and heard from the first click on.
    if (context.state === "suspended") void context.resume();
    TONES_HZ.forEach((hertz, at) => {
      tone(context, hertz, context.currentTime + at * TONE_S);
    });
  }
}

function tone(context: AudioContext, hertz: number, start: number): void {
  const oscillator = context.createOscillator();
  const volume = context.createGain();
  oscillator.frequency.value = hertz;
  volume.gain.setValueAtTime(0, start);
  volume.gain.linearRampToValueAtTime(LOUDNESS, start + 0.03);
  volume.gain.exponentialRampToValueAtTime(0.0001, start + TONE_S);
  oscillator.connect(volume).connect(context.destination);
  oscillator.start(start);
  oscillator.stop(start + TONE_S);
}
