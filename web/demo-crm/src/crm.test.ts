import { describe, expect, it } from "vitest";
import { type Customer, sayAnswer } from "./api";
import { launchLink } from "./launch-link";
import { customerOf, durationWords, keyOf, statusTone, statusWord } from "./results";

const ASHA: Customer = {
  name: "Asha Rao",
  company: "Monsoon Travels",
  number: "+919876543210",
  number_name: "speech",
  description: "",
};

it("writes the link of the integration guide, every value encoded", () => {
  const parts = {
    base: "https://pbx.test/",
    agent: "agent.017",
    key: "k&y",
    to: "+919876543210",
    from: "+912240001234",
  };
  expect(launchLink(parts)).toBe(
    "https://pbx.test/CRM_API/webphone/launch?crm_username=agent.017&api_key=k%26y&to_number=%2B919876543210&from_number=%2B912240001234",
  );
});

describe("results", () => {
  it("finds the customer however the number was written", () => {
    for (const customer_number of ["+919876543210", "919876543210", "+91 98765 43210", "9876543210"]) {
      expect(customerOf({ customer_number }, [ASHA])).toBe(ASHA);
    }
    expect(customerOf({ customer_number: "10" }, [ASHA])).toBeUndefined();
    expect(customerOf({}, [ASHA])).toBeUndefined();
  });

  it.each([
    ["ANSWER", "Answered", "good"],
    ["NO_ANSWER", "No answer", "warn"],
    ["BUSY", "Busy", "warn"],
    ["FAILED", "Failed", "bad"],
    ["CANCELED", "Canceled", "calm"],
    ["NEWER", "NEWER", "calm"],
  ])("%s is shown as %s", (status, word, tone) => {
    expect(statusWord(status)).toBe(word);
    expect(statusTone(status)).toBe(tone);
  });

  it("says how long people talked", () => {
    expect(durationWords({ duration: 150 })).toBe("Talked 2:30");
    expect(durationWords({ duration: 0 })).toBe("Not connected");
  });

  it("keeps one delivery one row", () => {
    const callback = { received_at: "2026-07-03T10:02:30Z", headers: {}, body: { call_id: "1" } };
    expect(keyOf(callback)).toBe(keyOf({ ...callback }));
  });
});

describe("the server API's answer", () => {
  it("is a call, or a problem with its remedy", () => {
    expect(sayAnswer(201, { call_id: "1" }).ok).toBe(true);
    const problem = { title: "The agent's softphone is not open", remedy: "The agent opens the softphone" };
    expect(sayAnswer(409, problem)).toEqual({
      ok: false,
      text: "The agent's softphone is not open. The agent opens the softphone.",
    });
    expect(sayAnswer(502, null).text).toContain("502");
  });
});
