// The tests of the alerts and of the dashboard ask a real Prometheus, which they start themselves.
import { ensureServer } from './ensure-server.js';

ensureServer({ command: 'prometheus', package: 'prometheus', version: '2.42' });
