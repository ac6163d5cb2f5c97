import { describe, expect, it } from "vitest";
import { ENDED, READY, TALKING, viewAfter } from "./examples";
import { isUnsaved, storedOf, writtenOf } from "./notes";
import type { View } from "./view";

const TALKED = { ...TALKING, state: "ended", end: ENDED.end, disposition: "CRM_CALL" } as const;
const CALL_ID = TALKED.call_id;
const ended = [...READY, { type: "call", call: TALKED }] as const;
const written = {
  is: "note_written",
  call_id: CALL_ID,
  written: { disposition: "Interested", notes: "Brochure" },
} as const;
const sent = { is: "note_sent", ref: "r1" } as const;
const noted = { type: "noted", ref: "r1", call_id: CALL_ID, disposition: "Interested", notes: "Brochure" } as const;

const stored = (view: View) => storedOf(TALKED, view.wrapUp);
const unsaved = (view: View) => isUnsaved(view.noting, CALL_ID, stored(view));
const shown = (view: View) => writtenOf(view.noting, CALL_ID, stored(view));

describe("what is written about a call", () => {
  it("begins with what the platform has, wrap-up's word last", () => {
    expect(shown(viewAfter(...ended))).toEqual({ disposition: "CRM_CALL", notes: "" });
    const wrapUp = { type: "wrap_up", call_id: CALL_ID, until: null, disposition: "Busy", notes: "again" } as const;
    expect(shown(viewAfter(...ended, wrapUp))).toEqual({ disposition: "Busy", notes: "again" });
    expect(shown(viewAfter(...ended, { ...wrapUp, call_id: "call-0" }))).toEqual({
      disposition: "CRM_CALL",
      notes: "",
    });
  });

  it("is unsaved from the first letter until it is sent, and stays in the form throughout", () => {
    expect(unsaved(viewAfter(...ended))).toBe(false);
    expect(unsaved(viewAfter(...ended, written))).toBe(true);
    expect(unsaved(viewAfter(...ended, written, sent))).toBe(false);
    const view = viewAfter(...ended, written, sent, noted);
    expect(unsaved(view)).toBe(false);
    expect(shown(view)).toEqual(written.written);
    expect(view.noting.ref).toBeNull();
  });

  it("outlives the end of the call", () => {
    const view = viewAfter(...READY, { type: "call", call: TALKING }, written, { type: "call", call: TALKED });
    expect(shown(view)).toEqual(written.written);
    expect(unsaved(view)).toBe(true);
  });

  it("that was refused, or lost with the connection, is unsaved again, with the reason", () => {
    const refused = {
      type: "refused",
      ref: "r1",
      call: null,
      code: "invalid_field",
      title: "",
      detail: "",
      remedy: "",
    } as const;
    for (const failure of [refused, { is: "link", state: "lost" } as const]) {
      const view = viewAfter(...ended, written, sent, failure);
      expect(unsaved(view)).toBe(true);
      expect(view.noting.refusal).not.toBeNull();
      expect(view.refusal).toBeNull();
      expect(viewAfter(...ended, written, sent, failure, written).noting.refusal).toBeNull();
    }
  });

  it("belongs to its own call", () => {
    const view = viewAfter(...ended, { ...written, call_id: "call-0" });
    expect(shown(view)).toEqual({ disposition: "CRM_CALL", notes: "" });
    expect(unsaved(view)).toBe(false);
  });
});
