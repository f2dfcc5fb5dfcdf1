import { useState } from 'preact/hooks';
import { ask } from './api.js';
import { Fault, html, instant, Table, Title } from './parts.js';

const HEADS = [
  ['Campaign', 'id'],
  ['User', 'id'],
  ['Unit', 'number'],
  ['Code'],
  ['State'],
  ['Issued'],
  ['What happened'],
];

function happened({ redeemedAt, redemptionId, revokedAt, expiresAt }) {
  if (redeemedAt) return `redeemed ${instant(redeemedAt)} by ${redemptionId}`;
  if (revokedAt) return `revoked ${instant(revokedAt)}`;
  return expiresAt ? `valid until ${instant(expiresAt)}` : '';
}

const rowOf = (one) => ({
  key: `${one.campaignId} ${one.id}`,
  cells: [
    html`<a href=${`#/campaign/${one.campaignId}`}>${one.campaignId}</a>`,
    ...[one.userId, one.serial, one.code ?? '–', one.state, instant(one.issuedAt), happened(one)],
  ],
});

function Found({ story }) {
  const { held, coupons } = story;
  return html`<section><h2>Story</h2><div role="status">
    ${
      held &&
      html`<p>Redis says: <strong>${held.status.replace('_', ' ')}</strong>${
        held.position !== undefined ? `, position ${held.position ?? 'before the draw'}` : ''
      }. ${held.issuances.map((one) => `Unit ${one.serial}: ${one.state}. `)}</p>`
    }
    ${coupons === null && html`<p>This adapter does not list the rows of a user.</p>`}
    ${coupons?.length === 0 && html`<p>There is no row.</p>`}
    </div>${coupons?.length > 0 && html`<${Table} label="Coupons" heads=${HEADS} rows=${coupons.map(rowOf)} />`}
  </section>`;
}

export function Find() {
  const [by, setBy] = useState('userId');
  const [text, setText] = useState('');
  const [campaignId, setCampaign] = useState('');
  const [seen, setSeen] = useState({});
  const look = async (event) => {
    event.preventDefault();
    try {
      const value = by === 'serial' ? Number(text) : text;
      setSeen({ story: await ask('find', { [by]: value, ...(campaignId && { campaignId }) }) });
    } catch (error) {
      setSeen({ error });
    }
  };
  return html`<${Title}>Find a coupon</>
    <section><form class="row" autocomplete="off" onSubmit=${look}>
      <label>By<select value=${by} onChange=${({ target }) => setBy(target.value)}>
        <option value="userId">User</option><option value="code">Code</option><option value="serial">Unit</option>
      </select></label>
      <label>Value<input required value=${text} onInput=${({ target }) => setText(target.value)} /></label>
      <label>Campaign${by === 'serial' ? '' : ' (all, if empty)'}<input required=${by === 'serial'} value=${campaignId} onInput=${({ target }) => setCampaign(target.value)} /></label>
      <button class="main">Find</button>
    </form></section>
    <${Fault} error=${seen.error} />${seen.story && html`<${Found} story=${seen.story} />`}`;
}
