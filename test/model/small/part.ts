import type { Model } from './search.js';

/** One part of the protocol: its rules in one sentence each, what is explored, and what breaks where without each rule. */
export interface Part<Rule extends string, Name extends string> {
  readonly rules: Readonly<Record<Rule, string>>;
  readonly configurations: readonly Name[];
  readonly model: (rules: Record<Rule, boolean>, name: Name) => Model<unknown>;
  /** The rule, the promise that breaks without it, and where. */
  readonly mutants: readonly (readonly [rule: Rule, breaks: string, where: Name])[];
}
