/** A defect that is planted by putting `replace` in the place of `find`, and the test that has to fail then. */
export interface Mutant {
  readonly defect: string;
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  readonly caughtBy: { readonly file: string; readonly test: string };
}

export const MUTANTS: readonly Mutant[];
