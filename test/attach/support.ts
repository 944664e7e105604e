/** What the tests of attached containers share. */
import type { Namespace } from '../devices/support.js';
import { until } from '../interop/processes.js';

/**
 * Twenty of twenty packets come back. ping itself waits for the last only as long as two of its usual round trips, which a busy
 * machine may exceed: then it is asked again.
 */
export async function reaches(from: Namespace, to: string): Promise<void> {
  await until(`${from.name} reaches ${to}`, () => {
    try {
      return from.ping(to, 20) === 20;
    } catch {
      return false;
    }
  });
}
