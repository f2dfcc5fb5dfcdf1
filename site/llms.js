// llms.txt: the pages as a list for programs that read, each as Markdown with its first sentence.

import { listPages, openingOf, placeOf, read } from './pages.js';
import { guides, korean, reference } from './sidebar.js';

const placeAt = (link) => (link.endsWith('/') ? `${link}index.md` : `${link}.md`).slice(1);

export function llmsText(base = process.env.SITE_BASE ?? '/') {
  const openings = new Map(listPages().map((path) => [placeOf(path), openingOf(read(path))]));
  const line = ({ text, link }) => {
    const opening = openings.get(placeAt(link));
    const first = opening?.match(/^.*?[.!?:](?=\s|$)/)?.[0] ?? opening;
    return `- [${text}](${base}${placeAt(link)})${first ? `: ${first}` : ''}`;
  };
  const groups = [...guides(), { text: 'Reference', items: reference() }, { text: '한국어', items: korean()[0].items }];
  const parts = groups.map(({ text, items }) => `## ${text}\n\n${items.map(line).join('\n')}`);
  return `${['# coupon-issuer', `> ${openings.get('index.md')}`, ...parts].join('\n\n')}\n`;
}
