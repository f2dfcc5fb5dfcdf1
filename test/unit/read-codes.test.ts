import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { PassThrough, Readable } from 'node:stream';
import { ReadableStream } from 'node:stream/web';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { type CodeFile, type ReadCodesOptions, readCodes } from '../../src/read-codes/index.js';

const read = async (file: CodeFile, options?: ReadCodesOptions) => {
  const codes: string[] = [];
  for await (const code of readCodes(file, options)) codes.push(code);
  return codes;
};
const refusal = async (file: CodeFile, options?: ReadCodesOptions): Promise<string> => {
  const error = await read(file, options).then(
    (codes) => new Error(`read ${JSON.stringify(codes)}`),
    (reason) => reason,
  );
  return `${error.code}: ${error.message}`;
};
const inBytes = (text: string, size = 1) => {
  const bytes = Buffer.from(text);
  return Readable.from(
    Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
    { objectMode: false },
  );
};

describe('the codes of a file', () => {
  test.each<[string, string, readonly string[], ReadCodesOptions?]>([
    ['one a line', 'A-1\nA-2\nA-3\n', ['A-1', 'A-2', 'A-3']],
    ['without a line end at its end', 'A-1\nA-2', ['A-1', 'A-2']],
    ['with the line ends of Windows, of old Macs, and mixed', 'A-1\r\nA-2\rA-3\nA-4\r\n', ['A-1', 'A-2', 'A-3', 'A-4']],
    ['with a byte order mark', '\uFEFFA-1\r\nA-2\r\n', ['A-1', 'A-2']],
    ['with a byte order mark before a quote', '\uFEFF"A-1"\nA-2\n', ['A-1', 'A-2']],
    ['with a byte order mark, as they are', '\uFEFFA-1\nA-2 \n', ['A-1', 'A-2 '], { asTheyAre: true }],
    ['with blank lines', '\n\nA-1\n\n  \n\t\nA-2\n\n', ['A-1', 'A-2']],
    ['with white space around', ' A-1 \n\u00A0A-2\u00A0\nA-3\u3000\n', ['A-1', 'A-2', 'A-3']],
    ['with white space within', 'A 1\nA 2\n', ['A 1', 'A 2']],
    ['quoted', '"A-1"\n"A""3"\n "A-4" \n', ['A-1', 'A"3', 'A-4']],
    ['in a column by name', 'id;code;until\n1;A-1;2030\n2;A-2;2030\n', ['A-1', 'A-2'], { column: 'code' }],
    ['in a column by number', '1,A-1\n2,A-2\n', ['A-1', 'A-2'], { column: 2 }],
    ['in a column by number, below names', 'id\tcode\n1\tA-1\n', ['A-1'], { column: 2, header: true }],
    ['in one column below its name', 'code\nA-1\n', ['A-1'], { header: true }],
    ['of which the first looks like a name', 'CODE\nA-1\n', ['CODE', 'A-1'], { header: false }],
    ['of which the first has no digit by chance', 'ABCDEF\nA1B2C3\n', ['ABCDEF', 'A1B2C3']],
    ['without digits', 'summer\nwinter sale\n', ['summer', 'winter sale']],
    ['with another kind of text first', 'GOLD\nA1\n', ['GOLD', 'A1'], { header: false }],
    ['of which there is one, without a digit', 'GOLD\n', ['GOLD']],
    ['with empty rows of a spreadsheet', 'code,until\nA-1,2030\n,\n\n,\nA-2,\n', ['A-1', 'A-2'], { column: 'code' }],
    ['with line ends in other cells', 'code,note\nA-1,"two\nlines"\nA-2,x\n', ['A-1', 'A-2'], { column: 'code' }],
    ['with another separator in a cell', 'x;A-1;10,5\nx;A-2;9,5\n', ['A-1', 'A-2'], { column: 2, delimiter: ';' }],
    ['as they are', ' A-1 \nA\u200B2\n"A,3"\n', [' A-1 ', 'A\u200B2', 'A,3'], { asTheyAre: true }],
    ['below a line for a spreadsheet', 'sep=;\r\nid;code\r\n1;A-1\r\n', ['A-1'], { column: 'code' }],
    ['in a column by number, below both', '"sep=,"\nid,code\n1,A-1\n', ['A-1'], { column: 2, header: true }],
    ['below a line of Excel, without names', 'SEP=\t\n1\tA;1\n', ['A;1'], { column: 2, asTheyAre: true }],
    ['below a line for a spreadsheet, one a line', 'sep=;\nA-1\nA-2\n', ['A-1', 'A-2'], { delimiter: ';' }],
    ['in other scripts', '쿠폰-1\n😀\n', ['쿠폰-1', '😀']],
  ])('%s', async (_, text, codes, options) => {
    expect(await read(text, options)).toEqual(codes);
    expect(await read(Buffer.from(text), options)).toEqual(codes);
    for (const size of [1, 2, 3, 7]) expect(await read(inBytes(text, size), options)).toEqual(codes);
    expect(await read(Readable.from([...text].flatMap((one) => one.split(''))), options)).toEqual(codes);
    expect(await read(ReadableStream.from([Buffer.from(text)]) as CodeFile, options)).toEqual(codes);
    expect(await read(ReadableStream.from([text.slice(0, 4), text.slice(4)]) as CodeFile, options)).toEqual(codes);
  });

  test('none', async () => {
    for (const text of ['\n', '\n\n \n', '\uFEFF\n']) expect(await read(text)).toEqual([]);
    for (const bytes of [[], [0xef, 0xbb, 0xbf]]) expect(await read(Uint8Array.from(bytes))).toEqual([]);
    expect(await read('code\n', { column: 'code' })).toEqual([]);
  });

  test('many, through pieces that end anywhere', async () => {
    const codes = Array.from({ length: 20_000 }, (_, i) => `CODE-${i}`);
    expect(await read(inBytes(codes.join('\r\n'), 997))).toEqual(codes);
  });
});

