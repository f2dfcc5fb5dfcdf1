import { describe, expect, test } from 'vitest';
import { longSentences, PROSE, type Prose, sentencesOf, vagueness, wordsOf } from './words.js';
import limits from './words.json' with { type: 'json' };

/** If a count is below its limit by more than this, the limit is lowered. Limits never rise. */
const SLACK = 0.3;

describe('`what`, `who` and `whoever` per thousand words', () => {
  test.each(['docs', 'comments', 'docstrings'] as const)('stay within the limit in %s', (kind) => {
    const [count, limit] = [vagueness(PROSE[kind]), limits.whatAndWho[kind]];
    expect(count).toBeLessThanOrEqual(limit);
    if (limit > limits.whatAndWho.aim)
      expect(limit, `lower the limit to ${count.toFixed(1)}`).toBeLessThan(count + SLACK);
  });
});

describe('no sentence has more than thirty words', () => {
  test.each(['docstrings', 'errors', 'readme', 'guides'] as const)('beyond those counted in %s', (kind) => {
    const [long, limit] = [longSentences(PROSE[kind], 30), limits.longSentences[kind]];
    expect(long.length, long.join('\n')).toBeLessThanOrEqual(limit);
    if (limit > 0) expect(limit, `lower the limit to ${long.length}`).toBeLessThanOrEqual(long.length + 3);
  });
});

describe('the count', () => {
  const prose = (text: string): Prose[] => [{ at: 'here', text }];

  test('finds the words in any case, and not inside of others or of code', () => {
    expect(vagueness(prose('What is told to whoever asks, `what`, and whole'))).toBeCloseTo(2000 / 9);
  });

  test('finds a sentence of 31 words, and lets one of 30 pass', () => {
    const sentence = (words: number) => `${'word '.repeat(words).trim()}. Another one.`;
    expect(longSentences(prose(sentence(30)), 30)).toEqual([]);
    expect(longSentences(prose(sentence(31)), 30)).toHaveLength(1);
  });

  test('takes a piece of code, and a link, for one word', () => {
    expect(wordsOf('see `a b c` in [one page](docs/a-b.md)')).toEqual(['see', 'Code', 'in', 'one', 'page']);
    expect(sentencesOf('It ends. `x` begins (really?) here.')).toHaveLength(2);
  });

  test('has something to count everywhere', () => {
    for (const [kind, all] of Object.entries(PROSE)) {
      expect(all.flatMap(({ text }) => wordsOf(text)).length, kind).toBeGreaterThan(1000);
    }
  });
});
