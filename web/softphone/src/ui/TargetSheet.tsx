/** Whom to add or to transfer to: an agent of the account, found by name, on the softphone or the phone, or any number. */
import { useEffect, useState } from "preact/hooks";
import { say } from "../language/language";
import { canGive, isPending } from "../orders";
import type { Call, FoundAgent, OrderName, Target } from "../protocol";
import type { Softphone } from "../softphone";
import type { View } from "../view";
import { Handset, Headset, Search } from "./icons";
import { Name } from "./Name";
import { OrderRefusal } from "./OrderRefusal";
import { Sheet } from "./Sheet";

interface Props {
  name: "add" | "transfer";
  view: View;
  call: Call;
  softphone: Softphone;
}

/** Typing is followed, but not every letter is asked for. */
const AFTER_TYPING_MS = 150;

export function TargetSheet({ name, view, call, softphone }: Props) {
  const [directly, setDirectly] = useState(false);
  const joins = name === "add" && call.allowed.includes("add");
  const order = orderFor(name, joins && (directly || !call.allowed.includes("consult")));
  const enabled = canGive(call, view.orders, order);
  const give = (to: Target) => softphone.errands.give(order, { to });
  return (
    <Sheet name={name} title={say(name === "add" ? "addTitle" : "transferTitle")} onClose={() => softphone.open(null)}>
      {joins && call.allowed.includes("consult") ? (
        <HowToAdd directly={directly} choose={setDirectly} />
      ) : (
        <p class="small">{say(name === "add" ? "addHint" : "transferHint")}</p>
      )}
      <OrderRefusal
        view={view}
        softphone={softphone}
        of={(one) => one === "consult" || one === "add" || one === "transfer"}
      />
      {isPending(view.orders, order) && <p class="small">{say("pending")}</p>}
      <AgentSearch view={view} softphone={softphone} enabled={enabled} give={give} />
      <NumberField enabled={enabled} label={say(name === "add" ? "callNumber" : "transferNumber")} give={give} />
    </Sheet>
  );
}

function orderFor(name: Props["name"], directly: boolean): OrderName {
  if (name === "transfer") return "transfer";
  return directly ? "add" : "consult";
}

function HowToAdd({ directly, choose }: { directly: boolean; choose: (directly: boolean) => void }) {
  const options = [
    [false, "consultFirst"],
    [true, "addDirectly"],
  ] as const;
  return (
    <fieldset class="choice">
      <legend class="visually-hidden">{say("howToAdd")}</legend>
      {options.map(([value, key]) => (
        <label key={key}>
          <input
            type="radio"
            name="how"
            data-testid={key}
            checked={directly === value}
            onChange={() => choose(value)}
          />
          {say(key)}
        </label>
      ))}
    </fieldset>
  );
}

interface Giving {
  enabled: boolean;
  give: (to: Target) => void;
}

function AgentSearch({ view, softphone, enabled, give }: Giving & { view: View; softphone: Softphone }) {
  const [query, setQuery] = useState("");
  useEffect(() => {
    const timer = setTimeout(() => softphone.errands.find(query.trim()), query === "" ? 0 : AFTER_TYPING_MS);
    return () => clearTimeout(timer);
  }, [query, softphone]);
  const { agents, ref } = view.search;
  const found = agents?.filter((agent) => agent.crm_username !== view.agent) ?? null;
  return (
    <>
      <label class="field">
        <span>{say("findAgent")}</span>
        <span class="with-icon">
          <Search />
          <input
            type="search"
            data-testid="agent-query"
            autocomplete="off"
            autocapitalize="none"
            spellcheck={false}
            maxLength={64}
            value={query}
            onInput={(event) => setQuery(event.currentTarget.value)}
          />
        </span>
      </label>
      <p class="small found-count" aria-live="polite" data-testid="found-count">
        {foundLine(found, ref !== null)}
      </p>
      <ul class="agents" data-testid="agents">
        {found?.map((agent) => (
          <AgentRow key={agent.crm_username} agent={agent} enabled={enabled} give={give} />
        ))}
      </ul>
    </>
  );
}

function foundLine(found: readonly FoundAgent[] | null, asking: boolean): string {
  if (found === null) return asking ? say("searching") : "";
  return found.length === 0 ? say("noAgents") : say("agentsFound", { n: found.length });
}

const PRESENCE = {
  offline: "presenceOffline",
  ready: "presenceReady",
  busy: "presenceBusy",
  wrap_up: "presenceWrapUp",
  asleep: "presenceAsleep",
} as const;

function AgentRow({ agent, enabled, give }: Giving & { agent: FoundAgent }) {
  const who = agent.crm_username;
  const rings = agent.presence === "ready";
  return (
    <li class="agent-row" data-testid="agent-row" data-agent={who}>
      <span class={`presence-dot ${agent.presence}`} aria-hidden="true" />
      <span class="person-text">
        <span class="person-name">
          <Name text={who} />
        </span>
        <span class="person-state">{say(PRESENCE[agent.presence] ?? "presenceOffline")}</span>
      </span>
      <button
        type="button"
        class="icon-button"
        data-testid="to-softphone"
        aria-label={say("callSoftphoneOf", { who })}
        title={say("callSoftphone")}
        aria-disabled={!enabled || !rings}
        onClick={() => enabled && rings && give({ crm_username: who })}
      >
        <Headset />
      </button>
      {agent.has_phone && (
        <button
          type="button"
          class="icon-button"
          data-testid="to-phone"
          aria-label={say("callPhoneOf", { who })}
          title={say("callPhone")}
          aria-disabled={!enabled}
          onClick={() => enabled && give({ phone_of: who })}
        >
          <Handset />
        </button>
      )}
    </li>
  );
}

function NumberField({ enabled, give, label }: Giving & { label: string }) {
  const [number, setNumber] = useState("");
  const wanted = number.trim();
  const submit = (event: Event) => {
    event.preventDefault();
    if (enabled && wanted !== "") give({ number: wanted });
  };
  return (
    <form class="number-form" onSubmit={submit}>
      <label class="field">
        <span>{say("anyNumber")}</span>
        <input
          type="tel"
          data-testid="number"
          autocomplete="off"
          maxLength={40}
          placeholder={say("numberExample")}
          value={number}
          onInput={(event) => setNumber(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="button primary" data-testid="to-number" aria-disabled={!enabled || wanted === ""}>
        <Handset />
        {label}
      </button>
    </form>
  );
}
