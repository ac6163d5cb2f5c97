/** What the page knows: the CRM's data, the received results, the seller's choices. */
import { computed, signal } from "@preact/signals";
import {
  type Agent,
  type Callback,
  type Config,
  type Customer,
  type DialAnswer,
  fetchCallbacks,
  fetchConfig,
  orderDial,
} from "./api";
import { launchLink } from "./launch-link";
import { customerOf, keyOf, statusWord } from "./results";

const LOOK_EVERY_MS = 1000;

/** Which phone the server API rings on our side. */
export type ServerRings = "softphone" | "phone";

export class Crm {
  readonly config = signal<Config | null>(null);
  readonly callbacks = signal<readonly Callback[]>([]);
  readonly reachable = signal(true);
  readonly agentName = signal("");
  readonly callerId = signal("");
  readonly serverRings = signal<ServerRings>("softphone");
  readonly answer = signal<(DialAnswer & { readonly to: string }) | null>(null);
  readonly dialing = signal<string | null>(null);
  /** Said to screen readers when a result arrives. */
  readonly news = signal("");

  readonly agent = computed<Agent | null>(() => {
    const agents = this.config.value?.agents ?? [];
    return agents.find((agent) => agent.crm_username === this.agentName.value) ?? agents[0] ?? null;
  });

  /** Ask again each second while somebody looks; a lost server is asked again too. */
  async run(document: Document): Promise<never> {
    for (;;) {
      if (document.visibilityState === "visible") await this.#look();
      await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY_MS));
    }
  }

  linkTo(customer: Customer): string {
    const config = this.config.value;
    if (config === null) return "";
    const agent = this.agent.value?.crm_username ?? "";
    const from = this.callerId.value;
    return launchLink({ base: config.base_url, agent, key: config.browser_key, to: customer.number, from });
  }

  async dialByServer(customer: Customer): Promise<void> {
    const agent = this.agent.value;
    if (agent === null) return;
    const phone = this.serverRings.value === "phone" ? agent.agent_number || null : null;
    const side = phone === null ? { crm_username: agent.crm_username } : { agent_number: phone };
    this.dialing.value = customer.number;
    try {
      const order = { ...side, to_number: customer.number, from_number: this.callerId.value };
      this.answer.value = { to: customer.number, ...(await orderDial(order)) };
    } catch {
      this.answer.value = { to: customer.number, ok: false, text: "The demo CRM's own server does not answer." };
    }
    this.dialing.value = null;
  }

  async #look(): Promise<void> {
    try {
      if (this.config.value === null) this.#adopt(await fetchConfig());
      this.#receive(await fetchCallbacks());
      this.reachable.value = true;
    } catch {
      this.reachable.value = false;
    }
  }

  #adopt(config: Config): void {
    this.config.value = config;
    this.agentName.value = config.agents[0]?.crm_username ?? "";
    this.callerId.value = config.caller_ids[0] ?? "";
  }

  #receive(callbacks: readonly Callback[]): void {
    const before = this.callbacks.value;
    const newest = callbacks[0];
    if (newest === undefined || (before[0] !== undefined && keyOf(newest) === keyOf(before[0]))) return;
    this.callbacks.value = callbacks;
    const who = customerOf(newest.body, this.config.value?.customers ?? [])?.name ?? "Call";
    if (before.length > 0 || callbacks.length === 1) this.news.value = `${who}: ${statusWord(newest.body.status)}`;
  }
}
