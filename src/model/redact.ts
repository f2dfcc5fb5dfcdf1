/** A longer text is searched up to this length. Its end is dropped, because it may cut through a secret. */
const SEARCHED = 8_192;
const LONGEST_SECRET = 1_024;
/** A beginning or an end of a secret as long as this is taken for the secret. Its quotes count. */
const PART = 8;
/** Shorter ones occur in any text: they are blotted out only as they stand. */
const SHORTEST = 4;
/** One character, or a sign for some: a run of percent encoding, an escape of JSON, an entity of HTML or XML. */
const TOKEN = /(?:%[0-9a-f]{2})+|\\u[0-9a-f]{4}|&(?:amp|lt|gt|quot|apos|#\d{1,7}|#x[0-9a-f]{1,6});|[\s\S]/giu;
const ENTITIES: Readonly<Record<string, string>> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };
/** Quoting adds these or doubles them. */
const QUOTING = /["'`\\\p{Cc}]/gu;
const PLAIN = /^[\w .:/-]*$/;

/** A text as it is compared, and for each of its characters where that began and ended in the text. */
interface Folded {
  readonly text: string;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

/**
 * Blots secrets out of texts, as they stand and in their usual disguises. These are: another case, quoting for JSON,
 * SQL, HTML or a URL, hex, base64, and a beginning or end of eight characters or more. Text and secrets are folded in
 * the same way and compared. The middle of a secret stays, and so does base64 of a text around it.
 */
export class Redaction {
  readonly #short: string[] = [];
  /** How long the keys of both maps are. */
  readonly #sizes = new Set<number>();
  readonly #byHead = new Map<string, string[]>();
  readonly #byTail = new Map<string, string[]>();

  constructor(secrets: Iterable<string | null>) {
    for (const secret of new Set(secrets)) {
      if (secret === null || secret === '') continue;
      const { plain, encoded } = formsOf(secret);
      if (plain[0]!.length < SHORTEST) this.#short.push(secret);
      const [head, tail] = [sizeOf(secret.slice(0, PART)), sizeOf(secret.slice(-PART))];
      for (const form of plain) this.#add(form, head, tail);
      for (const form of encoded) this.#add(form, PART, PART);
    }
    // A secret that begins with another one would leave its end behind.
    this.#short.sort((a, b) => b.length - a.length);
  }

  #add(form: string, head: number, tail: number): void {
    if (form.length < SHORTEST) return;
    push(this.#byHead, form.slice(0, head), form);
    push(this.#byTail, form.slice(-tail), form);
    for (const size of [head, tail]) this.#sizes.add(Math.min(size, form.length));
  }

  /** The text without the secrets. Of one that is very long, the beginning. */
  of(text: string): string {
    const searched = text.slice(0, SEARCHED);
    const end = text.length > SEARCHED ? SEARCHED - LONGEST_SECRET : text.length;
    let clean = this.#blotted(searched, end);
    for (const secret of this.#short) clean = clean.replaceAll(secret, '[redacted]');
    return clean;
  }

  #blotted(text: string, end: number): string {
    if (this.#sizes.size === 0) return text.slice(0, end);
    const folded = fold(text);
    const blots: [from: number, to: number][] = [];
    this.#find(folded.text, (at, length) => blots.push([folded.from[at]!, folded.to[at + length - 1]!]));
    blots.sort(([a], [b]) => a - b);
    let clean = '';
    let told = 0;
    for (const [from, to] of blots) {
      if (from >= end) break;
      if (from >= told) clean += `${text.slice(told, from)}[redacted]`;
      told = Math.max(told, to);
    }
    return clean + text.slice(told, Math.max(told, end));
  }

  #find(text: string, found: (at: number, length: number) => void): void {
    for (const size of this.#sizes) {
      for (let at = 0; at + size <= text.length; at++) {
        const part = text.slice(at, at + size);
        const begun = longest(this.#byHead.get(part), size, (form, n) => text[at + n] === form[n]);
        if (begun > 0) found(at, begun);
        const ended = longest(this.#byTail.get(part), size, (form, n) => text[at + size - 1 - n] === form.at(-1 - n));
        if (ended > 0) found(at + size - ended, ended);
      }
    }
  }
}

/** How many characters the text shares with one of the forms, of which it has `size`; 0 if there is none. */
function longest(
  forms: readonly string[] | undefined,
  size: number,
  isSame: (form: string, n: number) => boolean,
): number {
  let most = 0;
  for (const form of forms ?? []) {
    let n = size;
    while (n < form.length && isSame(form, n)) n++;
    most = Math.max(most, n);
  }
  return most;
}

/** How much of a part is compared: quoting is not. */
function sizeOf(part: string): number {
  return Math.max(SHORTEST, foldText(part).length);
}

/** The folded forms of a secret. The first of the plain ones is itself. */
function formsOf(secret: string): { plain: string[]; encoded: string[] } {
  const text = secret.toWellFormed();
  const bytes = Buffer.from(text);
  const plain = [foldText(secret)];
  // If it holds the disguise of something else, once more in disguise.
  if (/[%&\\\p{Cc}]/u.test(text)) plain.push(foldText(encodeURIComponent(text)), foldText(JSON.stringify(text)));
  const base64 = (['base64', 'base64url'] as const).map((base) => foldText(bytes.toString(base).replace(/=+$/, '')));
  return { plain: [...new Set(plain)], encoded: [...new Set([bytes.toString('hex'), ...base64])] };
}

function foldText(text: string): string {
  return PLAIN.test(text) ? text.toLowerCase() : fold(text).text;
}

/**
 * Characters that stand for others are decoded, quoting is left out, case does not count, and `+` is a space, as in a
 * URL.
 */
function fold(text: string): Folded {
  let folded = '';
  const from: number[] = [];
  const to: number[] = [];
  for (const { 0: token, index } of text.matchAll(TOKEN)) {
    const plain = decoded(token).replace(QUOTING, '').replaceAll('+', ' ').toLowerCase();
    for (let i = 0; i < plain.length; i++) {
      from.push(index);
      to.push(index + token.length);
    }
    folded += plain;
  }
  return { text: folded, from, to };
}

function decoded(token: string): string {
  if (token.length < 3) return token;
  if (token[0] === '%') return Buffer.from(token.replaceAll('%', ''), 'hex').toString();
  if (token[0] === '\\') return String.fromCharCode(Number.parseInt(token.slice(2), 16));
  const name = token.slice(1, -1).toLowerCase();
  // Without regard to case a long s is an s, and `toLowerCase` leaves it as it is.
  if (name[0] !== '#') return ENTITIES[name] ?? token;
  const point = name[1] === 'x' ? Number.parseInt(name.slice(2), 16) : Number(name.slice(1));
  return point <= 0x10ffff ? String.fromCodePoint(point) : '';
}

function push(map: Map<string, string[]>, key: string, form: string): void {
  const forms = map.get(key);
  if (forms) forms.push(form);
  else map.set(key, [form]);
}
