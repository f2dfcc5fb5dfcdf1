import { textFault } from './check.js';
import { invalid } from './errors.js';

const CONTROL = /[\p{Cc}\u2028\u2029]/u;
/** U+FEFF, and the marks of line breaks for a browser. */
const MARK = /[\uFEFF\u200B\u2060\u00AD]/;
const UNREADABLE = /\uFFFD/;
const EDGE = /^[\s\p{Default_Ignorable_Code_Point}]|[\s\p{Default_Ignorable_Code_Point}]$/u;
/**
 * In other scripts and in emoji a character without width joins its neighbours. Beside plain ASCII it joins nothing.
 */
const UNSEEN = /[ -~]\p{Default_Ignorable_Code_Point}|\p{Default_Ignorable_Code_Point}[ -~]/u;
/** A sign that ends in how it is shown: ❤️ is a heart and U+FE0F. */
const SHOWN = /[^ -~][\uFE0E\uFE0F]$/u;

/** A whole line where one column of it was meant, or a cell in its quotes. */
const ROW = /[,;]|^".*"$/u;

/** A long number that a spreadsheet shortened, its errors and its formulas, and the words of programs for no value. */
const STAND_IN =
  /^(?:-?\d+(?:\.\d+)?[eE]\+\d+|#N\/A|#[A-Z0/]+[!?]|#{3,}|=".*"|\(?null\)?|NULL|None|undefined|NaN|\\N|\[object \w+\])$/u;

/**
 * Why this is no code to give out, or `null`. Beside the limits of every code: rests that a file or a spreadsheet leaves
 * in a code, or in place of one. A user cannot type an invisible rest, and one code with it and without it is two.
 */
export function newCodeFault(code: unknown): string | null {
  const fault = textFault(code);
  if (fault) return fault;
  const text = code as string;
  if (CONTROL.test(text)) return 'must not contain a control character, such as a line end or a tab';
  if (MARK.test(text)) return 'must not contain a byte order mark, a space without width or a soft hyphen';
  if (UNREADABLE.test(text))
    return 'must not contain U+FFFD, which stands where text was read in another encoding than it was written in';
  if (EDGE.test(text.replace(SHOWN, ''))) return 'must not begin or end with white space or a character without width';
  if (UNSEEN.test(text)) return 'must not contain a character without width';
  if (ROW.test(text)) return 'must not be a line of a CSV, with quotes around it, or with a comma or a semicolon in it';
  if (STAND_IN.test(text))
    return 'must not be the stand-in of a spreadsheet or a program for a text, such as 1.23E+12, #N/A or null';
  return null;
}

/** Throws `InvalidArgumentError`, which names the place and never the code. */
export function assertNewCode(name: string, code: unknown, asTheyAre: boolean): asserts code is string {
  const fault = asTheyAre ? textFault(code) : newCodeFault(code);
  if (!fault) return;
  const isText = textFault(code) === null;
  throw invalid(name, `${fault}${isText ? '; asTheyAre: true takes codes as they are' : ''}`);
}
