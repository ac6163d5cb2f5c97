import { expect, it } from "vitest";
import { CONSULTING, RINGING, WELCOME } from "./examples";
import { parseFrame } from "./protocol";

const parse = (message: unknown) => parseFrame(JSON.stringify(message));

it("takes the platform's messages", () => {
  expect(parse(WELCOME)).toEqual(WELCOME);
  expect(parse({ ...WELCOME, sip: null, call: RINGING })).toMatchObject({ sip: null });
  expect(parse({ type: "call", call: RINGING })).toEqual({ type: "call", call: RINGING });
  expect(parse({ type: "elsewhere", launch: null, call: null })).not.toBeNull();
  expect(parse({ type: "replaced" })).not.toBeNull();
});

it("takes what it is told of live calls", () => {
  const call = parse({ type: "call", call: CONSULTING });
  expect(call).toMatchObject({ call: { state: "consulting", participants: CONSULTING.participants } });
  for (const message of [
    { type: "done", ref: "r" },
    { type: "agents", ref: "r", agents: [{ crm_username: "a", presence: "ready", has_phone: false }] },
    { type: "calls", ref: "r", calls: [], next: null },
    { type: "digit", call_id: "c", participant_id: "customer", digit: "5" },
    { type: "wrap_up", call_id: "c", until: null, disposition: null, notes: null },
    { type: "noted", ref: "r", call_id: "c", disposition: null, notes: null },
  ]) {
    expect(parse(message), message.type).toEqual(message);
  }
});

it.each([
  ["an answer without a ref", '{"type":"done"}'],
  ["agents without names", '{"type":"agents","ref":"r","agents":[{}]}'],
  ["no list of calls", '{"type":"calls","ref":"r","calls":null}'],
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
