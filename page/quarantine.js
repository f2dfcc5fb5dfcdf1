import { useEffect, useState } from 'preact/hooks';
import { ask } from './api.js';
import { Confirm, Fault, html, instant, number, Table } from './parts.js';

/** The reservations that settle gave up on. */
export function Quarantine({ id, count, mayAct, act }) {
  const [page, setPage] = useState({ reservations: [], more: false });
  const [error, setError] = useState(null);
  const [asked, setAsked] = useState(null);
  const load = () =>
    ask('quarantine', { campaignId: id }).then(
      (found) => {
        setPage(found);
        setError(null);
      },
      (fault) => setError(fault),
    );
  useEffect(() => {
    if (count > 0) load();
    else setPage({ reservations: [], more: false });
  }, [id, count]);
  const { reservations, more } = page;
  const withdraw = (one) =>
    setAsked({
      text: `Withdraw unit ${one.serial} of user ${one.userId}? The unit leaves the stock for good, and the user may ask again.`,
      body: { ids: [one.id] },
    });
  const retry = async (body) => {
    await act('quarantine-retry', body, ({ retried }) => `${number(retried)} will be tried again.`);
    await load();
  };
  const rows = reservations.map((one) => ({
    key: one.id,
    cells: [
      one.userId,
      number(one.serial),
      number(one.tries),
      instant(one.issuedAt),
      mayAct &&
        html`<span class="row"><button aria-label=${`Retry unit ${one.serial}`} onClick=${() => retry({ ids: [one.id] })}>Retry</button>
          <button class="final" aria-label=${`Withdraw unit ${one.serial}`} onClick=${() => withdraw(one)}>Withdraw</button></span>`,
    ],
  }));
  const heads = [['User', 'id'], ['Unit', 'number'], ['Tries', 'number'], ['Reserved'], ['']];
  return html`<section><h2>Quarantine</h2><${Fault} error=${error} />
    ${
      reservations.length === 0
        ? html`<p class="soft">Nothing is in quarantine.</p>`
        : html`<${Table} label="Quarantine" heads=${heads} rows=${rows} />
          ${more && html`<p class="soft">These are the first ${number(reservations.length)}.</p>`}
          ${mayAct && html`<button class="main" onClick=${() => retry({ all: true })}>Retry all</button>`}`
    }
    ${
      asked &&
      html`<${Confirm} text=${asked.text} yes="Withdraw" onNo=${() => setAsked(null)} onYes=${async () => {
        setAsked(null);
        await act('quarantine-withdraw', asked.body, ({ withdrawn }) => `${number(withdrawn)} withdrawn.`);
        await load();
      }} />`
    }
  </section>`;
}
