// The tests and the benchmark run on a real redis-server.
import { ensureServer } from './ensure-server.js';

ensureServer({ command: 'redis-server', package: 'redis-server', version: '6.2' });
