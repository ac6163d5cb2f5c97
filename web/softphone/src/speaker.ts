/** Lets the customer be heard, and says so when the browser wants a click first (autoplay policy). */
export class Speaker {
  readonly #element: HTMLAudioElement;
  readonly #onBlocked: (blocked: boolean) => void;

  constructor(element: HTMLAudioElement, onBlocked: (blocked: boolean) => void) {
    this.#element = element;
    this.#onBlocked = onBlocked;
  }

  play(stream: MediaStream): void {
    this.#element.srcObject = stream;
    void this.resume();
  }

  /** Try again; from a click this succeeds. */
  async resume(): Promise<void> {
    try {
      await this.#element.play();
      this.#onBlocked(false);
    } catch (error) {
      // AbortError only means that the call ended, or another stream came, before the sound began.
      if (error instanceof Error && error.name === "NotAllowedError") this.#onBlocked(true);
    }
  }

  stop(): void {
    this.#element.srcObject = null;
    this.#onBlocked(false);
  }
}
