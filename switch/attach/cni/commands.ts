/**
 * The commands of the specification. Each may be repeated, run beside others, and die at any point: the attachment is written
 * down in the daemon before anything is made, with all that is needed to undo it, and forgotten last.
 */
import { isDeepStrictEqual } from 'node:util';
import type { AttachmentRequest, AttachmentStatus } from '../attachment.js';
import { type Call, latest, type ValidAttachment, versions } from './call.js';
import type { Daemon } from './daemon.js';
import { removeDeviceInfo, writeDeviceInfo } from './device-info.js';
import { CniFailure, codes } from './failure.js';
import { type IpamCall, type IpamResult, ipamAdd, ipamAsk, ipamCallOf } from './ipam.js';
import { idOf, requestOf } from './request.js';
import { resultOf } from './result.js';

/** What the garbage collector needs of an attachment whose container nobody knows any more. */
interface Note {
  ipam?: IpamCall | undefined;
  /** What it gave; of an ADD that is repeated, for it gives nothing twice. */
  given?: IpamResult | undefined;
}

type Command = (call: Call, daemon: Daemon) => Promise<object | undefined>;

export const commands: Record<string, Command> = {
  ADD: add,
  DEL: del,
  CHECK: check,
  GC: collect,
  STATUS: status,
  VERSION: async () => ({ cniVersion: latest, supportedVersions: versions }),
};

async function add(call: Call, daemon: Daemon): Promise<object> {
  const ipam = ipamCallOf(call);
  const request = requestOf(call);
  const id = idOf(call.conf.name, call.container, call.interface);
  const known = await daemon.find(id);
  if (known && isAsMade(known, request, ipam)) {
    writeDeviceInfo(call, known);
    return resultOf(call, known, noteOf(known).given ?? {});
  }
  await daemon.put(id, { ...request, ready: false, note: { ipam } satisfies Note });
  try {
    const given = ipam ? ipamAdd(ipam) : staticAddresses(call);
    const note = { ipam, given } satisfies Note;
    const made = await daemon.put(id, { ...request, ...addressing(given), note });
    writeDeviceInfo(call, made);
    return resultOf(call, made, given);
  } catch (error) {
    await undo(id, ipam, daemon);
    removeDeviceInfo(call);
    throw error;
  }
}

function noteOf({ note }: AttachmentStatus): Note {
  return (note as Note | undefined) ?? {};
}

/** Whether all that is asked for is there already, and as it should be. */
function isAsMade(
  known: AttachmentStatus,
  request: AttachmentRequest,
  ipam: IpamCall | undefined,
): boolean {
  const isThere = ([key, value]: [string, unknown]) =>
    isDeepStrictEqual(known[key as keyof AttachmentStatus], value);
  return (
    known.state === 'ready' &&
    known.problems.length === 0 &&
    Object.entries(request).every(isThere) &&
    isDeepStrictEqual(noteOf(known).ipam, ipam)
  );
}

/** What fails here is left to DEL, or to the garbage collector: the error before it is the one to tell. */
async function undo(id: string, ipam: IpamCall | undefined, daemon: Daemon): Promise<void> {
  try {
    await release(id, ipam, daemon);
  } catch (error) {
    process.stderr.write(`memswitch-cni: ${(error as Error).message}\n`);
  }
}

/** The interface first: its address must not be given to another while it has it. The record last. */
async function release(id: string, ipam: IpamCall | undefined, daemon: Daemon): Promise<void> {
  await daemon.detach(id);
  if (ipam) {
    ipamAsk(ipam, 'DEL');
  }
  await daemon.remove(id);
}

async function del(call: Call, daemon: Daemon): Promise<undefined> {
  await release(idOf(call.conf.name, call.container, call.interface), ipamCallOf(call), daemon);
  removeDeviceInfo(call);
}

async function check(call: Call, daemon: Daemon): Promise<undefined> {
  const made = await daemon.find(idOf(call.conf.name, call.container, call.interface));
  if (!made || made.state === 'pending') {
    const what = `${call.container} has no interface ${call.interface} of network ${call.conf.name}`;
    throw new CniFailure(codes.unknownContainer, what);
  }
  if (made.problems.length > 0) {
    throw new CniFailure(codes.notAsMade, made.problems.join('; '));
  }
  checkPrevious(call, made);
  const ipam = ipamCallOf(call);
  if (ipam) {
    ipamAsk(ipam, 'CHECK');
  }
}

/** What the runtime remembers must be what there is. A later plugin of the chain may have changed the address (tuning). */
function checkPrevious({ conf, interface: name }: Call, made: AttachmentStatus): void {
  const { interfaces = [] } = (conf.prevResult ?? {}) as { interfaces?: { name: string }[] };
  if (conf.prevResult && !interfaces.some((it) => it.name === name)) {
    throw new CniFailure(codes.notAsMade, `prevResult has no interface ${name} of ${made.id}`);
  }
}

async function collect({ conf, ...call }: Call, daemon: Daemon): Promise<undefined> {
  const valid = (conf['cni.dev/valid-attachments'] ?? []) as ValidAttachment[];
  const kept = new Set(valid.map((it) => idOf(conf.name, it.containerID, it.ifname)));
  const failures: string[] = [];
  for (const { id, note } of await daemon.all(conf.name)) {
    if (!kept.has(id) && id.startsWith('cni-')) {
      await release(id, (note as Note | undefined)?.ipam, daemon).catch(({ message }: Error) =>
        failures.push(message),
      );
    }
  }
  const ipam = ipamCallOf({ ...call, conf });
  if (ipam) {
    ipamAsk(ipam, 'GC');
  }
  if (failures.length > 0) {
    throw new CniFailure(codes.refused, failures.join('; '));
  }
}

async function status(call: Call, daemon: Daemon): Promise<undefined> {
  const ipam = ipamCallOf(call);
  try {
    await daemon.health();
  } catch (error) {
    throw new CniFailure(codes.unavailable, (error as Error).message);
  }
  if (ipam) {
    ipamAsk(ipam, 'STATUS');
  }
}

/** Without an IPAM plugin: addresses that the runtime asks for (capability `ips`). */
function staticAddresses({ conf }: Call): IpamResult {
  const ips = conf.runtimeConfig?.ips;
  return Array.isArray(ips) ? { ips: ips.map((address) => ({ address: String(address) })) } : {};
}

function addressing({ ips = [], routes = [] }: IpamResult): Partial<AttachmentRequest> {
  const gatewayOf = (dst: string) =>
    ips.find((it) => it.gateway && it.gateway.includes(':') === dst.includes(':'))?.gateway;
  return {
    addresses: ips.map(({ address }) => address),
    routes: routes.map(({ dst, gw = gatewayOf(dst) }) => ({ destination: dst, gateway: gw })),
  };
}
