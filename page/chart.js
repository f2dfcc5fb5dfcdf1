import { useState } from 'preact/hooks';
import { html, number } from './parts.js';

const [WIDTH, HEIGHT] = [600, 100];

const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString();

/** The next of 1, 2, 5, 10, 20 … */
function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(Math.max(1, value)));
  return [1, 2, 5, 10].map((step) => step * power).find((step) => step >= value);
}

/** A line for each run of values. `null` leaves a gap. */
function runsOf(values, x, y) {
  const runs = [[]];
  values.forEach((value, i) => {
    if (value === null) runs.push([]);
    else runs.at(-1).push(`${x(i)},${y(value)}`);
  });
  return runs.filter((run) => run.length > 0).map((run) => run.join(' '));
}

/** Lines over time, from 0. `at`: seconds since 1970. `series`: of each a label and its values. */
export function Chart({ label, at, series }) {
  const [seen, setSeen] = useState(null);
  const most = roundUp(Math.max(1, ...series.flatMap(({ values }) => values)));
  const x = (i) => ((at[i] - at[0]) / (at.at(-1) - at[0])) * WIDTH;
  const y = (value) => HEIGHT - (value / most) * HEIGHT;
  const shown = seen !== null && seen < at.length ? seen : at.length - 1;
  const look = ({ currentTarget, clientX }) => {
    const { left, width } = currentTarget.getBoundingClientRect();
    const wanted = at[0] + ((clientX - left) / width) * (at.at(-1) - at[0]);
    setSeen(at.reduce((best, one, i) => (Math.abs(one - wanted) < Math.abs(at[best] - wanted) ? i : best), 0));
  };
  const said = series.map((one) => {
    const values = one.values.filter((value) => value !== null);
    return `${one.label}: now ${number(one.values.at(-1))}, at most ${number(Math.max(...values))}`;
  });
  return html`<figure class="chart">
    <figcaption>${label} ${series.map(
      (one, i) => html`<span><i class=${`line-${i}`} />${one.label}: <b>${number(one.values[shown])}</b></span>`,
    )}<span class="soft">${time(at[shown])}</span></figcaption>
    <div class="plot">
      <svg onPointerMove=${look} onPointerLeave=${() => setSeen(null)} role="img" aria-label=${`${label}, ${number(at.at(-1) - at[0])} seconds. ${said.join('. ')}.`}
        viewBox=${`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none">
        ${[0, 0.5, 1].map((share) => html`<line class="grid" x1="0" x2=${WIDTH} y1=${y(share * most)} y2=${y(share * most)} />`)}
        ${seen !== null && html`<line class="grid" x1=${x(shown)} x2=${x(shown)} y1="0" y2=${HEIGHT} />`}
        ${series.map(({ values }, i) =>
          runsOf(values, x, y).map((points) => html`<polyline class=${`line-${i}`} points=${points} />`),
        )}
      </svg>
      <span>${number(most)}</span><span>${number(most / 2)}</span><span>0</span>
    </div>
    <div class="ends soft"><span>${time(at[0])}</span><span>${time(at.at(-1))}</span></div>
  </figure>`;
}
