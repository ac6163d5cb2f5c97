import { describe, expect, it } from "vitest";
import { forgetTicket, tabName, takeTicket, untilVisible } from "./launch";

const TICKET = "0123456789abcdef_-XYZ";

function storage(entries: Record<string, string> = {}): Storage {
  const map = new Map(Object.entries(entries));
  return {
    getItem: (key: string) => map.get(key) ?? null,
    setItem: (key: string, value: string) => void map.set(key, value),
    removeItem: (key: string) => void map.delete(key),
  } as unknown as Storage;
}

function opened(hash: string, kept = storage()) {
  const replaced: string[] = [];
  const history = { replaceState: (_: unknown, __: string, url: string) => replaced.push(url) } as unknown as History;
  const location = { hash, pathname: "/softphone/", search: "" } as Location;
  return { ticket: takeTicket(location, history, kept), replaced, kept };
}

describe("takeTicket", () => {
  it("takes it from the address, and out of the address", () => {
    expect(opened(`#ticket=${TICKET}`)).toMatchObject({ ticket: TICKET, replaced: ["/softphone/"] });
  });

  it("has none when the page was opened idle", () => {
    expect(opened("")).toMatchObject({ ticket: null, replaced: [] });
  });

  it("survives the reload that allowing a microphone may need, until the click is a call", () => {
    const { kept } = opened(`#ticket=${TICKET}`);
    expect(opened("", kept).ticket).toBe(TICKET);
    forgetTicket(kept);
    expect(opened("", kept).ticket).toBeNull();
  });

  it.each(["#ticket=", "#ticket=short", "#ticket=%3Cscript%3Ealert(1)%3C%2Fscript%3E", "#other=1"])(
    "ignores %s",
    (hash) => {
      expect(opened(hash)).toMatchObject({ ticket: null, replaced: ["/softphone/"] });
    },
  );
});

/** Web Locks between tabs: one holder for each name; a second request waits until its signal ends it. */
function locks() {
  const held = new Set<string>();
  const request = async (name: string, ...rest: unknown[]) => {
    const work = rest.at(-1) as () => unknown;
    const signal = rest.length > 1 ? (rest[0] as { signal: AbortSignal }).signal : null;
    if (held.has(name))
      await new Promise((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason)));
    held.add(name);
    await work();
    held.delete(name);
    return true;
  };
  return { request } as unknown as LockManager;
}

describe("tabName", () => {
  it.each(["reload", "navigate"] as const)(
    "stays the same after a %s, even while the page of before still lets go",
    async (arrival) => {
      const kept = storage();
      const all = locks();
      const first = await tabName(kept, all, "navigate", () => "one");
      expect(await tabName(kept, all, arrival, () => "two")).toBe(first);
    },
  );

  it("is another one in a duplicated tab, whose storage is a copy", async () => {
    const all = locks();
    await tabName(storage({ "intellicall.tab": "one" }), all, "navigate", () => "unused");
    expect(await tabName(storage({ "intellicall.tab": "one" }), all, "back_forward", () => "two")).toBe("two");
  });

  it("stays the same when one comes back to a tab that was left", async () => {
    expect(await tabName(storage({ "intellicall.tab": "one" }), locks(), "back_forward", () => "two")).toBe("one");
  });

  it("works where there are no locks", async () => {
    const kept = storage();
    expect(await tabName(kept, undefined, "navigate", () => "one")).toBe("one");
    expect(await tabName(kept, undefined, "back_forward", () => "two")).toBe("one");
  });
});

function page(state: { visibilityState: string; prerendering?: boolean }): Document {
  return Object.assign(new EventTarget(), state) as unknown as Document;
}

describe("untilVisible", () => {
  it("is at once for a page that somebody looks at", async () => {
    await expect(untilVisible(page({ visibilityState: "visible" }))).resolves.toBeUndefined();
  });

  it("waits for the eyes in a background or prerendered page", async () => {
    const hidden = page({ visibilityState: "hidden", prerendering: true });
    let seen = false;
    const wait = untilVisible(hidden).then(() => {
      seen = true;
    });
    Object.assign(hidden, { visibilityState: "visible" });
    hidden.dispatchEvent(new Event("visibilitychange"));
    await Promise.resolve();
    expect(seen).toBe(false);
    Object.assign(hidden, { prerendering: false });
    hidden.dispatchEvent(new Event("prerenderingchange"));
    await wait;
    expect(seen).toBe(true);
  });
});
