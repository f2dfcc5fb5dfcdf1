import { useRef, useState } from 'preact/hooks';
import { ask } from './api.js';
import { duration, Fault, html, number, State, Table, Tiles, Title, usePolled } from './parts.js';

const SHOWN = 100;
const OLD_MS = 60_000;

/** What an operator should look at. */
export function alarmsOf(campaign) {
  if (!campaign.ready) return campaign.state === 'over' ? [] : [campaign.error ?? 'nothing is issued'];
  const found = [];
  if (campaign.quarantined > 0) found.push(`${number(campaign.quarantined)} in quarantine`);
  if (campaign.oldestMs > OLD_MS) found.push(`oldest reservation waits for ${duration(campaign.oldestMs)}`);
  if (campaign.state === 'open' && campaign.stock === 'codes' && campaign.available === 0)
    found.push('no code is left');
  return found;
}

/** Issued per second since the read before, by campaign. */
function useRates(read) {
  const last = useRef({ at: 0, issued: new Map(), rates: new Map() });
  if (read && read.at > last.current.at) {
    const { at, issued } = last.current;
    const now = new Map(read.campaigns.filter(({ ready }) => ready).map((one) => [one.id, one.issued]));
    const rates = new Map();
    for (const [id, count] of now) {
      if (issued.has(id)) rates.set(id, Math.max(0, count - issued.get(id)) / ((read.at - at) / 1000));
    }
    last.current = { at: read.at, issued: now, rates };
  }
  return last.current.rates;
}

function Bar({ id, issued, total }) {
  if (!total) return null;
  const label = `${number(issued)} of ${number(total)} issued of ${id}`;
  return html`<meter min="0" max=${total} value=${issued} aria-label=${label} title=${label}></meter>`;
}

const HEADS = [
  ['Campaign', 'id'],
  ['State'],
  ['Issued', 'number'],
  ['Of', 'number wide'],
  ['', 'wide'],
  ['Per second', 'number wide'],
  ['Reserved', 'number wide'],
  ['Oldest', 'number wide'],
];

function rowOf(one, rate) {
  const alarms = alarmsOf(one);
  const cells = [
    html`<a href=${`#/campaign/${one.id}`}>${one.id}</a>${alarms.length > 0 && html`<br /><span class="bad">${alarms.join('; ')}</span>`}`,
    html`<${State} state=${one.state} />`,
    number(one.issued),
    one.stock === 'unlimited' ? '∞' : number(one.total),
    html`<${Bar} ...${one} />`,
    number(rate),
    number(one.reserved),
    duration(one.oldestMs),
  ];
  return { key: one.id, cells };
}

export function Overview({ onUser }) {
  const { value, error } = usePolled(async () => {
    const read = await ask('overview');
    onUser(read.me);
    return read;
  }, 'overview');
  const rates = useRates(value);
  const [wanted, setWanted] = useState('');
  const [most, setMost] = useState(SHOWN);
  if (!value)
    return html`<${Title}>Campaigns</><${Fault} error=${error} />${!error && html`<p role="status">Loading…</p>`}`;
  const all = value.campaigns;
  const troubled = all.filter((one) => alarmsOf(one).length > 0);
  const order = (one) => (alarmsOf(one).length > 0 ? 0 : one.state === 'open' ? 1 : one.state === 'over' ? 3 : 2);
  const found = all
    .filter(({ id }) => id.toLowerCase().includes(wanted.toLowerCase()))
    .sort((a, b) => order(a) - order(b) || (a.id < b.id ? -1 : 1));
  const perSecond = [...rates.values()].reduce((sum, rate) => sum + rate, 0);
  return html`<${Title}>Campaigns</><${Fault} error=${error} />
    <${Tiles} of=${[
      ['Campaigns', number(all.length)],
      ['Open', number(all.filter(({ state }) => state === 'open').length)],
      ['Issued per second', number(perSecond)],
      ['With an alarm', html`<span class=${troubled.length > 0 ? 'bad' : ''}>${number(troubled.length)}</span>`],
    ]} />
    <section>
      <div class="row"><label>Filter by name
        <input type="search" value=${wanted} onInput=${({ target }) => setWanted(target.value)} /></label>
        <span class="soft" role="status">${number(found.length)} of ${number(all.length)} campaigns</span></div>
      <${Table} label="Campaigns" kind="campaigns" heads=${HEADS}
        rows=${found.slice(0, most).map((one) => rowOf(one, rates.get(one.id)))} />
      ${found.length > most && html`<button onClick=${() => setMost(most + SHOWN)}>Show ${SHOWN} more</button>`}
    </section>`;
}
