import { afterEach, describe, expect, it } from "vitest";
import documented from "../../../../docs/errors.md?raw";
import { END_REASONS } from "../../../shared/generated";
import { filled, type Message } from "./catalog";
import { english } from "./english";
import { hindi } from "./hindi";
import { chooseLanguage, firstLanguage, LANGUAGES, language, platformWords, say, startLanguage } from "./language";
import { platformInHindi } from "./platform-words";

afterEach(() => {
  language.value = "en";
});

const KEYS = Object.keys(english) as (keyof typeof english)[];
const forms = (message: Message) => (typeof message === "string" ? [message] : [message.one, message.other]);
const slots = (text: string) => [...text.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();

/** Names that Hindi keeps in Latin letters: of products, protocols, formats, keys. */
const NAMES = ["CRM", "https", "ID", "NTP", "uuid", "UDP"];

function foreignWords(text: string): string[] {
  const words = text.replace(/\{\w+\}/g, "").match(/[A-Za-z]+/g) ?? [];
  return words.filter((word) => !NAMES.includes(word));
}

describe("the catalogs", () => {
  it("have the same keys, and no empty message", () => {
    expect(Object.keys(hindi).sort()).toEqual([...KEYS].sort());
    for (const key of KEYS) {
      for (const form of [...forms(english[key]), ...forms(hindi[key])]) expect(form.trim(), key).not.toBe("");
    }
  });

  it.each(KEYS)("%s wants the same values in both languages", (key) => {
    const wanted = new Set(forms(english[key]).flatMap(slots));
    for (const form of forms(hindi[key])) expect(new Set(slots(form)), key).toEqual(wanted);
  });

  it("leave no English words in Hindi, and no numerals but 0 to 9", () => {
    const told = [...Object.values(platformInHindi.reasons), ...Object.values(platformInHindi.codes)];
    const texts = [
      ...KEYS.flatMap((key) => forms(hindi[key])),
      ...told.flatMap(({ title, remedy }) => [title, remedy]),
    ];
    expect(texts.flatMap(foreignWords)).toEqual([]);
    expect(texts.filter((text) => /[\u0966-\u096f]/.test(text))).toEqual([]);
  });

  it("say everything in Devanagari that English says in words", () => {
    const untranslated = KEYS.filter((key) =>
      forms(english[key]).some((text) => /[A-Za-z]/.test(text.replace(/\{\w+\}/g, ""))),
    ).filter((key) => !forms(hindi[key]).some((text) => /[\u0900-\u097f]/.test(text)));
    expect(untranslated).toEqual([]);
  });
});

describe("what the platform says", () => {
  it("has Hindi words for every reason of an end", () => {
    for (const reason of END_REASONS) expect(platformInHindi.reasons[reason]?.title, reason).toBeTruthy();
  });

  it("names no code that the platform does not have", () => {
    const codes = new Set([...documented.matchAll(/^\| `(\w+)` \|/gm)].map(([, code]) => code));
    expect(codes.size).toBeGreaterThan(20);
    expect(Object.keys(platformInHindi.codes).filter((code) => !codes.has(code))).toEqual([]);
  });

  it("is translated by code and reason, and stays as it is in English or when it is unknown", () => {
    expect(platformWords("codes", "agent_busy")).toBeNull();
    language.value = "hi";
    expect(platformWords("codes", "agent_busy")?.title).toBe("एजेंट दूसरी कॉल पर हैं");
    expect(platformWords("reasons", "a reason of next year")).toBeNull();
  });
});

describe("a sentence", () => {
  it("gets its values, and the plural of its language", () => {
    expect(say("calling", { who: "+1 202" })).toBe("Calling +1 202");
    expect(say("hours", { n: 0 })).toBe("0 hours");
    expect(say("hours", { n: 1 })).toBe("1 hour");
    language.value = "hi";
    expect(say("hours", { n: 0 })).toBe("0 घंटा"); // CLDR: in Hindi 0 takes the form of 1
    expect(say("hours", { n: 2 })).toBe("2 घंटे");
  });

  it("keeps what nobody gave a value for, rather than losing it", () => {
    expect(filled("Calling {who}", {}, new Intl.PluralRules("en"))).toBe("Calling {who}");
  });

  it("puts in values that look like places for values as they are", () => {
    expect(say("whoPressed", { who: "{who}$1" })).toBe("{who}$1 pressed");
  });
});

describe("the language", () => {
  const memory = () => {
    const kept = new Map<string, string>();
    return {
      getItem: (key: string) => kept.get(key) ?? null,
      setItem: (key: string, to: string) => void kept.set(key, to),
    } as Storage;
  };

  it.each([
    [null, ["hi-IN", "en"], "hi"],
    [null, ["en-IN", "hi"], "en"],
    [null, ["ta-IN", "hi-IN"], "hi"],
    [null, ["fr"], "en"],
    [null, [], "en"],
    ["en", ["hi"], "en"],
    ["hi", ["en"], "hi"],
    ["xx", ["hi"], "hi"],
  ] as const)("remembered %s, browser %j: %s", (remembered, preferred, expected) => {
    expect(firstLanguage(remembered, preferred)).toBe(expected);
  });

  it("is remembered once it is chosen", () => {
    const storage = memory();
    startLanguage(storage, ["en"]);
    chooseLanguage("hi", storage);
    expect(language.value).toBe("hi");
    startLanguage(storage, ["en"]);
    expect(language.value).toBe("hi");
    chooseLanguage("xx", storage);
    expect(language.value).toBe("hi");
    expect(Object.keys(LANGUAGES)).toEqual(["en", "hi"]);
  });
});
