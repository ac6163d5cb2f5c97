/** The link behind a Dial button: integration guide, section 2. */

export interface LinkParts {
  readonly base: string;
  readonly agent: string;
  readonly key: string;
  readonly to: string;
  readonly from: string;
}

/** Every value encoded, so that the plus of a number arrives as a plus. */
export function launchLink({ base, agent, key, to, from }: LinkParts): string {
  const query = { crm_username: agent, api_key: key, to_number: to, from_number: from };
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  return `${base.replace(/\/$/, "")}/CRM_API/webphone/launch?${pairs.join("&")}`;
}
