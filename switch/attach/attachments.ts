/**
 * Ports that container runtimes asked for. Unlike others they survive a restart of the switch: each is written down before it
 * is made and forgotten after it is gone, so that whatever a crash leaves behind has a record to be removed by.
 *
 * Putting and removing are idempotent: a runtime repeats what it is not sure of.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { isDeepStrictEqual } from 'node:util';
import type { PortOptions } from '../../ports/index.js';
import { notFound, SwitchError } from '../errors.js';
import type { Switch } from '../switch.js';
import type { AttachmentRequest, AttachmentState, AttachmentStatus } from './attachment.js';
import * as forms from './forms.js';
import { Store } from './store.js';

/** What is kept of an attachment, in memory and on disk. */
export interface Attachment {
  request: AttachmentRequest;
  mac: string;
  secret: string;
  portName: string;
  /** Whether the port, and what comes with it, was there. */
  isMade: boolean;
}

interface Entry extends Attachment {
  state: AttachmentState;
  error: string;
}

const lookMs = 5_000;

export class Attachments {
  readonly #sw: Switch;
  readonly #store: Store<Attachment>;
  readonly #entries = new Map<string, Entry>();
  readonly #timer: NodeJS.Timeout;

  /** Takes up what an earlier process left in the folder; what fails is tried again until it works or is removed. */
  static async open(sw: Switch, folder: string): Promise<Attachments> {
    const made = new Attachments(sw, folder);
    await made.#restore();
    return made;
  }

  private constructor(sw: Switch, folder: string) {
    this.#sw = sw;
    this.#store = new Store(folder);
    this.#timer = setInterval(() => void this.look(), lookMs).unref();
  }

  close(): void {
    clearInterval(this.#timer);
  }

  all(network?: string): AttachmentStatus[] {
    const entries = [...this.#entries].filter(
      ([, { request }]) => network === undefined || request.network === network,
    );
    return entries.map(([id, entry]) => this.#status(id, entry));
  }

  /** @param mac what its interface's address is by now, where somebody has changed it. */
  find(id: string, mac?: string): AttachmentStatus | undefined {
    const entry = this.#entries.get(id);
    return entry && this.#status(id, entry, mac);
  }

  one(id: string): AttachmentStatus {
    const status = this.find(id);
    if (!status) {
      throw notFound('attachment', id, this.#entries.keys());
    }
    return status;
  }

  /** Makes it, or changes it to what is asked for now. When that fails, a new one leaves nothing behind. */
  async put(id: string, request: AttachmentRequest): Promise<AttachmentStatus> {
    const known = this.#entries.get(id);
    if (known?.state === 'ready' && isDeepStrictEqual(known.request, request)) {
      const status = this.#status(id, known);
      if (status.problems.length === 0) {
        return status;
      }
    }
    const entry = this.#entryOf(id, request, known);
    forms.check(entry);
    this.#checkBridge(id, request);
    this.#store.put(id, recordOf(entry));
    if (known) {
      await this.#unmake(known);
    }
    this.#entries.set(id, entry);
    if (request.ready !== false) {
      try {
        await this.#make(entry);
        this.#store.put(id, recordOf(entry));
      } catch (error) {
        // That which is told is why it could not be made; what could not be undone is left for the next to remove it.
        await this.remove(id).catch(() => undefined);
        throw error;
      }
    }
    return this.#status(id, entry);
  }

  /** Writes down what has become of it, without touching it. */
  async amend(id: string, changes: Pick<AttachmentRequest, 'sandbox'>): Promise<AttachmentStatus> {
    return this.#status(id, this.#write(id, changes));
  }

  /** Gives an interface that is there its addresses, without making it anew. */
  async furnish(
    id: string,
    changes: Pick<AttachmentRequest, 'addresses' | 'routes' | 'note'>,
  ): Promise<AttachmentStatus> {
    const entry = this.#write(id, changes);
    forms.finish(entry);
    return this.#status(id, entry);
  }

  /** Takes its interface away, and keeps the record. One that is not there is no error. */
  async detach(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry) {
      entry.request = { ...entry.request, ready: false };
      this.#store.put(id, recordOf(entry));
      await this.#unmake(entry);
      entry.state = 'pending';
    }
  }

  /** One that is not there is no error: runtimes ask more than once. */
  async remove(id: string): Promise<void> {
    const entry = this.#entries.get(id);
    if (entry) {
      await this.#unmake(entry);
      this.#entries.delete(id);
      this.#store.remove(id);
    }
  }

  /** Tries again what failed, and lets go of interfaces whose namespace is gone: nobody may ever tell. */
  async look(): Promise<void> {
    for (const entry of this.#entries.values()) {
      const { netns } = entry.request;
      const isGone = netns !== undefined && !existsSync(netns);
      if (isGone && entry.state === 'ready') {
        await this.#unmake(entry);
        entry.state = 'failed';
        entry.error = `the network namespace ${netns} is gone`;
      } else if (entry.state === 'failed' && !isGone) {
        await this.#make(entry).catch(() => undefined);
      }
    }
  }

  #write(id: string, changes: Partial<AttachmentRequest>): Entry {
    const entry = this.#entries.get(id);
    if (!entry) {
      throw notFound('attachment', id, this.#entries.keys());
    }
    entry.request = { ...entry.request, ...changes };
    this.#store.put(id, recordOf(entry));
    return entry;
  }

  /** Of mode passthru it has its bridge, and what else the bridge reaches, for itself. */
  #checkBridge(id: string, { bridge, mode }: AttachmentRequest): void {
    for (const [other, { request }] of this.#entries) {
      const isAlone = mode === 'passthru' || request.mode === 'passthru';
      if (other !== id && request.bridge === bridge && isAlone) {
        const message = `bridge ${bridge} has ${other}, and one of both is of mode passthru`;
        throw new SwitchError('IN_USE', message, { hint: 'name another bridge' });
      }
    }
  }

  #entryOf(id: string, request: AttachmentRequest, known: Entry | undefined): Entry {
    return {
      request,
      mac: request.mac ?? known?.mac ?? randomMac(),
      secret: known?.secret ?? randomBytes(16).toString('base64url'),
      portName: id,
      isMade: false,
      state: 'pending',
      error: '',
    };
  }

