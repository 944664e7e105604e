/** The files under docs/ that are made of the code. */

import { attachmentRoutes } from '../api/attachment-routes.js';
import * as limits from '../api/limits.js';
import { openApi } from '../api/openapi.js';
import { routes } from '../api/routes.js';
import type { Attachments } from '../attach/attachments.js';
import { liveKeys } from '../config/difference.js';
import { apiPage } from './api.js';
import { configurationPage, jsonSchema } from './configuration.js';

const mebibytes = (bytes: number) => `${bytes / 1024 / 1024} MiB`;

const limitsText = `At most ${limits.requestsPerSecond} requests a second (of all clients of the socket together, or of one address),
${limits.connectionLimit} connections, ${limits.streamLimit} streams of events; bodies of ${mebibytes(limits.bodyLimitBytes)}, of a configuration ${mebibytes(limits.configurationLimitBytes)}.
`;

/** Only described: nothing is called. */
const attachments = attachmentRoutes({} as Attachments);

/** By name below docs/. */
export function referenceFiles(): Record<string, string> {
  return {
    'memswitch.schema.json': `${JSON.stringify(jsonSchema(), null, 2)}\n`,
    'configuration.md': configurationPage(liveKeys),
    'api.md': apiPage(openApi([...routes, ...attachments]), limitsText),
  };
}
