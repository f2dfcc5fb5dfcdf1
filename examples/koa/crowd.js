// Puts visitors into the line, so that there is one to wait in: npm run crowd -- 200
const AT_ONCE = 20;

const { URL: base = 'http://localhost:3000' } = process.env;
const count = Number(process.argv[2] ?? 100);
const statuses = {};
let left = count;
const { campaign } = await (await fetch(new URL('/api/line', base))).json();
const join = new URL(`/api/line/${campaign.id}/join`, base);

await Promise.all(Array.from({ length: Math.min(AT_ONCE, count) }, visit));
console.log(
  `${count} visitors: ${Object.entries(statuses)
    .map(([status, n]) => `${n} ${status}`)
    .join(', ')}`,
);

/** No cookie comes along, so each one is a visitor of their own. */
async function visit() {
  while (left-- > 0) {
    const response = await fetch(join, { method: 'POST', headers: { 'content-type': 'application/json' } });
    const { status, title } = await response.json();
    const word = response.ok ? status : title;
    statuses[word] = (statuses[word] ?? 0) + 1;
  }
}
