import { NotSavedError } from '../errors.js';

/** `errno` and `sqlState` are the server's; a socket's error has a `syscall`, and a negative `errno`. */
interface Failure {
  readonly code?: string;
  readonly errno?: number;
  readonly sqlState?: string;
  readonly syscall?: string;
}

/** A deadlock, and its kin under MariaDB's snapshot isolation: the transaction is rolled back, and may be tried again. */
const DEADLOCKS = [1213, 1020];
/** Classes of SQLSTATE after which an autocommitted statement has certainly stored nothing. */
const CERTAIN_CLASSES = ['21', '22', '23', '25', '28', '3D', '40', '42', '45'];
/**
 * The same of errors in mixed classes: no connection granted (1040, 1129, 1130), a node that is not ready (1047), a full table (1114), a packet
 * that is too large (1153), lock waits (1205, 1206), a read-only server (1290, 1836), and what a row breaks (1364, 1366, 1526, 3819). Not among
 * them: a statement that was killed or ran out of time (1317, 1969), for it may be told so after its commit, shutdowns (1053), lost connections.
 */
const CERTAIN_NUMBERS = [1040, 1047, 1114, 1129, 1130, 1153, 1205, 1206, 1290, 1364, 1366, 1526, 1836, 3819];
/** Those whose reason may be one row of the batch; halves of a packet that is too large may fit. */
const ROW_CLASSES = ['22', '23', '45'];
const ROW_NUMBERS = [1153, 1366, 1526, 3819];
/** Without these no statement was sent. */
const UNREACHED_CODES = ['ECONNREFUSED'];
const UNREACHED_CALLS = ['connect', 'getaddrinfo'];

export function isDeadlock(error: unknown): boolean {
  return DEADLOCKS.includes((error as { errno?: number } | null)?.errno ?? 0);
}

export function certainlyNotStored(error: unknown): NotSavedError | null {
  const { code, errno = 0, sqlState = '', syscall = '' } = (error ?? {}) as Failure;
  const family = sqlState.slice(0, 2);
  const unreached = UNREACHED_CODES.includes(code ?? '') || UNREACHED_CALLS.includes(syscall);
  const refused = CERTAIN_CLASSES.includes(family) || CERTAIN_NUMBERS.includes(errno) || isDeadlock(error);
  if (!unreached && !refused) return null;
  return new NotSavedError(`the database refused the batch (${code ?? errno})`, {
    cause: error,
    wholeBatch: !ROW_CLASSES.includes(family) && !ROW_NUMBERS.includes(errno),
    permanent: family === '22' || errno === 1366,
  });
}
