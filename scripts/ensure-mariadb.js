// The tests of the MySQL adapter run on a real MariaDB, which they start themselves: a service that the package may have started is not used.
import { ensureServer } from './ensure-server.js';

ensureServer({ command: 'mariadbd', package: 'mariadb-server', version: '10.11' });
