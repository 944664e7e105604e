/**
 * Metrics of ports, as text. With 1,000 ports they are 10,000 lines, and a scrape comes ten times a second: so each port's
 * lines are kept, made anew when something of the port moved, and stand in blocks of 64 ports, which are put together anew when one
 * of their lines changed. (By prom-client 1,000 silent ports took 66 ms a scrape; bench:micro times this.)
 *
 * Names of ports and bridges need no escaping in labels: checks.ts lets in no character that would.
 */
import { native } from '../native.js';
import type { PortLabels, PortReadings, Readings } from '../readings.js';
import { Block } from './text.js';

const { layout } = native;

type Read = (readings: PortReadings, id: number) => number;

interface Metric {
  name: string;
  type: 'counter' | 'gauge';
  help: string;
  /** The lines of one port: none, one or several, each with its end. */
  lines(port: PortLabels, id: number, readings: PortReadings): string;
}

/** A counter that is at a place of `native.layout`. */
function counter(name: string, help: string, place: number): Metric {
  return single(`memswitch_port_${name}_total`, 'counter', help, (readings, id) =>
    readings.counter(id, place),
  );
}

function single(name: string, type: Metric['type'], help: string, read: Read): Metric {
  const lines: Metric['lines'] = (port, id, readings) =>
    `${name}{port="${port.name}",kind="${port.kind}",bridge="${port.bridge}"} ${read(readings, id)}\n`;
  return { name, type, help, lines };
}

/** One line for each that happened: most never do, and zeros of 30 reasons at 1,000 ports would be most of a scrape. */
function happened(
  name: string,
  help: string,
  label: string,
  names: readonly string[],
  read: (readings: PortReadings, id: number, index: number) => number,
): Metric {
  const lines: Metric['lines'] = (port, id, readings) => {
    let text = '';
    for (let index = 0; index < names.length; index++) {
      const times = read(readings, id, index);
      if (times > 0) {
        text += `${name}{port="${port.name}",${label}="${names[index]}"} ${times}\n`;
      }
    }
    return text;
  };
  return { name, type: 'counter', help, lines };
}

const metrics: readonly Metric[] = [
  counter('rx_frames', 'Frames that came in from the port', layout.rxFrames),
  counter('rx_bytes', 'Bytes that came in from the port', layout.rxBytes),
  counter('tx_frames', 'Frames that left by the port', layout.txFrames),
  counter('tx_bytes', 'Bytes that left by the port', layout.txBytes),
  counter('copies', 'Additional frames made by flooding', layout.copies),
  counter('consumed', 'Outer frames of tunnels that ended at the port', layout.consumed),
  counter('moves', 'Addresses that moved to the port', layout.moves),
  counter(
    'learn_limited',
    'Frames whose source a limit kept from being learned',
    layout.learnLimited,
  ),
  single('memswitch_port_attaches_total', 'counter', 'Times a peer attached', (readings, id) =>
    readings.attaches(id),
  ),
  single(
    'memswitch_port_up',
    'gauge',
    'Whether a peer is attached, or the link of the device is up',
    (readings, id) => (readings.isUp(id) ? 1 : 0),
  ),
  happened(
    'memswitch_port_dropped_frames_total',
    'Frames dropped at a port, by reason; reasons that never happened there are left out',
    'reason',
    layout.dropReasons.map(({ name }) => name),
    (readings, id, reason) => readings.drops(id, reason),
  ),
  happened(
    'memswitch_memif_protocol_errors_total',
    'Violations of memif by peers of a port, by kind; those that happened',
    'error',
    layout.protocolErrors,
    (readings, id, kind) => readings.protocolErrors(id, kind),
  ),
];

/** Ports whose lines of one metric stand in one block of text. */
const blockPorts = 64;

/** The lines of one metric. */
class Lines {
  readonly #metric: Metric;
  /** By the port's place. */
  readonly #lines: string[];
  readonly #blocks: Block[] = [];
  readonly #changed = new Set<number>();

  constructor(metric: Metric, ports: [id: number, labels: PortLabels][], numbers: PortReadings) {
    this.#metric = metric;
    this.#lines = ports.map(([id, port]) => metric.lines(port, id, numbers));
    for (let block = 0; block === 0 || block * blockPorts < ports.length; ++block) {
      this.#changed.add(block);
    }
  }

  renew(place: number, port: PortLabels, id: number, numbers: PortReadings): void {
    const lines = this.#metric.lines(port, id, numbers);
    if (this.#lines[place] !== lines) {
      this.#lines[place] = lines;
      this.#changed.add(Math.floor(place / blockPorts));
    }
  }

  blocks(): readonly Block[] {
    const { name, type, help } = this.#metric;
    for (const block of this.#changed) {
      const head = block === 0 ? `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n` : '';
      const lines = this.#lines.slice(block * blockPorts, (block + 1) * blockPorts);
      this.#blocks[block] = new Block(head + lines.join(''));
    }
    this.#changed.clear();
    return this.#blocks;
  }
}

export class PortMetrics {
  #metrics: Lines[] = [];
  /** Where each port's lines are, by its id. */
  #places = new Map<number, number>();
  #generation = -1;

  /** The text of all metrics of ports, with their heads. */
  blocks({ generation, ports, moved, numbers }: Readings): readonly Block[] {
    if (generation === this.#generation) {
      for (const id of moved) {
        this.#renew(id, ports.get(id), numbers);
      }
    } else {
      const each = [...ports];
      this.#places = new Map(each.map(([id], place) => [id, place]));
      this.#metrics = metrics.map((metric) => new Lines(metric, each, numbers));
      this.#generation = generation;
    }
    return this.#metrics.flatMap((lines) => lines.blocks());
  }

  #renew(id: number, port: PortLabels | undefined, numbers: PortReadings): void {
    const place = this.#places.get(id);
    if (port && place !== undefined) {
      for (const lines of this.#metrics) {
        lines.renew(place, port, id, numbers);
      }
    }
  }
}
