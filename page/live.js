import { useRef } from 'preact/hooks';
import { ask } from './api.js';
import { Chart } from './chart.js';
import { Fault, html, instant, number, Table, Tiles, Title, usePolled } from './parts.js';

/** Ten minutes. */
const KEPT = 300;
const NONE = { at: [], issued: [], refused: [] };
const HEADS = [['Last'], ['Event'], ['Count', 'number'], ['Reason']];

const words = (text) => text.replaceAll('_', ' ');
const sum = (counts) => Object.values(counts).reduce((total, count) => total + count, 0);

/** The answers and the last events of the process that serves this page. */
export const useLive = (body, key) => usePolled(() => ask('live', body), key);

/** Grown per second between two reads of a number. */
function perSecond(before, now, count) {
  if (!before || now.at <= before.at) return null;
  return (Math.max(0, count(now) - count(before)) * 1000) / (now.at - before.at);
}

/** Issued and refused per second, one sample for each read of the campaign. */
export function useRates(read, live) {
  const last = useRef({ read: null, live: null, rates: NONE });
  const { read: before, live: liveBefore, rates } = last.current;
  if (read && read !== before) {
    const issued = perSecond(before, read, ({ campaign }) => campaign.issued);
    const isNew = live !== liveBefore;
    const refused =
      isNew && live?.answers ? perSecond(liveBefore, live, ({ answers }) => sum(answers?.refused ?? {})) : null;
    const add = (values, value) => [...values, value].slice(-KEPT);
    const next =
      issued === null
        ? rates
        : {
            at: add(rates.at, read.at / 1000),
            issued: add(rates.issued, issued),
            refused: add(rates.refused, refused ?? (isNew ? null : (rates.refused.at(-1) ?? null))),
          };
    last.current = { read, live: live ?? liveBefore, rates: next };
  }
  return last.current.rates;
}

/** Both rates. The refused ones are known of this process alone. */
export function RateChart({ rates: { at, issued, refused } }) {
  if (at.length < 2) return null;
  const hasRefused = refused.some((value) => value !== null);
  const series = [
    { label: 'Issued, by all processes', values: issued },
    ...(hasRefused ? [{ label: 'Refused, by this process', values: refused }] : []),
  ];
  return html`<${Chart} label="Per second" at=${at} series=${series} />`;
}

/** `side` of the campaign: on the page of a campaign a phone has no room for it. */
function EventTable({ events, side }) {
  if (events.length === 0) return html`<p class="soft">No event so far.</p>`;
  const rows = events.map(({ type, campaignId, reason, from, at, count }) => ({
    key: `${type} ${campaignId} ${reason} ${from}`,
    cells: [
      html`<span class="wide">${new Date(at).toLocaleDateString()} </span>${new Date(at).toLocaleTimeString()}`,
      words(type),
      number(count),
      reason === null ? '–' : words(reason),
      campaignId === null ? 'several' : html`<a href=${`#/campaign/${campaignId}`}>${campaignId}</a>`,
    ],
  }));
  return html`<${Table} label="Events" heads=${[...HEADS, ['Campaign', side]]} rows=${rows} />`;
}

function Answers({ live: { since, counted, answers }, perSecond }) {
  const hint = html`The command <code>coupon-issuer dashboard</code> serves no buyers: mount the dashboard in the process that does.`;
  if (!counted) return html`<p>This process counts its first 1,000 campaigns. This is none of them.</p>`;
  if (!answers)
    return html`<p>This process has answered no buyer of this campaign since ${instant(since)}. ${hint}</p>`;
  const { issued, accepted, refused } = answers;
  const reasons = Object.entries(refused).sort(([, a], [, b]) => b - a);
  return html`<p class="soft">Answers of the process that serves this page, since ${instant(since)}. Other processes count their own.</p>
    <${Tiles} of=${[
      ['Issued here', number(issued)],
      ...(accepted > 0 ? [['Accepted here', number(accepted)]] : []),
      ['Refused here', number(sum(refused))],
      ['Refused per second', number(perSecond)],
      ...reasons.map(([reason, count]) => [`Refused: ${words(reason)}`, number(count)]),
    ]} />`;
}

/** This process, about one campaign. */
export function Process({ live, perSecond }) {
  return (
    live &&
    html`<section><h2>This process</h2><${Answers} live=${live} perSecond=${perSecond} />
      <h3>Last events</h3><${EventTable} events=${live.events} side="id wide" /></section>`
  );
}

/** This process, about all campaigns. */
export function Events() {
  const { value, error } = useLive({}, 'events');
  return html`<${Title}>Events</><${Fault} error=${error} />${
    value &&
    html`<section><p class="soft">Of the process that serves this page, since ${instant(value.since)}. Other processes have their own.</p>
      <${EventTable} events=${value.events} side="id" /></section>`
  }`;
}
