/** In which language the page speaks: the browser's until somebody chooses, then the chosen one, remembered. */
import { signal } from "@preact/signals";
import { type Catalog, filled, type Key, type Values } from "./catalog";
import { english } from "./english";
import { hindi } from "./hindi";
import { type PlatformWords, platformInHindi } from "./platform-words";

export const LANGUAGES = { en: "English", hi: "हिन्दी" } as const;
export type Language = keyof typeof LANGUAGES;

const CATALOGS: Record<Language, Catalog> = { en: english, hi: hindi };
/** The platform itself speaks English. */
const PLATFORM: Record<Language, PlatformWords | null> = { en: null, hi: platformInHindi };
const RULES: Record<Language, Intl.PluralRules> = { en: new Intl.PluralRules("en"), hi: new Intl.PluralRules("hi") };
const CHOICE_KEY = "intellicall.language";

/** Whoever reads it through `say` is drawn again when it changes. */
export const language = signal<Language>("en");

/** A sentence of the page in its language. */
export function say<K extends Key>(key: K, ...values: Values<K>): string {
  const spoken = language.value;
  return filled(CATALOGS[spoken][key], values[0], RULES[spoken]);
}

/** What the platform says by reason or code, in the page's language; null where its own English serves. */
export function platformWords(kind: keyof PlatformWords, code: string): { title: string; remedy: string } | null {
  return PLATFORM[language.value]?.[kind][code] ?? null;
}

/** The remembered language, else the first of the browser's that this page speaks, else English. */
export function firstLanguage(remembered: string | null, preferred: readonly string[]): Language {
  const wanted = [remembered, ...preferred.map((tag) => tag.split("-")[0]?.toLowerCase())];
  return wanted.find(isLanguage) ?? "en";
}

export function startLanguage(storage: Storage, preferred: readonly string[]): void {
  language.value = firstLanguage(storage.getItem(CHOICE_KEY), preferred);
}

export function chooseLanguage(chosen: string, storage: Storage): void {
  if (!isLanguage(chosen)) return;
  language.value = chosen;
  storage.setItem(CHOICE_KEY, chosen);
}

function isLanguage(name: string | null | undefined): name is Language {
  return name === "en" || name === "hi";
}
