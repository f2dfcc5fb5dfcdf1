import { useEffect, useRef, useState } from 'preact/hooks';
import { stream } from './api.js';
import { html, number } from './parts.js';

const named = (ref) => ref && `user ${ref.userId}, unit ${ref.serial}`;

function wordsOf({ kind, cure, row, grant, grants = [], serial, count, counter, is, shouldBe }) {
  const about = [named(row), named(grant), ...grants.map(named)].filter(Boolean).join(' / ');
  const numbers = [
    serial && `unit ${serial}`,
    count && number(count),
    counter && `${counter} is ${is}, should be ${shouldBe}`,
  ];
  return `${kind.replaceAll('_', ' ')}: ${[about, ...numbers].filter(Boolean).join('; ')} (cure: ${cure})`;
}

/** Compares Redis with the database. It changes nothing. */
export function Compare({ id }) {
  const [seen, setSeen] = useState(null);
  const running = useRef(null);
  useEffect(() => () => running.current?.abort(), [id]);
  const isRunning = Boolean(seen && !seen.report && !seen.fault);
  const start = async () => {
    running.current = new AbortController();
    const { signal } = running.current;
    setSeen({});
    let ended = { fault: 'The server ended the comparison.' };
    try {
      await stream(
        'reconcile',
        { campaignId: id },
        (line) => {
          if (line.progress) setSeen(line);
          else ended = line;
        },
        signal,
      );
    } catch (error) {
      ended = { fault: signal.aborted ? 'Stopped.' : error.message };
    }
    running.current = null;
    setSeen(ended);
  };
  const { report, progress, fault } = seen ?? {};
  return html`<section><h2>Compare with the database</h2>
    <div class="row">
      <button disabled=${isRunning} onClick=${start}>Compare</button>
      ${isRunning && html`<button onClick=${() => running.current.abort()}>Stop</button>`}
    </div>
    <div role="status">
      ${isRunning && html`<p>Comparing… ${progress && `${number(progress.done)} ${progress.phase}`}</p>`}
      ${fault && html`<p class="bad">It did not end: ${fault}</p>`}
      ${
        report &&
        html`<p>${number(report.rows)} rows and ${number(report.grants)} grants compared: ${
          report.count === 0
            ? html`<span class="good">no findings</span>`
            : html`<span class="bad">${number(report.count)} findings</span>`
        }${!report.quiet && '. Something moved meanwhile, so counters and units were not compared.'}</p>
        <ul class="list">${report.findings.map((one) => html`<li>${wordsOf(one)}</li>`)}</ul>`
      }
    </div>
  </section>`;
}
