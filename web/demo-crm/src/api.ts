/** The demo CRM's own backend: what it knows, what it received, and its one order. */

export interface Agent {
  readonly crm_username: string;
  readonly name: string;
  readonly agent_number: string | null;
}

export interface Customer {
  readonly name: string;
  readonly company: string;
  readonly number: string;
  /** The test network's name for this number, for example `tone_1000`. */
  readonly number_name: string;
  readonly description: string;
}

export interface Config {
  readonly base_url: string;
  readonly browser_key: string;
  readonly agents: readonly Agent[];
  readonly caller_ids: readonly string[];
  readonly customers: readonly Customer[];
}

/** Integration guide, section 5. Anything may be missing: what arrived is shown as it is. */
export interface CallResult {
  readonly call_id?: string;
  readonly uuid?: string;
  readonly status?: string;
  readonly duration?: number;
  readonly customer_number?: string;
  readonly agent_number?: string | null;
  readonly crm_username?: string | null;
  readonly call_type?: string;
  readonly disposition?: string;
  readonly start_time?: string;
  readonly end_time?: string;
  readonly reason?: string;
  readonly recording_url?: string | null;
}

export interface Callback {
  readonly received_at: string;
  readonly headers: Readonly<Record<string, string>>;
  /** `verified`: the platform signed it with this account's secret (Standard Webhooks). */
  readonly signature?: string;
  readonly body: CallResult;
}

export interface DialOrder {
  readonly to_number: string;
  readonly from_number: string;
  readonly crm_username?: string;
  readonly agent_number?: string;
}

export interface DialAnswer {
  readonly ok: boolean;
  readonly text: string;
}

export async function fetchConfig(): Promise<Config> {
  return (await fetchJson("/api/config")) as Config;
}

/** Newest first. */
export async function fetchCallbacks(): Promise<readonly Callback[]> {
  const json = await fetchJson("/api/callbacks");
  return Array.isArray(json) ? (json as Callback[]) : [];
}

export async function orderDial(order: DialOrder): Promise<DialAnswer> {
  const response = await fetch("/api/dial", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify(order),
  });
  return sayAnswer(response.status, await response.json().catch(() => null));
}

/** The platform's answer to POST /calls in one sentence: a call, or a problem (RFC 9457) with its remedy. */
export function sayAnswer(status: number, json: unknown): DialAnswer {
  const said = (typeof json === "object" && json !== null ? json : {}) as Record<string, unknown>;
  const text = (key: string) => (typeof said[key] === "string" ? (said[key] as string) : "");
  if (status < 300) return { ok: true, text: `Accepted (${status}). The phone on our side rings first.` };
  const words = [text("title") || `The platform answered ${status}`, text("detail"), text("remedy")];
  return {
    ok: false,
    text: words
      .filter((word) => word !== "")
      .map((word) => word.replace(/\.?$/, "."))
      .join(" "),
  };
}

async function fetchJson(path: string): Promise<unknown> {
  const response = await fetch(path, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  return response.json();
}