describe('a file that is refused', () => {
  const SECRET = 'SECRET-1';
  test.each<[string, string | readonly number[], RegExp, ReadCodesOptions?]>([
    ['is UTF-16', [0xff, 0xfe, 0x41, 0, 0x0a, 0], /UTF-16/],
    ['is big-endian UTF-16', [0xfe, 0xff, 0, 0x41], /UTF-16/],
    ['is UTF-16 without a mark', [0x41, 0, 0x42, 0, 0x0a, 0], /UTF-16 or binary/],
    ['is Latin-1', [0x41, 0x0a, 0x42, 0x0a, 0x43, 0xe9, 0x0a], /line 3 of the file is not UTF-8, perhaps Windows-1252/],
    ['is cut off within a character', [0x41, 0x0a, 0xec, 0xbf], /line 2 of the file is not UTF-8/],
    ['is an Excel workbook', [0x50, 0x4b, 0x03, 0x04, 0x14, 0x00], /Excel workbook/],
    ['is compressed', [0x1f, 0x8b, 0x08], /gzip/],
    [
      'has several columns, and none is named',
      `${SECRET};10;2030\nA;10;2030\n`,
      /line 1 of the file has 3 columns: .*column/,
    ],
    [
      'has several columns from some line on',
      `A\nB\n${SECRET},x\n`,
      /line 3 of the file has 2 columns, and line 1 has 1/,
    ],
    [
      'has lines of unequal length',
      `A,1\n${SECRET}\n`,
      /line 2 of the file has 1 column, and line 1 has 2/,
      { column: 1 },
    ],
    ['has two kinds of separators', `a;${SECRET},b\n`, /two kinds of separators.*delimiter/, { column: 1 }],
    ['has no such column', `id,${SECRET}\n1,A\n`, /line 1 of the file names no such column/, { column: 'code' }],
    ['has that column twice', 'code,code\n1,A\n', /more than once/, { column: 'code' }],
    ['has fewer columns', `${SECRET},1\n`, /2 columns, and no column 3/, { column: 3 }],
    ['begins with what looks like a name', 'Coupon Code\nA\n', /line 1 of the file looks like a name.*header/],
    ...['PIN번호', '상품권번호', '일련번호', '난수', '쿠폰명', 'serial', 'E-PIN', 'クーポンコード', '券码', '번호'].map(
      (name): [string, string, RegExp] => [
        `begins with ${name}`,
        `${name}\nABCDEF\n`,
        /line 1 of the file looks like a name/,
      ],
    ),
    ['begins with another kind of text', 'Rewards of May\nA1\n', /line 1 of the file looks like a name.*header: false/],
    ['begins with another script of that length', '사은품이용권\nA1B2C3\n', /line 1 of the file looks like a name/],
    ['has a name alone', '쿠폰 코드\n', /line 1 of the file looks like a name/],
    [
      'has a name below a line for a spreadsheet',
      'sep=;\nCode;x\nA;1\n',
      /line 2 of the file looks like a name.*header/,
      { column: 1 },
    ],
    [
      'begins with the line of another separator',
      'sep=;\nA,1\n',
      /for a spreadsheet, names another separator than delimiter/,
      { column: 1, delimiter: ',' },
    ],
    ['begins with the line of a separator that is none', 'sep=|\nA|1\n', /names a separator that is none of comma/],
    ['has an empty cell', 'code,x\nA,1\n,2\n', /line 3 of the file has no code/, { column: 'code' }],
    ['has a quote that is not closed', `A\n"${SECRET}\nB\n`, /line 2 of the file is no CSV: a quote is open/],
    [
      'has a quote that is not closed before many lines',
      `no,code\r\n1,A\r\n2,"${SECRET}\r\n${'3,B\r\n'.repeat(14_000)}`,
      /line 3 of the file is longer than 65536 characters, so a quote is open from there on$/,
      { column: 'code' },
    ],
    [
      'has a fault behind CRLF in another cell',
      `code,note\r\nA,"two\r\nlines\r\nmore"\r\n${SECRET}\r\n`,
      /line 5 of the file has 1 column, and line 1 has 2$/,
      { column: 'code' },
    ],
    ['has a quote within a cell', `A\nB\n${SECRET}"x\n`, /line 3 of the file is no CSV: a quote stands within/],
    ['has text behind a quote', `A\n"${SECRET}"x\n`, /line 2 of the file is no CSV/],
    [
      'has a line end in a code',
      `A\n"${SECRET}\nB"\n`,
      /the code in line 3 of the file must not contain a control character/,
    ],
    [
      'has a separator in a quoted code',
      `A\n"${SECRET},x"\n`,
      /the code in line 2 of the file must not be a line of a CSV/,
    ],
    ['has a mark without width in a code', `A\n${SECRET}\u200B\n`, /the code in line 2 of the file must not/],
    [
      'was written in another encoding before',
      `A\n${SECRET}\uFFFD\n`,
      /the code in line 2 of the file must not contain U\+FFFD/,
    ],
    [
      'has a code that is too long',
      `A\n${SECRET.repeat(20)}\n`,
      /the code in line 2 of the file must be at most 128 bytes/,
    ],
    [
      'has a line longer than any code',
      `A\n${SECRET.repeat(200)}\n`,
      /line 2 of the file is longer than 1024 characters/,
    ],
    ['has no line end', SECRET.repeat(200), /line 1 of the file is longer than 1024 characters/],
    [
      'has no line end, and columns',
      SECRET.repeat(9_000),
      /line 1 of the file is longer than 65536 characters/,
      { column: 1 },
    ],
    ['is blank for ever', ' '.repeat(2_000), /longer than 1024/],
    ['has U+0000 in it', `A\nB\n${SECRET}\0\n`, /U\+0000/],
  ])('%s', async (_, text, says, options) => {
    const bytes = typeof text === 'string' ? Buffer.from(text) : Uint8Array.from(text);
    const told = await refusal(bytes, options);
    expect(told).toMatch(/^INVALID_ARGUMENT: /);
    expect(told).toMatch(says);
    expect(told).not.toContain('SECRET');
    for (const size of [1, 5]) {
      const stream = Readable.from(
        Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size)),
      );
      expect(await refusal(stream, options)).toMatch(says);
      await turn();
      expect(stream.destroyed).toBe(true);
    }
  });

  test('is no file: a path, a list, lines that are split already, and what is none at all', async () => {
    const lines = () => createInterface({ input: Readable.from(['A\nB\n']) });
    const ready = async (file: unknown) => readCodes(file as CodeFile);
    for (const file of ['codes.csv', '', ['A', 'B'], new Set(['A']), lines(), null, undefined, 7, {}, new Map()]) {
      await expect(ready(file)).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    }
    expect(await refusal(Readable.from(['A-1', 'A-2']))).toMatch(/INVALID_ARGUMENT: .*without any line end/);
    expect(await refusal(Readable.from([{ code: 'A' }, 7]) as CodeFile)).toMatch(/INVALID_ARGUMENT: .*bytes or text/);
    const read = new PassThrough();
    read.on('data', () => {});
    read.end('A\nB\n');
    await once(read, 'end');
    await expect(ready(read)).rejects.toThrow('read before this call');
  });

  test.each([
    { column: 0 },
    { column: 1.5 },
    { column: '' },
    { column: ' ' },
    { column: null },
    { column: 'code', header: false },
    { header: 'yes' },
    { delimiter: '|' },
    { asTheyAre: 1 },
    { colum: 1 }, // cspell:ignore colum
  ])('has options that are none: %j', (options) => {
    const stream = new PassThrough();
    for (const file of ['A\n', stream]) {
      expect(() => readCodes(file, options as ReadCodesOptions)).toThrow(
        expect.objectContaining({ code: 'INVALID_ARGUMENT' }),
      );
    }
    expect(stream.destroyed).toBe(true);
  });
});

