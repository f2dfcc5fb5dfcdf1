import { blocksUnder, exchanged, idOf, schema, unsigned } from './schemas.js';

const [plain, own] = blocksUnder('SQL');

schema('SQL', {
  define: async (shop) => {
    const text = shop === 'default' ? plain : exchanged(plain, /^ +user_id .*\n/m, own);
    return `CREATE TABLE users (id ${idOf(shop)} PRIMARY KEY);\n${shop === 'unsigned users' ? unsigned('SQL', text) : text}`;
  },
  make: (text, { pool }) => pool.query(text),
  isWhole: true,
});
