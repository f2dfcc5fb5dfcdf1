/** Something the person at the keyboard can mend: one line, without a stack. */
export class Problem extends Error {}

const URL_LIKE = /\b[a-z][a-z0-9+.-]*:\/\/\S*/gi;

/** The reason in one line. Connection strings carry passwords, so whatever looks like one is left out. */
export function reasonOf(error) {
  const { code, message = '' } = error ?? {};
  const line = String(message).split('\n')[0].replace(URL_LIKE, '[redacted]').trim();
  if (/^E[A-Z]+$/.test(code ?? '')) return code;
  return line || code || 'unknown reason';
}
