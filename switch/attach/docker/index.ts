/** Docker Engine's plugin: the network driver and the IPAM driver behind one socket. */
import { join } from 'node:path';
import type { Switch } from '../../switch.js';
import type { Attachments } from '../attachments.js';
import { Ipam } from './ipam.js';
import { NetworkDriver } from './network.js';
import { type PluginServer, servePlugin } from './server.js';

/** Where the engine looks for a plugin of this name. */
export const dockerSocket = '/run/docker/plugins/memswitch.sock';

/** The way to the socket must be free. */
export async function serveDocker(
  sw: Switch,
  attachments: Attachments,
  socket: string,
  state: string,
): Promise<PluginServer> {
  const folder = join(state, 'docker');
  const ipam = new Ipam(folder);
  const driver = new NetworkDriver(sw, attachments, folder, (address) => ipam.release(address));
  const server = await servePlugin(socket, { ...driver.handlers, ...ipam.handlers });
  return {
    async close() {
      driver.close();
      await server.close();
    },
  };
}
