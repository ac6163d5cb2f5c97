/** Entry: take the ticket, wait until somebody looks, start the phone. */
import { effect, signal } from "@preact/signals";
import { render } from "preact";
import { keysOf } from "./key-actions";
import { listenForKeys } from "./keyboard";
import { startLanguage } from "./language/language";
import { arrivalOf, forgetTicket, tabName, takeTicket, untilVisible } from "./launch";
import { Softphone } from "./softphone";
import "./style.css";
import { askBeforeLeaving, showInTab, tickWhileTalking } from "./tab";
import { App } from "./ui/App";

const KEYS_SWITCH = "intellicall.keys";

function element<T extends Element>(selector: string): T {
  const found = document.querySelector<T>(selector);
  if (found === null) throw new Error(`the page has no ${selector}`);
  return found;
}

function customersVoice(): HTMLAudioElement {
  const audio = document.createElement("audio");
  audio.autoplay = true;
  audio.dataset.testid = "audio";
  return document.body.appendChild(audio);
}

async function start(): Promise<void> {
  startLanguage(localStorage, navigator.languages);
  const ticket = takeTicket(location, history, sessionStorage);
  const tab = await tabName(
    sessionStorage,
    navigator.locks as LockManager | undefined,
    arrivalOf(performance),
    randomName,
  );
  const softphone = new Softphone({
    origin: location.origin,
    tab,
    page: randomName(),
    ticket,
    forgetTicket: () => forgetTicket(sessionStorage),
    isVisible: () => document.visibilityState === "visible",
    audio: customersVoice(),
    navigator,
    storage: localStorage,
  });
  void untilVisible(document).then(() => softphone.start());
  const now = signal(Date.now());
  const keysEnabled = signal(localStorage.getItem(KEYS_SWITCH) !== "off");
  effect(() => localStorage.setItem(KEYS_SWITCH, keysEnabled.value ? "on" : "off"));
  tickWhileTalking(softphone.view, now);
  showInTab(softphone.view, now, element<HTMLLinkElement>("link[rel=icon]"));
  askBeforeLeaving(softphone.view, (leaving) => softphone.leavingPage(leaving));
  listenForKeys(
    document,
    keysOf(softphone, () => keysEnabled.value),
  );
  render(<App softphone={softphone} now={now} keysEnabled={keysEnabled} />, element<HTMLElement>("#app"));
  window.addEventListener("online", () => softphone.wake());
  document.addEventListener("visibilitychange", () => document.visibilityState === "visible" && softphone.wake());
}

/** 128 random bits; `crypto.randomUUID` does not exist on insecure pages. */
function randomName(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

void start();
