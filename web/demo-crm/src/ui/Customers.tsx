/** The customers, each with a Dial button: a plain link, as every CRM has it. */
import { groupDigits } from "../../../shared/numbers";
import type { Config, Customer } from "../api";
import type { Crm } from "../crm";

export function Customers({ crm, config }: { crm: Crm; config: Config }) {
  return (
    <section aria-labelledby="customers-title">
      <h2 id="customers-title">Customers</h2>
      <p class="lead">Dial opens the softphone in a tab of its own, and the call starts there by itself.</p>
      <ul class="customers">
        {config.customers.map((customer) => (
          <CustomerRow key={customer.number} crm={crm} customer={customer} />
        ))}
      </ul>
    </section>
  );
}

function CustomerRow({ crm, customer }: { crm: Crm; customer: Customer }) {
  const answer = crm.answer.value?.to === customer.number ? crm.answer.value : null;
  return (
    <li class="customer" data-testid="customer" data-number-name={customer.number_name}>
      <span class="initials" aria-hidden="true">
        {initials(customer.name)}
      </span>
      <div class="person">
        <h3>
          {customer.name} <span class="company">{customer.company}</span>
        </h3>
        <p class="number">{groupDigits(customer.number)}</p>
        <p class="description">{customer.description}</p>
      </div>
      <div class="actions">
        <a
          class="button primary dial"
          data-testid={`dial-${customer.number_name}`}
          href={crm.linkTo(customer)}
          target="intellicall"
          aria-label={`Dial ${customer.name}`}
        >
          <HandsetIcon /> Dial
        </a>
        <button
          type="button"
          class="button small"
          data-testid={`server-dial-${customer.number_name}`}
          aria-label={`Dial ${customer.name} through the server API`}
          disabled={crm.dialing.value !== null}
          onClick={() => void crm.dialByServer(customer)}
        >
          Dial through the server API
        </button>
      </div>
      <p role="status" class={`answer ${answer?.ok ? "good" : "bad"}`} data-testid={`answer-${customer.number_name}`}>
        {answer?.text ?? ""}
      </p>
    </li>
  );
}

function HandsetIcon() {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d="M6.6 3.5h2.2a1 1 0 0 1 1 .8l.8 3.6a1 1 0 0 1-.5 1.1L8.2 10a12 12 0 0 0 5.8 5.8l1-1.9a1 1 0 0 1 1.1-.5l3.6.8a1 1 0 0 1 .8 1v2.2a3 3 0 0 1-3.2 3A16 16 0 0 1 3.6 6.7a3 3 0 0 1 3-3.2z" />
    </svg>
  );
}

function initials(name: string): string {
  return name
    .split(/\s+/)
    .slice(0, 2)
    .map((word) => word.charAt(0))
    .join("");
}
