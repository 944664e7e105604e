/** Native events name bridges and ports by id; their consumers know them by name. */
import type { Bridges } from './bridges.js';
import type { SwitchEvent } from './events.js';
import { formatMac } from './mac.js';
import type { NativeEvent } from './native.js';
import type { Ports } from './ports.js';

/** Undefined when what it tells of was removed in the meantime. */
export function nameEvent(
  event: NativeEvent,
  bridges: Bridges,
  ports: Ports,
): SwitchEvent | undefined {
  switch (event.type) {
    case 'link-up':
    case 'link-down':
    case 'protocol-error': {
      const port = ports.nameOf(event.port);
      return port === undefined ? undefined : { ...event, port };
    }
    case 'learn-limit': {
      const bridge = bridges.nameOf(event.bridge);
      const port = ports.nameOf(event.port);
      const mac = formatMac(event.mac);
      return bridge === undefined ? undefined : { ...event, bridge, port, mac };
    }
    case 'move': {
      const bridge = bridges.nameOf(event.bridge);
      const [from, to] = [ports.nameOf(event.from), ports.nameOf(event.to)];
      const known = bridge !== undefined && from !== undefined && to !== undefined;
      return known ? { ...event, bridge, mac: formatMac(event.mac), from, to } : undefined;
    }
    case 'lost':
      return event;
  }
}
