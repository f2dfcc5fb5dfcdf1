import { connectedPool, countRows, emptyTable } from '../database.js';
import { TODAY } from './coupon-issuer.js';

/**
 * A floor: the statement of a build, in batches as large and as many at a time as this library would have out, and nothing decided before it. As in an
 * issue, no id was used before.
 */
export function bareInsert(build) {
  return {
    name: `bare group-commit INSERT${build === TODAY ? '' : ` of ${build.name}`}`,
    floor: true,
    async open({ postgresUrl, inFlight, prepared }) {
      const table = `bench_group_commit${build.suffix}`;
      const pool = await connectedPool(postgresUrl, 2);
      const persistence = new build.PostgresPersistence(pool, { table, prepare: prepared });
      const perCall = Math.min(500, Math.ceil(inFlight / 2));
      const { signal } = new AbortController();
      let serial = 0;
      return {
        perCall,
        inFlight: 2,
        async prepare() {
          await emptyTable(pool, table, build.createTableSql);
          serial = 0;
        },
        async issue({ campaignId, userId }) {
          const issuedAt = new Date();
          const issuances = Array.from({ length: perCall }, (_, i) => ({
            id: `${userId}-${i}`.padEnd(22, '.'),
            campaignId,
            userId: `${userId}-${i}`,
            grant: 1,
            serial: ++serial,
            code: null,
            issuedAt,
            epoch: '1-aaaaaaaaaaaa',
            state: 'reserved',
          }));
          const verdicts = await persistence.save(issuances, { signal, newIds: true });
          return verdicts.every(({ verdict }) => verdict === 'saved');
        },
        statements: () => pool.sent,
        count: () => countRows(pool, table),
        close: () => pool.end(),
      };
    },
  };
}

export const groupCommit = bareInsert(TODAY);
