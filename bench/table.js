// The same rows for the terminal and for the page, and how their cells are written.
import { inMs, times, whole } from './support-rounds.js';

/** The first column and the last, which may be a sentence, to the left; the others to the right. */
export function terminalTable(head, rows) {
  const all = [head, ...rows];
  const widths = head.map((_, column) => Math.max(...all.map((row) => String(row[column]).length)));
  return all.map((row) => {
    const cells = row.map((cell, i) =>
      isText(i, row) ? String(cell).padEnd(widths[i]) : String(cell).padStart(widths[i]),
    );
    return `  ${cells.join('  ')}`.trimEnd();
  });
}

export function markdownTable(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map((_, i) => (isText(i, head) ? '---' : '--:'))), ...rows.map(line)].join('\n');
}

const isText = (column, row) => column === 0 || column === row.length - 1;

export const title = ({ name, poolSize }) => (poolSize ? `${name}, pool of ${poolSize}` : name);
export const right = ({ fault }) => (fault ? `WRONG: ${fault}` : 'right');
export const ratio = ({ ratio }) => (ratio ? times(ratio) : '');
export const micros = (number) => (number === undefined ? 'not measured' : `${number.toFixed(1)} µs`);
/** CPU of each part and of all; a part that a way does not use is left empty. */
export const CPU_HEAD = ['Node', 'Redis', 'database', 'CPU in all'];
export function cpuCells({ nodeMicros, redisMicros, databaseMicros, cpuMicros, redis = true, statements }) {
  return [
    micros(nodeMicros),
    redis ? micros(redisMicros) : '',
    statements === 0 ? '' : micros(databaseMicros),
    micros(cpuMicros),
  ];
}
/** Of a statement for hundreds, what one of them has. */
export const perIssue = (statements) => (statements === 0 ? '' : statements.toFixed(statements < 0.1 ? 4 : 1));
export { inMs, times, whole };
