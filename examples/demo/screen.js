const WIDTH = 30;
const number = (value) => value.toLocaleString('en-US');
const seconds = (ms) => `${(ms / 1000).toFixed(1)} s`;

/** A live line where somebody watches (a terminal), and the report. */
export class Screen {
  #out;

  constructor(out) {
    this.#out = out;
  }

  step(text) {
    this.#live(`${text} …`);
  }

  /** The sale as Redis sees it at this instant. */
  sale({ total, issued, reserved }, { count, counts }) {
    const cells = (share) => Math.round((share / total) * WIDTH);
    const bar = '█'.repeat(cells(issued)) + '▒'.repeat(cells(issued + reserved) - cells(issued));
    const retried = counts.notIssued + counts.accepted + counts.busy;
    this.#live(
      `${bar.padEnd(WIDTH, '░')} ${number(issued)}/${number(total)} issued · ${number(counts.done)}/${number(count)} buyers done · ${number(retried)} retries`,
    );
  }

  clear() {
    if (this.#out.isTTY) this.#out.write('\r\x1b[2K');
  }

  print({ options, servers, evidence, report, elapsedMs }) {
    this.clear();
    const { load, told, counts, settled, saleMs, table, campaignId } = evidence;
    const { figures, verdicts } = report;
    const toldOf = (status) => told.filter((one) => one.status === status).length;
    const others = told.length - toldOf('issued') - toldOf('accepted') - toldOf('sold_out');
    const left = toldOf('accepted');
    const failed = counts.notIssued + counts.accepted;
    const skipped = load.duplicates > 0 ? ` (${number(load.duplicates)} duplicates in the list skipped)` : '';
    const lines = [
      `${number(load.total)} codes${skipped}, ${number(told.length)} buyers at once, an external API that fails ${+(options.failureRate * 100).toFixed(2)} % of the time`,
      `${servers.names.join(' and ')} · seed ${options.seed} · campaign ${campaignId}`,
      '',
      row('issued', toldOf('issued') + left),
      row('refused (sold out)', toldOf('sold_out')),
      row(
        'failed and retried',
        failed,
        `${number(counts.notIssued)} not issued, ${number(counts.accepted)} accepted; ${number(left)} buyers left on “accepted”`,
      ),
      ...(counts.busy ? [row('told to come back', counts.busy, 'busy, nothing reserved')] : []),
      ...(others ? [row('gave up', others)] : []),
      row('finished by settle', settled),
      row('duplicates', figures.duplicates),
      row('codes lost', figures.lost),
      row('rows in the database', figures.rows, `table ${table}`),
      '',
      ...verdicts.map((verdict) => this.#verdict(verdict)),
      '',
      `${ending(verdicts)} · sale ${seconds(saleMs)}, all ${seconds(elapsedMs)}`,
    ];
    this.#out.write(`${lines.join('\n')}\n`);
  }

  #verdict({ id, name, holds, detail }) {
    const word = this.#coloured(holds ? 'holds   ' : 'VIOLATED', holds ? 32 : 31);
    return `${id.padEnd(4)}${word}  ${name.padEnd(56)}${detail}`;
  }

  #coloured(text, colour) {
    return this.#out.isTTY && !process.env.NO_COLOR ? `\x1b[${colour}m${text}\x1b[0m` : text;
  }

  #live(text) {
    if (!this.#out.isTTY) return;
    this.#out.write(`\r\x1b[2K${text.slice(0, (this.#out.columns ?? 80) - 1)}`);
  }
}

function row(label, value, remark) {
  return `${label.padEnd(22)}${number(value).padStart(9)}${remark ? `   ${remark}` : ''}`;
}

function ending(verdicts) {
  const violated = verdicts.filter(({ holds }) => !holds).length;
  return violated === 0 ? 'every invariant holds' : `${violated} of ${verdicts.length} invariants VIOLATED`;
}