describe('the stream of a file', () => {
  const CODES = Array.from({ length: 9_000 }, (_, i) => `CODE-${i}`);
  const bytes = () => inBytes(CODES.join('\n'), 997);
  test.each<[string, (stream: Readable) => [first: CodeFile, second: CodeFile]]>([
    ['of Node', (stream) => [stream, stream]],
    ['of the web', (stream) => Array(2).fill(Readable.toWeb(stream)) as [CodeFile, CodeFile]],
    ['as a generator', (stream) => Array(2).fill(stream.iterator()) as [CodeFile, CodeFile]],
  ])('%s has one reader; a second one is refused, and takes nothing from the first', async (_, twice) => {
    const [one, another] = twice(bytes());
    const first = readCodes(one);
    const refused = expect.objectContaining({ code: 'INVALID_ARGUMENT', message: expect.stringContaining('a reader') });
    expect(() => readCodes(another)).toThrow(refused);
    const codes: string[] = [];
    for await (const code of first) {
      codes.push(code);
      if (codes.length === 4_000) expect(() => readCodes(another)).toThrow(refused);
    }
    expect(codes).toEqual(CODES);
    expect(() => readCodes(another)).toThrow(refused);
  });

  test('of the web that is locked is refused, and an iterable that begins anew each time is read twice', async () => {
    const stream = Readable.toWeb(bytes());
    stream.getReader();
    expect(await refusal(stream as CodeFile).catch(String)).toMatch(/the file has a reader already/);
    const anew = { [Symbol.asyncIterator]: () => bytes()[Symbol.asyncIterator]() };
    for (const _ of [1, 2]) expect(await read(anew)).toEqual(CODES);
  });

  test('that breaks before anybody reads harms nobody, and its error reaches the reader', async () => {
    const stream = new PassThrough();
    const codes = readCodes(stream);
    stream.destroy(new Error('the disk is gone'));
    await turn();
    await expect(codes.next()).rejects.toThrow('the disk is gone');
  });

  test('that breaks in the middle reaches the reader after the codes before', async () => {
    async function* cut() {
      yield 'AAA-1\nAAA-2\nAAA-3\n';
      throw new Error('the client went away');
    }
    const codes = readCodes(cut());
    expect([await codes.next(), await codes.next()].map(({ value }) => value)).toEqual(['AAA-1', 'AAA-2']);
    await expect(codes.next()).rejects.toThrow('the client went away');
  });

  test('is closed where its reader leaves, also before the first code', async () => {
    for (const count of [0, 1, 2]) {
      const stream = new PassThrough();
      stream.write('A\nB\nC\nD\n');
      const codes = readCodes(stream);
      for (let i = 0; i < count; i++) await codes.next();
      await codes.return!();
      await turn();
      expect(stream.destroyed).toBe(true);
      expect(await codes.next()).toEqual({ done: true, value: undefined });
    }
  });

  test('without a line end is left after the first pieces, however long it is', async () => {
    let pieces = 0;
    async function* endless() {
      for (;;) {
        pieces++;
        yield Buffer.alloc(512, 97);
      }
    }
    expect(await refusal(endless())).toMatch(/longer than 1024 characters/);
    expect(pieces).toBeLessThan(5);
    async function* blank() {
      for (;;) yield '\n';
    }
    expect(await refusal(blank())).toMatch(/longer than 1024 characters/);
  });
});
