/** What the page was opened with: the one-time ticket of a click, and which tab this is. */

const TICKET_KEY = "intellicall.ticket";
/** What a ticket looks like; anything else in the address is not ours to send. */
const TICKET = /^[A-Za-z0-9_-]{16,64}$/;
const TAB_KEY = "intellicall.tab";

/**
 * The ticket from the address (which it leaves at once, history included), or the one that a reload interrupted.
 * It stays in this tab's storage until the click has become a call: allowing the microphone may need a reload.
 */
export function takeTicket(location: Location, history: History, storage: Storage): string | null {
  const ticket = new URLSearchParams(location.hash.slice(1)).get("ticket");
  if (location.hash !== "") history.replaceState(null, "", location.pathname + location.search);
  if (ticket !== null && TICKET.test(ticket)) storage.setItem(TICKET_KEY, ticket);
  return storage.getItem(TICKET_KEY);
}

export function forgetTicket(storage: Storage): void {
  storage.removeItem(TICKET_KEY);
}

/**
 * This tab's random name, the same after a reload and after another click that came into this tab. Duplicating a tab copies its
 * storage, and browsers call that arrival `back_forward`: only then the name counts only if nobody else holds its lock. `locks` is
 * missing on insecure pages.
 */
export async function tabName(
  storage: Storage,
  locks: LockManager | undefined,
  arrival: NavigationTimingType,
  random: () => string,
): Promise<string> {
  const kept = storage.getItem(TAB_KEY);
  if (kept !== null && (arrival !== "back_forward" || (await isFree(kept, locks)))) {
    hold(kept, locks);
    return kept;
  }
  const fresh = random();
  storage.setItem(TAB_KEY, fresh);
  hold(fresh, locks);
  return fresh;
}

/** A page that was left a moment ago may need that long to let go. */
const FREE_WITHIN_MS = 300;

function isFree(name: string, locks: LockManager | undefined): Promise<boolean> {
  if (locks === undefined) return Promise.resolve(true);
  const signal = AbortSignal.timeout(FREE_WITHIN_MS);
  return locks.request(lockOf(name), { signal }, () => true).catch(() => false);
}

/** Hold the name's lock as long as the page lives. */
function hold(name: string, locks: LockManager | undefined): void {
  locks?.request(lockOf(name), () => new Promise<never>(() => {})).catch(() => {});
}

function lockOf(name: string): string {
  return `intellicall.tab.${name}`;
}

/** How the page was come to, for `tabName`. */
export function arrivalOf(performance: Performance): NavigationTimingType {
  const [entry] = performance.getEntriesByType("navigation") as PerformanceNavigationTiming[];
  return entry?.type ?? "navigate";
}

/** Resolves once somebody really looks at the page: a prefetched, prerendered or background page must ring nobody. */
export function untilVisible(document: Document): Promise<void> {
  const seen = () => document.visibilityState === "visible" && !isPrerendering(document);
  if (seen()) return Promise.resolve();
  return new Promise((resolve) => {
    const look = () => {
      if (!seen()) return;
      document.removeEventListener("visibilitychange", look);
      document.removeEventListener("prerenderingchange", look);
      resolve();
    };
    document.addEventListener("visibilitychange", look);
    document.addEventListener("prerenderingchange", look);
  });
}

function isPrerendering(document: Document & { readonly prerendering?: boolean }): boolean {
  return document.prerendering === true;
}
