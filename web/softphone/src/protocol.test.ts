import { expect, it } from "vitest";
import { RINGING, WELCOME } from "./examples";
import { parseFrame } from "./protocol";

const parse = (message: unknown) => parseFrame(JSON.stringify(message));

it("takes the platform's messages", () => {
  expect(parse(WELCOME)).toEqual(WELCOME);
  expect(parse({ ...WELCOME, sip: null, call: RINGING })).toMatchObject({ sip: null });
  expect(parse({ type: "call", call: RINGING })).toEqual({ type: "call", call: RINGING });
  expect(parse({ type: "elsewhere", launch: null, call: null })).not.toBeNull();
  expect(parse({ type: "replaced" })).not.toBeNull();
});

it.each([
  ["no JSON", "{"],
  ["no object", "[]"],
  ["an unknown type", '{"type":"newer"}'],
  ["a name that every object has", '{"type":"constructor"}'],
  ["a call without a state", '{"type":"call","call":{"call_id":"1","customer_number":"+1"}}'],
  ["a call in an unknown state", '{"type":"call","call":{"call_id":"1","customer_number":"+1","state":"dreaming"}}'],
  ["no call", '{"type":"call","call":null}'],
  ["a welcome without an account", '{"type":"welcome","agent":{},"launch":null,"call":null}'],
])("passes over %s", (_, text) => {
  expect(parseFrame(text)).toBeNull();
});
