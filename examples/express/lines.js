import { HttpProblem } from './problems.js';

/** The lines of a request's body as they arrive, without line ends, blanks around them and blank lines. Throws when the client goes away. */
export async function* linesOf(stream) {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let rest = '';
  for await (const chunk of stream) {
    const lines = (rest + decode(decoder, chunk)).split('\n');
    rest = lines.pop();
    yield* lines.map((line) => line.trim()).filter(Boolean);
  }
  const last = (rest + decode(decoder)).trim();
  if (last) yield last;
}

function decode(decoder, chunk) {
  try {
    return decoder.decode(chunk, { stream: chunk !== undefined });
  } catch {
    throw new HttpProblem(400, 'the body is not UTF-8');
  }
}
