/** What of the state shows outside the page: the tab's title and icon, its language, and the question before leaving a living call. */
import { effect, type ReadonlySignal } from "@preact/signals";
import { clockTime } from "../../shared/time";
import { language } from "./language/language";
import { isLive } from "./live-call";
import { isAsked, screenOf, talkSeconds, type View, wrapUpSeconds } from "./view";
import { tabTitle } from "./words";

/** Keep title, icon and language true. `now` is this computer's clock, milliseconds. */
export function showInTab(view: ReadonlySignal<View>, now: ReadonlySignal<number>, icon: HTMLLinkElement): void {
  const base = icon.href.replace(/icon[a-z-]*\.svg$/, "");
  effect(() => {
    const seconds = talkSeconds(view.value, now.value);
    document.title = tabTitle(view.value, seconds === null ? null : clockTime(seconds));
  });
  effect(() => {
    document.documentElement.lang = language.value;
  });
  effect(() => {
    const href = `${base}${iconFile(view.value)}`;
    if (icon.href !== href) icon.href = href;
  });
}

/** How long the page says what leaving means, once somebody has tried to. */
const WARNED_MS = 10_000;

/**
 * Ask before a living call is left. Browsers write the question themselves, so what leaving means stands on the page behind it: the call
 * is kept for a while, the customer hears music.
 */
export function askBeforeLeaving(view: ReadonlySignal<View>, warn: (leaving: boolean) => void): void {
  const ask = (event: BeforeUnloadEvent) => {
    event.preventDefault();
    warn(true);
    setTimeout(() => warn(false), WARNED_MS);
  };
  effect(() => {
    const leaves = isLive(view.value.call) && view.value.place === "here";
    if (leaves) window.addEventListener("beforeunload", ask);
    else window.removeEventListener("beforeunload", ask);
  });
}

function iconFile(view: View): string {
  if (isAsked(view)) return "icon-calling.svg";
  if (view.place === "here" && isLive(view.call))
    return view.call.answered_at === null ? "icon-calling.svg" : "icon-live.svg";
  const screen = screenOf(view);
  return screen === "microphone" || screen === "refused" ? "icon-trouble.svg" : "icon.svg";
}

/** Ticks `now` each second while somebody talks or wraps up; a stopped clock costs nothing. */
export function tickWhileTalking(view: ReadonlySignal<View>, now: { value: number }): void {
  let timer: ReturnType<typeof setInterval> | undefined;
  const isRunning = () => {
    const talking = isLive(view.value.call) && view.value.call.answered_at !== null;
    return talking || wrapUpSeconds(view.value, Date.now()) !== null;
  };
  effect(() => {
    const running = isRunning();
    if (running === (timer !== undefined)) return;
    clearInterval(timer);
    timer = undefined;
    if (!running) return;
    now.value = Date.now();
    timer = setInterval(() => {
      now.value = Date.now();
      if (isRunning()) return;
      clearInterval(timer);
      timer = undefined;
    }, 250);
  });
}
