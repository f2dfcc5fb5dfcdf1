import type { Scene } from '../scenes/scene.js';
import { printFigures } from './figures.js';

/** Counts what the scenes of one test file came to, for the line that it prints. */
export class Tally {
  readonly #fault: string;
  readonly #harm: string;
  readonly #harmed = new Map<Scene, number>();
  #ended = 0;
  #requests = 0;
  #outageMs = 0;

  /** `harm`: what is done to a process in each scene, in the plural. */
  constructor(fault: string, harm = 'kills') {
    this.#fault = fault;
    this.#harm = harm;
  }

  /** It was done; from now on it counts for how long nobody is served. */
  harmed(scene: Scene): void {
    this.#harmed.set(scene, (this.#harmed.get(scene) ?? 0) + 1);
    scene.ledger.watch([scene.campaignId]);
  }

  /** Somebody was served again, or nobody waited for longer than so many ms. */
  served(scene: Scene, longestMs = scene.ledger.outageMs): void {
    this.#outageMs = Math.max(this.#outageMs, longestMs);
  }

  /** The scene came to its end without a violation. */
  ended(scene: Scene): void {
    this.#ended += this.#harmed.get(scene) ?? 0;
    this.#requests += scene.ledger.requests;
  }

  print(): void {
    const harmed = [...this.#harmed.values()].reduce((sum, count) => sum + count, 0);
    printFigures({
      fault: this.#fault,
      requests: this.#requests,
      injected: { [this.#harm]: harmed },
      violations: harmed - this.#ended,
      outageSeconds: this.#outageMs / 1000,
    });
  }
}
