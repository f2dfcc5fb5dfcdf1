// Bars as plain SVG: how many issues a second each way commits.
import { whole } from './support-rounds.js';

const WIDTH = 900;
const LEFT = 320;
const RIGHT = 110;
const BAR = 13;
const ROW = 2 * BAR + 14;
const TOP = 64;
/** Few callers and many; ours in colour, others in grey, and what is wrong or no way at all only outlined. */
const SHADES = {
  ours: ['#74c0c9', '#0b7285'],
  other: ['#ced4da', '#868e96'],
};

/** `levels` as of the section `steady`, of which the chart has those with 128 and 1,024 in flight. */
export function chart(levels) {
  const shown = levels.filter(({ inFlight }) => [128, 1_024].includes(inFlight));
  const names = [
    ...new Set(shown.flatMap(({ contestants }) => contestants.filter(writesRows).map(({ name }) => name))),
  ];
  const figure = (name, level) => level.contestants.find((one) => one.name === name);
  const fastest = (name) => Math.max(...shown.map((level) => figure(name, level)?.perSecond ?? 0));
  names.sort((a, b) => fastest(b) - fastest(a));
  const scale = (WIDTH - LEFT - RIGHT) / fastest(names[0]);
  const height = TOP + names.length * ROW + 12;
  const rows = names.map((name, row) =>
    shown.map((level, i) => bar({ ...figure(name, level), i, y: TOP + row * ROW + i * BAR, scale })).join('\n'),
  );
  const labels = names.map((name, row) =>
    text({ x: LEFT - 10, y: TOP + row * ROW + BAR + 4, anchor: 'end', content: name }),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img" aria-label="Issues per second of each way">
<rect width="100%" height="100%" fill="#ffffff"/>
${text({ x: 16, y: 26, content: 'Coupons a second, committed', size: 16 })}
${legend(shown)}
${labels.join('\n')}
${rows.join('\n')}
</svg>
`;
}

/** A bare command of Redis commits nothing. */
const writesRows = ({ floor, statements }) => !floor || statements > 0;

function bar({ name, perSecond, floor, fault, i, y, scale }) {
  if (perSecond === undefined) return '';
  const length = Math.max(1, perSecond * scale);
  const colour = SHADES[name === 'coupon-issuer' ? 'ours' : 'other'][i];
  const outlined = floor || fault;
  const fill = outlined ? `fill="none" stroke="${fault ? '#c92a2a' : colour}"` : `fill="${colour}"`;
  const figure = `${whole(perSecond)}${fault ? ' wrong' : ''}`;
  return [
    `<rect x="${LEFT}" y="${y}" width="${length.toFixed(1)}" height="${BAR - 1}" ${fill}/>`,
    text({ x: LEFT + length + 6, y: y + BAR - 3, content: figure, size: 11 }),
  ].join('\n');
}

function legend(shown) {
  return shown
    .map(({ inFlight }, i) => {
      const x = LEFT + i * 150;
      const swatches = Object.values(SHADES).map(
        (shades, j) => `<rect x="${x + j * 13}" y="36" width="12" height="12" fill="${shades[i]}"/>`,
      );
      return `${swatches.join('')}${text({ x: x + 32, y: 46, content: `${whole(inFlight)} in flight` })}`;
    })
    .join('\n');
}

function text({ x, y, content, anchor = 'start', size = 13 }) {
  const escaped = content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text x="${x.toFixed(1)}" y="${y}" text-anchor="${anchor}" font-size="${size}" fill="#212529">${escaped}</text>`;
}
