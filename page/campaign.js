import { useEffect, useState } from 'preact/hooks';
import { Actions } from './actions.js';
import { ask } from './api.js';
import { Compare } from './compare.js';
import { Process, RateChart, useLive, useRates } from './live.js';
import { alarmsOf } from './overview.js';
import { duration, Fault, html, instant, number, State, Tiles, Title, usePolled } from './parts.js';
import { Quarantine } from './quarantine.js';
import { Redeemed } from './redeemed.js';

function Units({ campaign }) {
  const { stock, total, available, reserved, issued, withdrawn, replaced, revoked } = campaign;
  const free = stock === 'unlimited' ? '∞' : number(available);
  const sum = [available, reserved, issued, withdrawn].map(number).join(' + ');
  const isOfReplaced = replaced > 0 && html` + ${number(replaced)} replaced`;
  return html`<section><h2>Units</h2>
    <${Tiles} of=${[
      ['Available', free],
      ['Reserved', number(reserved)],
      ['Issued', number(issued)],
      ['Withdrawn', number(withdrawn)],
      ...(revoked > 0 ? [['Revoked, of the issued', number(revoked)]] : []),
    ]} />
    ${stock === 'codes' && html`<p><a href=${`#/codes/${campaign.id}`}>Codes of ${campaign.id}</a></p>`}
    ${stock !== 'unlimited' && html`<p class="soft">${sum} = ${number(total)} in total${isOfReplaced}</p>`}
  </section>`;
}

function Work({ campaign, rates }) {
  const { saveMode, pace, backlog, oldestMs, quarantined, admission, waiting } = campaign;
  const perSecond = rates.issued.at(-1);
  const eta = admission === 'queued' && waiting > 0 && perSecond > 0 ? (waiting / perSecond) * 1000 : null;
  return html`<section><h2>Work</h2>
    <${Tiles} of=${[
      ['Issued per second', number(perSecond)],
      ['Due', number(backlog)],
      ['Oldest due', duration(oldestMs)],
      ['In quarantine', html`<span class=${quarantined > 0 ? 'bad' : ''}>${number(quarantined)}</span>`],
      ...(admission === 'queued'
        ? [
            ['In line', number(waiting)],
            ['Line ends in about', duration(eta)],
            ['Admitted per second, at most', pace.admitPerSecond === null ? 'no cap' : number(pace.admitPerSecond)],
          ]
        : []),
      ['Saves per second, at most', pace.savesPerSecond === null ? 'no cap' : number(pace.savesPerSecond)],
      ['Save mode', saveMode],
    ]} />
    <${RateChart} rates=${rates} />
  </section>`;
}

function Rules({ campaign }) {
  const { opensAt, closesAt, closedAt, perUser, stock, needs, epoch } = campaign;
  return html`<section class="rules"><h2>Rules</h2>
    <${Tiles} of=${[
      ['Opens', instant(opensAt)],
      ['Closes', instant(closesAt)],
      ...(closedAt ? [['Closed for good', instant(closedAt)]] : []),
      ['Coupons per user', number(perUser)],
      ['Stock', stock],
      ['Needs', needs.join(', ') || '–'],
      ['Epoch', epoch],
    ]} />
  </section>`;
}

export function Campaign({ id, me, onUser }) {
  const polled = usePolled(async () => ({ at: Date.now(), campaign: await ask('campaign', { campaignId: id }) }), id);
  const { value, error, again } = polled;
  useEffect(() => {
    if (!me)
      ask('overview').then(
        ({ me: user }) => onUser(user),
        () => {},
      );
  }, []);
  const [said, setSaid] = useState(null);
  const live = useLive({ campaignId: id }, id);
  const rates = useRates(value, live.value);
  const campaign = value?.campaign;
  const process = html`<${Process} live=${live.value} perSecond=${rates.refused.at(-1)} />`;
  const alarms = campaign ? alarmsOf(campaign) : [];
  const act = async (verb, body, words) => {
    try {
      const answer = await ask(verb, { campaignId: id, ...body });
      setSaid({ words: typeof words === 'function' ? words(answer) : words });
    } catch (fault) {
      setSaid({ words: fault.message, isBad: true });
    }
    await again();
  };
  return html`<p><a href="#/">All campaigns</a></p>
    <${Title}>${id}</><${Fault} error=${error ?? live.error} />
    ${campaign && html`<p><${State} state=${campaign.state} /></p>`}
    ${alarms.length > 0 && html`<p class="notice bad">${alarms.join('; ')}</p>`}
    <div role="status">${said && html`<p class=${`notice ${said.isBad ? 'bad' : ''}`}>${said.words}</p>`}</div>
    ${
      campaign
        ? html`<${Units} campaign=${campaign} />
          ${me?.role === 'write' && html`<${Actions} campaign=${campaign} act=${act} />`}
          <${Work} campaign=${campaign} rates=${rates} />
          ${process}
          <${Quarantine} id=${id} count=${campaign.quarantined} mayAct=${me?.role === 'write'} act=${act} />
          <${Redeemed} id=${id} />
          <${Compare} id=${id} />
          <${Rules} campaign=${campaign} />`
        : !error && html`<p role="status">Loading…</p>`
    }
    ${!campaign && process}`;
}
