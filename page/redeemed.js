import { useState } from 'preact/hooks';
import { ask } from './api.js';
import { Fault, html, number, Tiles } from './parts.js';

/** Counted when it is asked: the database reads every row of the campaign for it. */
export function Redeemed({ id }) {
  const [seen, setSeen] = useState({});
  const count = async () => {
    setSeen({ isCounting: true });
    try {
      const { tally } = await ask('tally', { campaignId: id });
      setSeen({ tally, at: new Date().toLocaleTimeString() });
    } catch (error) {
      setSeen({ error });
    }
  };
  const { isCounting, tally, at, error } = seen;
  return html`<section><h2>Redeemed</h2><${Fault} error=${error} />
    <div role="status">
      ${isCounting && html`<p>Counting…</p>`}
      ${tally === null && html`<p>Not counted by this adapter.</p>`}
      ${
        tally &&
        html`<${Tiles} of=${[
          ['Redeemed', number(tally.redeemed)],
          ['Not redeemed', number(tally.issued)],
          ['Expired', number(tally.expired)],
          ['Revoked', number(tally.revoked + tally.returned)],
        ]} />
        <p class="soft">Of ${number(Object.values(tally).reduce((sum, one) => sum + one, 0))} rows at ${at}.</p>`
      }
    </div>
    <button disabled=${isCounting} onClick=${count}>Count the rows</button>
    ${seen.tally === undefined && html`<p class="soft">The database reads every row of the campaign for it, which may take a minute.</p>`}
  </section>`;
}
