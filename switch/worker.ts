/** The task of one poll worker: enters the native loop and stays until the switch stops. See workers.ts. */
import { native } from './native.js';

export interface WorkerTask {
  token: number;
  worker: number;
}

export default function runWorker({ token, worker }: WorkerTask): void {
  native.runWorker(token, worker);
}
