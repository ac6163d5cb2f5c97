/** What a catalog of words is, and how a message gets its values. Pure; numerals are always 0 to 9. */
import type { english } from "./english";

/** A message that depends on a count; which form a count takes is the language's own (CLDR, Intl.PluralRules). */
export interface Plural {
  readonly one: string;
  readonly other: string;
}

export type Message = string | Plural;

export type English = typeof english;
export type Key = keyof English;

/** Every key, each of the same kind as in English. A missing or a surplus key does not compile. */
export type Catalog = { readonly [K in Key]: English[K] extends string ? string : Plural };

type SlotsIn<Text> = Text extends `${string}{${infer Name}}${infer Rest}` ? Name | SlotsIn<Rest> : never;
type Slots<M> = M extends Plural ? "n" | SlotsIn<M["other"]> : SlotsIn<M>;

/** The values that a message wants: none, or one for each name in braces; `n` decides the plural. */
export type Values<K extends Key> = [Slots<English[K]>] extends [never]
  ? []
  : [values: Readonly<Record<Slots<English[K]>, string | number>>];

/** Keys whose messages want no values. */
export type PlainKey = { [K in Key]: Values<K> extends [] ? K : never }[Key];

/** The message with its values in place. A plural goes by the value `n`. */
export function filled(
  message: Message,
  values: Readonly<Record<string, string | number>> | undefined,
  rules: Intl.PluralRules,
): string {
  const text = typeof message === "string" ? message : formOf(message, Number(values?.n), rules);
  return text.replace(/\{(\w+)\}/g, (slot, name: string) => String(values?.[name] ?? slot));
}

function formOf(message: Plural, n: number, rules: Intl.PluralRules): string {
  return rules.select(n) === "one" ? message.one : message.other;
}
