/** Who sells, which caller ID the customer sees, which phone the server API rings. */
import { groupDigits } from "../../../shared/numbers";
import type { Config } from "../api";
import type { Crm, ServerRings } from "../crm";

export function Settings({ crm, config }: { crm: Crm; config: Config }) {
  const phone = crm.agent.value?.agent_number || null;
  return (
    <section class="settings" aria-label="Who calls, and how">
      <label>
        <span>Agent</span>
        <select
          data-testid="agent"
          value={crm.agentName.value}
          onChange={(event) => {
            crm.agentName.value = event.currentTarget.value;
          }}
        >
          {config.agents.map((agent) => (
            <option key={agent.crm_username} value={agent.crm_username}>
              {agent.name} · {agent.crm_username}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Caller ID</span>
        <select
          data-testid="caller-id"
          value={crm.callerId.value}
          onChange={(event) => {
            crm.callerId.value = event.currentTarget.value;
          }}
        >
          {config.caller_ids.map((number) => (
            <option key={number} value={number}>
              {groupDigits(number)}
            </option>
          ))}
        </select>
      </label>
      <label>
        <span>Server API rings</span>
        <select
          data-testid="server-rings"
          value={crm.serverRings.value}
          onChange={(event) => {
            crm.serverRings.value = event.currentTarget.value as ServerRings;
          }}
        >
          <option value="softphone">the open softphone</option>
          <option value="phone" disabled={phone === null}>
            the agent's phone{phone === null ? " (none)" : `, ${groupDigits(phone)}`}
          </option>
        </select>
      </label>
    </section>
  );
}
