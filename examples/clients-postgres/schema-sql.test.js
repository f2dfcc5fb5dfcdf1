import { blocksUnder, exchanged, schema } from './schemas.js';

const [plain, own] = blocksUnder('SQL');
const USERS = 'CREATE TABLE users (id bigint PRIMARY KEY);\n';

schema('SQL', {
  define: async (shop) => USERS + (shop === 'default' ? plain : exchanged(plain, /^ +user_id .*\n/m, own)),
  make: (text, { pool }) => pool.query(text),
  isWhole: true,
});
