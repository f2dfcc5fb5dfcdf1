// The experiment this library exists for: many buyers, few codes, an external API that fails; then the proof, read from Redis and SQL.
import { experiment } from './experiment.js';
import { HELP, readOptions } from './options.js';
import { Problem, reasonOf } from './problem.js';
import { examine } from './report.js';
import { Screen } from './screen.js';
import { connect } from './servers.js';

const screen = new Screen(process.stdout);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  screen.clear();
  const line = `demo: ${error instanceof Problem ? error.message : reasonOf(error)}\n`;
  // A client that waits for a silent server would keep the process alive for seconds.
  process.stderr.write(line, () => process.exit(2));
}

async function main(args) {
  const options = await readOptions(args);
  if (options.help) {
    process.stdout.write(HELP);
    return 0;
  }
  const startedAt = performance.now();
  const servers = await connect(options, (step) => screen.step(step));
  try {
    const evidence = await experiment({ ...servers, ...options, screen });
    const report = await examine(evidence);
    await evidence.finish();
    screen.print({ options, servers, evidence, report, elapsedMs: performance.now() - startedAt });
    return report.verdicts.every(({ holds }) => holds) ? 0 : 1;
  } finally {
    await servers.close();
  }
}
