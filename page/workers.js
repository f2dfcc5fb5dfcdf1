import { ask } from './api.js';
import { duration, Fault, html, instant, Table, Title, usePolled } from './parts.js';

const HEADS = [
  ['Worker', 'id'],
  ['Role'],
  ['Version'],
  ['Interval', 'number'],
  ['Seen'],
  ['Last success'],
  ['Last fault'],
];

export function Workers() {
  const { value, error } = usePolled(() => ask('workers'), 'workers');
  const rows = (value?.workers ?? []).map((one) => ({
    key: one.id,
    cells: [
      one.id,
      one.role === 'settle' ? 'settle' : 'settle and admit',
      one.version,
      one.intervalMs < 1000 ? `${one.intervalMs} ms` : duration(one.intervalMs),
      instant(one.seenAt),
      instant(one.succeededAt),
      one.lastFault ? html`<span class="warn">${one.lastFault.errorType}, ${instant(one.lastFault.at)}</span>` : '–',
    ],
  }));
  return html`<${Title}>Workers</><${Fault} error=${error} /><section>
    ${value && rows.length === 0 && html`<p class="bad">No worker runs: nothing is settled.</p>`}
    ${rows.length > 0 && html`<${Table} label="Workers" heads=${HEADS} rows=${rows} />`}
  </section>`;
}
