import { ask } from './api.js';
import { Import } from './import.js';
import { Fault, html, number, State, Table, Tiles, Title, usePolled } from './parts.js';

const HEADS = [
  ['Load id', 'id'],
  ['Codes of the list', 'number'],
];
/** Fewer than one in so many are free. */
const LOW = 10;

function Counts({ campaign }) {
  const { total, available, reserved, issued, withdrawn, codesRetired } = campaign;
  return html`<section><h2>Pool</h2>
    <${Tiles} of=${[
      ['Loaded', number(total)],
      ['Free', number(available)],
      ['Given', number(issued)],
      ['Reserved', number(reserved)],
      ['Withdrawn', number(withdrawn)],
      ['Replaced', number(codesRetired)],
    ]} />
    <p class="soft">Replaced codes are not among the loaded ones. After a rebuild, they include codes that it was not given again.</p>
  </section>`;
}

function Loads({ loads, more }) {
  const rows = loads
    .toSorted((a, b) => (a.loadId < b.loadId ? -1 : 1))
    .map(({ loadId, codes }) => ({ key: loadId, cells: [loadId, number(codes)] }));
  return html`<section><h2>Loads</h2>
    ${
      rows.length === 0
        ? html`<p class="soft">Nothing was loaded, or the pool was rebuilt since.</p>`
        : html`<${Table} label="Loads" heads=${HEADS} rows=${rows} />
          <p class="soft">So many codes of each list were taken, duplicates included. A list that stopped goes on under its load id.</p>`
    }
    ${more && html`<p class="soft">These are the first ${number(rows.length)}.</p>`}
  </section>`;
}

function waterOf({ state, available, total }) {
  if (state === 'closed') return null;
  if (total === 0) return 'No code is loaded: users are told that it is sold out.';
  if (available * LOW >= total) return null;
  return `Low water: ${number(available)} of ${number(total)} codes are free. Import more, or users are told that it is sold out.`;
}

/** The pool of a campaign. */
export function Codes({ id, me }) {
  const { value, error, again } = usePolled(async () => {
    const campaign = await ask('campaign', { campaignId: id });
    return { campaign, ...(campaign.stock === 'codes' && (await ask('codes', { campaignId: id }))) };
  }, id);
  const campaign = value?.campaign;
  const isPool = campaign?.stock === 'codes';
  const water = isPool && waterOf(campaign);
  return html`<p><a href=${`#/campaign/${id}`}>Campaign ${id}</a></p>
    <${Title}>${`Codes of ${id}`}</><${Fault} error=${error} />
    ${campaign && html`<p><${State} state=${campaign.state} /></p>`}
    ${water && html`<p class="notice warn">${water}</p>`}
    ${campaign && !isPool && html`<p>This campaign has no pool of codes: its stock is ${campaign.stock}.</p>`}
    ${!campaign && !error && html`<p role="status">Loading…</p>`}
    ${isPool && html`<${Counts} campaign=${campaign} />`}
    ${isPool && me?.role === 'write' && !campaign.closedAt && html`<${Import} id=${id} again=${again} />`}
    ${isPool && html`<${Loads} loads=${value.loads} more=${value.more} />`}`;
}
