import { InvalidArgumentError } from 'coupon-issuer';
import { readCodes } from 'coupon-issuer/codes';
import { HttpProblem } from './problems.js';

/** The codes of a request's body as they arrive, one a line. Throws when the client goes away, and where a line is longer than a code can be. */
export async function* linesOf(body) {
  // Not destroyed where it is refused, or the answer would not arrive either.
  const codes = readCodes(body.iterator?.({ destroyOnReturn: false }) ?? body);
  try {
    yield* codes;
  } catch (error) {
    throw error instanceof InvalidArgumentError
      ? new HttpProblem(400, error.message.replaceAll('the file', 'the body'))
      : error;
  }
}
