/**
 * Which incoming SIP call this page takes at all: only one whose token the platform named over the page's own authenticated
 * connection. The two travel separate ways, so the token may come a little after the INVITE. Whether it is then answered at once
 * or rings until the agent has decided, the platform's `answer` says.
 */

const WAIT_MS = 2000;

export class AnswerRule {
  #expected: string | null = null;
  #decision: "answer" | "decline" | null = null;
  readonly #waiting = new Set<() => void>();
  readonly #deciding = new Set<() => void>();

  /** The platform told of a call with this token, or (null) that there is none to answer. `asks`: the agent decides. */
  expect(token: string | null, asks = false): void {
    if (token !== this.#expected) this.#decision = null;
    this.#expected = token;
    if (token !== null && !asks) this.#decision ??= "answer";
    for (const look of [...this.#waiting]) look();
    for (const look of [...this.#deciding]) look();
  }

  /** The agent has decided about the call that is expected now. */
  decide(decision: "answer" | "decline"): void {
    if (this.#expected === null) return;
    this.#decision = decision;
    for (const look of [...this.#deciding]) look();
  }

  /**
   * Resolves when it is decided whether the call with this token, which was admitted, is answered; `false` also when it is not the
   * expected one any more.
   */
  decided(token: string): Promise<boolean> {
    return new Promise((resolve) => {
      const look = () => {
        if (token === this.#expected && this.#decision === null) return;
        this.#deciding.delete(look);
        resolve(token === this.#expected && this.#decision === "answer");
      };
      this.#deciding.add(look);
      look();
    });
  }

  /** Resolves true when the token is, or within two seconds becomes, the expected one. */
  admits(token: string | null | undefined, waitMs = WAIT_MS): Promise<boolean> {
    if (!token) return Promise.resolve(false);
    if (token === this.#expected) return Promise.resolve(true);
    return new Promise((resolve) => {
      const settle = (admitted: boolean) => {
        clearTimeout(deadline);
        this.#waiting.delete(look);
        resolve(admitted);
      };
      const look = () => {
        if (token === this.#expected) settle(true);
      };
      const deadline = setTimeout(() => settle(false), waitMs);
      this.#waiting.add(look);
    });
  }
}
