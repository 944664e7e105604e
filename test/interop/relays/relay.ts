/**
 * Peers of the switch, each as a relay: it attaches to two ports of the switch, `near` and `far`, ids 0 and 1 on one socket,
 * and passes on what comes by one through the other. So each frame crosses the peer's receive and its transmit side.
 */
export interface Relay {
  /** Attached, or about to be, and passing on frames. Once more after end(). */
  start(): Promise<void>;
  end(signal: NodeJS.Signals): Promise<void>;
  /** What its operator must do before the switch ends, and after it has come back; then it is as after start(). */
  prepare(): Promise<void>;
  reattach(): Promise<void>;
}

export interface Place {
  socket: string;
  role: 'server' | 'client';
  queues: number;
}
