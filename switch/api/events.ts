/** GET /events: what happens in the switch, as server-sent events (WHATWG HTML, section 9.2). */
import { once } from 'node:events';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { SwitchError } from '../errors.js';
import type { SwitchEvent } from '../events.js';
import type { Switch } from '../switch.js';
import { toJson } from './json.js';
import { streamLimit } from './limits.js';

/** A comment now and then, by which both sides notice that the other has gone. */
const heartbeatMs = 15_000;

/** A client that does not read costs a queue of 1,024 events and is told how many it lost; see events.ts of the switch. */
export class EventStreams {
  readonly #switch: Switch;
  #open = 0;

  constructor(sw: Switch) {
    this.#switch = sw;
  }

  async serve(_request: FastifyRequest, reply: FastifyReply): Promise<void> {
    if (this.#open >= streamLimit) {
      throw new SwitchError('BUSY', `${streamLimit} clients listen to events already`);
    }
    this.#open++;
    const events = this.#switch.events();
    reply.hijack();
    const { raw } = reply;
    raw.on('close', () => void events.return?.());
    raw.on('error', () => undefined);
    raw.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
    raw.write(': events of the switch\n\n');
    const heartbeat = setInterval(() => raw.write(': \n\n'), heartbeatMs);
    try {
      for await (const event of events) {
        if (!raw.write(eventText(event)) && !raw.closed) {
          await Promise.race([once(raw, 'drain'), once(raw, 'close')]);
        }
      }
    } finally {
      clearInterval(heartbeat);
      this.#open--;
      raw.end();
    }
  }
}

function eventText(event: SwitchEvent): string {
  const told = event.type === 'worker-failed' ? { ...event, error: event.error.message } : event;
  return `event: ${event.type}\ndata: ${toJson(told)}\n\n`;
}
