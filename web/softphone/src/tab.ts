/** What of the state shows outside the page: the tab's title and icon, and the question before leaving a living call. */
import { effect, type ReadonlySignal } from "@preact/signals";
import { clockTime } from "../../shared/time";
import { isLive, screenOf, talkSeconds, type View } from "./view";
import { tabTitle } from "./words";

/** Keep title, icon and the leaving question true. `now` is this computer's clock, milliseconds. */
export function showInTab(view: ReadonlySignal<View>, now: ReadonlySignal<number>, icon: HTMLLinkElement): void {
  const ask = (event: BeforeUnloadEvent) => event.preventDefault();
  const base = icon.href.replace(/icon[a-z-]*\.svg$/, "");
  effect(() => {
    const seconds = talkSeconds(view.value, now.value);
    document.title = tabTitle(view.value, seconds === null ? null : clockTime(seconds));
  });
  effect(() => {
    const href = `${base}${iconFile(view.value)}`;
    if (icon.href !== href) icon.href = href;
  });
  effect(() => {
    if (isLive(view.value.call)) window.addEventListener("beforeunload", ask);
    else window.removeEventListener("beforeunload", ask);
  });
}

function iconFile(view: View): string {
  if (view.place === "here" && isLive(view.call))
    return view.call.state === "talking" ? "icon-live.svg" : "icon-calling.svg";
  const screen = screenOf(view);
  return screen === "microphone" || screen === "refused" ? "icon-trouble.svg" : "icon.svg";
}

/** Ticks `now` each second while somebody talks; a stopped clock costs nothing. */
export function tickWhileTalking(view: ReadonlySignal<View>, now: { value: number }): void {
  let timer: ReturnType<typeof setInterval> | undefined;
  effect(() => {
    const talking = isLive(view.value.call) && view.value.call.answered_at !== null;
    if (talking === (timer !== undefined)) return;
    clearInterval(timer);
    timer = undefined;
    if (!talking) return;
    now.value = Date.now();
    timer = setInterval(() => {
      now.value = Date.now();
    }, 250);
  });
}
