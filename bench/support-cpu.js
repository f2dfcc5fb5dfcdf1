// CPU of what an issue passes through: this process, Redis, and the database with all its processes. A share of the whole machine says less: it is
// full with one process, so that the CPU of an issue is what decides how many there can be.
import { readFileSync } from 'node:fs';

/** Linux counts in hundredths of a second here, whatever its clock is. */
const TICK_MICROS = 10_000;

/**
 * µs of CPU that a process and its descendants used so far, those that ended and were waited for among them. Null where the kernel does not tell,
 * as anywhere but on Linux.
 */
export function cpuOfTree(pid, proc = '/proc') {
  // A process that ends meanwhile would be missed or counted twice: its time goes over to its parent.
  for (let tries = 0; tries < 10; tries++) {
    try {
      const pids = treeOf(pid, proc);
      const micros = pids.reduce((sum, one) => sum + cpuOf(one, proc), 0);
      if (String(treeOf(pid, proc)) === String(pids)) return micros;
    } catch (error) {
      if (error.code !== 'ENOENT' && error.code !== 'ESRCH') throw error;
    }
  }
  return null;
}

function treeOf(pid, proc) {
  const children = readFileSync(`${proc}/${pid}/task/${pid}/children`, 'utf8').trim();
  return [pid, ...(children === '' ? [] : children.split(' ').flatMap((child) => treeOf(Number(child), proc)))];
}

function cpuOf(pid, proc) {
  const stat = readFileSync(`${proc}/${pid}/stat`, 'utf8');
  // The name of the program may hold spaces and brackets. Field 3 of proc(5) follows it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const field = (number) => Number(fields[number - 3]);
  const [user, system, endedUser, endedSystem, threads] = [14, 15, 16, 17, 20].map(field);
  const exact = threads === 1 ? scheduledMicros(pid, proc) : 0;
  return (exact || (user + system) * TICK_MICROS) + (endedUser + endedSystem) * TICK_MICROS;
}

/** To the nanosecond, but of one thread; 0 where the kernel does not keep it. */
function scheduledMicros(pid, proc) {
  try {
    return Number(readFileSync(`${proc}/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1_000;
  } catch (error) {
    if (error.code === 'ENOENT') return 0;
    throw error;
  }
}

/**
 * Begins to measure the parts: this process, the Redis of a `watchRedis()`, and the database below `databasePid`. The function it resolves with
 * ends it, and resolves with µs for each of `count` calls. A part that cannot be told is not there, and then neither is the sum.
 */
export async function measureCpu({ redis, databasePid }) {
  const others = async () => ({
    ...(redis ? { redisMicros: await redis.cpu() } : {}),
    ...(databasePid ? { databaseMicros: cpuOfTree(databasePid) } : {}),
  });
  const before = await others();
  const nodeBefore = process.cpuUsage();
  return async (count) => {
    const node = process.cpuUsage(nodeBefore);
    const after = await others();
    const used = Object.entries(after).map(([part, micros]) => [part, micros === null ? null : micros - before[part]]);
    return eachOf({ nodeMicros: node.user + node.system, ...Object.fromEntries(used) }, count);
  };
}

/** µs of each part, and of all, for each of `count` calls. */
export function eachOf(parts, count) {
  const known = Object.entries(parts).filter(([, micros]) => micros !== null);
  const each = Object.fromEntries(known.map(([part, micros]) => [part, micros / count]));
  if (known.length < Object.keys(parts).length) return each;
  return { ...each, cpuMicros: Object.values(each).reduce((sum, micros) => sum + micros, 0) };
}