  async #restore(): Promise<void> {
    const damaged = (path: string, { message }: Error) =>
      process.emitWarning(`${path} is damaged and was passed over: ${message}`);
    for (const [id, record] of this.#store.all(damaged)) {
      const entry: Entry = { ...record, state: 'pending', error: '' };
      this.#entries.set(id, entry);
      if (record.request.ready !== false) {
        await this.#make(entry).catch(() => undefined);
      }
    }
  }

  async #make(entry: Entry): Promise<void> {
    try {
      forms.prepare(entry);
      const options = forms.portOptions(entry);
      if (options) {
        await this.#addPort(entry.portName, options);
        entry.mac = options.kind === 'vf' ? this.#macOf(entry) : entry.mac;
      }
      entry.isMade = true;
      forms.finish(entry);
      entry.state = 'ready';
      entry.error = '';
    } catch (error) {
      entry.state = 'failed';
      entry.error = (error as Error).message;
      throw error;
    }
  }

  /** One of that name is what an interrupted attempt left. */
  async #addPort(name: string, options: PortOptions): Promise<void> {
    if (this.#hasPort(name)) {
      await this.#sw.removePort(name);
    }
    await this.#sw.addPort(name, options);
  }

  async #unmake(entry: Entry): Promise<void> {
    if (this.#hasPort(entry.portName)) {
      await this.#sw.removePort(entry.portName);
    }
    forms.remove(entry);
    entry.isMade = false;
  }

  /** Of a device that has an address already. */
  #macOf({ portName, mac }: Entry): string {
    return this.#sw.port(portName).device?.mac ?? mac;
  }

  #hasPort(name: string): boolean {
    try {
      this.#sw.port(name);
      return true;
    } catch (error) {
      if (error instanceof SwitchError && error.code === 'NOT_FOUND') {
        return false;
      }
      throw error;
    }
  }

  #status(id: string, entry: Entry, mac = entry.mac): AttachmentStatus {
    const { request, state, error, portName } = entry;
    const problems = error === '' ? [] : [error];
    if (state === 'ready') {
      const isMissing = forms.hasPort(entry) && !this.#hasPort(portName);
      problems.push(...(isMissing ? [`port ${portName} is missing`] : []));
      problems.push(...forms.problems(entry, mac));
    }
    const { mtu = forms.usualMtu } = request;
    const [file, host] = [forms.fileOf(entry), forms.hostEndOf(entry)];
    return { ...request, id, state, portName, mac, mtu, file, host, problems };
  }
}

function recordOf({ request, mac, secret, portName, isMade }: Entry): Attachment {
  return { request, mac, secret, portName, isMade };
}

/** Locally administered (IEEE 802 8.2.2), like those that container runtimes make. */
function randomMac(): string {
  const bytes = randomBytes(6);
  bytes[0] = ((bytes[0] ?? 0) & 0xfc) | 0x02;
  return (bytes.toString('hex').match(/../g) ?? []).join(':');
}
