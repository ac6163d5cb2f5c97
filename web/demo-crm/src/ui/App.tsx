/** The page of customers, as a salesperson's own CRM would look. */
import type { Crm } from "../crm";
import { Customers } from "./Customers";
import { Newest, Results } from "./Results";
import { Settings } from "./Settings";

export function App({ crm }: { crm: Crm }) {
  const config = crm.config.value;
  return (
    <div class="crm" data-testid="crm" data-state={config === null ? "loading" : "ready"}>
      <header>
        <div class="brand">
          <img src="/assets/northwind.svg" alt="" width="36" height="36" />
          <div>
            <h1>Northwind Sales</h1>
            <p>A demo CRM that dials with Intellicall</p>
          </div>
        </div>
        {config !== null && <Settings crm={crm} config={config} />}
      </header>
      <div role="alert">
        {!crm.reachable.value && (
          <p class="banner" data-testid="unreachable">
            The demo's server is not ready. If it was stopped, start it with <code>make demo</code>; this page comes
            back by itself.
          </p>
        )}
      </div>
      {config !== null && (
        <main>
          <Newest crm={crm} config={config} />
          <Customers crm={crm} config={config} />
          <Results crm={crm} config={config} />
        </main>
      )}
    </div>
  );
}
