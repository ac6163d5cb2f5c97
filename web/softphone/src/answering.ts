/**
 * Which incoming SIP call this page answers by itself: only one whose token the platform named over the page's own
 * authenticated connection. The two travel separate ways, so the token may come a little after the INVITE.
 */

const WAIT_MS = 2000;

export class AnswerRule {
  #expected: string | null = null;
  readonly #waiting = new Set<() => void>();

  /** The platform told of a call with this token, or (null) that there is none to answer. */
  expect(token: string | null): void {
    this.#expected = token;
    for (const look of [...this.#waiting]) look();
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
