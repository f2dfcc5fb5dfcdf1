import { type Diagnosis, type DiagnosisCheck, judged } from './diagnosis.js';

const FAR_MS = 1_000;

export function clockOf(check: DiagnosisCheck, aheadMs: number): Diagnosis {
  const ahead = Math.round(aheadMs);
  const found = `the clock is ${Math.abs(ahead)} ms ${ahead < 0 ? 'behind' : 'ahead of'} that of this process`;
  return judged(check, found, Math.abs(ahead) <= FAR_MS, {
    cure: 'keep the time of each host by NTP: windows and ends of coupons follow these clocks',
  });
}
