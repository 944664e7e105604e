/**
 * The commands of the specification. Each may be repeated, run beside others, and die at any point: the attachment is written
 * down in the daemon before anything is made, with all that is needed to undo it, and forgotten last.
 */
import { isDeepStrictEqual } from 'node:util';
import { parse } from '../../config/mistakes.js';
import type { Switch } from '../../switch.js';
import type { AttachmentRequest, AttachmentStatus } from '../attachment.js';
import { attachmentRequest } from '../attachment-schema.js';
import type { Attachments } from '../attachments.js';
import type { Call, ValidAttachment } from './call.js';
import type { Caller } from './caller.js';
import { removeDeviceInfo, writeDeviceInfo } from './device-info.js';
import { CniFailure, codes } from './failure.js';
import {
  type IpamCall,
  type IpamResult,
  ipamAdd,
  ipamAsk,
  ipamCallOf,
  isAskedByInterface,
} from './ipam.js';
import { idOf, requestOf } from './request.js';
import { resultOf } from './result.js';
import type { Turns } from './turns.js';

/** What the garbage collector needs of an attachment whose container nobody knows any more. */
interface Note {
  ipam?: IpamCall | undefined;
  /** What it gave; of an ADD that is repeated, for it gives nothing twice. */
  given?: IpamResult | undefined;
}

/** What a command works with. */
export interface Context {
  sw: Switch;
  attachments: Attachments;
  caller: Caller;
  turns: Turns;
}

type Command = (call: Call, context: Context) => Promise<object | undefined>;

export const commands: Record<string, Command> = {
  ADD: inTurn(add),
  DEL: inTurn(del),
  CHECK: inTurn(check),
  GC: collect,
  STATUS: status,
};

/** A runtime that has waited for ADD in vain sends DEL while it still goes on. */
function inTurn(command: Command): Command {
  return (call, context) => context.turns.take(idOfCall(call), () => command(call, context));
}

function idOfCall({ conf, container, interface: name }: Call): string {
  return idOf(conf.name, container, name);
}

async function add(call: Call, context: Context): Promise<object> {
  const { attachments, caller } = context;
  const ipam = ipamCallOf(call);
  const request = requestOf(call);
  const id = idOfCall(call);
  const known = attachments.find(id);
  if (known && isAsMade(known, request, ipam)) {
    await writeDeviceInfo(call, known, caller);
    return resultOf(call, known, noteOf(known).given ?? {});
  }
  await put(id, { ...request, ready: false, note: { ipam } satisfies Note }, attachments);
  try {
    const isFirst = ipam !== undefined && isAskedByInterface(ipam);
    if (isFirst) {
      await put(id, { ...request, note: { ipam } satisfies Note }, attachments);
    }
    const given = ipam ? await ipamAdd(ipam, caller) : staticAddresses(call);
    const furniture = { ...addressing(given), note: { ipam, given } satisfies Note };
    const made = isFirst
      ? await attachments.furnish(id, JSON.parse(JSON.stringify(furniture)))
      : await put(id, { ...request, ...furniture }, attachments);
    await writeDeviceInfo(call, made, caller);
    return resultOf(call, made, given);
  } catch (error) {
    await undo(id, ipam, context);
    await removeDeviceInfo(call, caller).catch(({ message }: Error) => caller.note(message));
    throw error;
  }
}

/** As it is written down, without what is undefined: it is compared with what was. */
async function put(
  id: string,
  request: AttachmentRequest,
  attachments: Attachments,
): Promise<AttachmentStatus> {
  const written: unknown = JSON.parse(JSON.stringify(request));
  return attachments.put(id, parse(attachmentRequest, written));
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
    isDeepStrictEqual(noteOf(known).ipam, ipam) &&
    (ipam === undefined || noteOf(known).given !== undefined)
  );
}

/** What fails here is left to DEL, or to the garbage collector: the error before it is the one to tell. */
async function undo(id: string, ipam: IpamCall | undefined, context: Context): Promise<void> {
  try {
    await release(id, ipam, context);
  } catch (error) {
    context.caller.note((error as Error).message);
  }
}

/**
 * The interface first: its address must not be given to another while it has it; but where it is given back by the interface. The
 * record last.
 */
async function release(
  id: string,
  ipam: IpamCall | undefined,
  { attachments, caller }: Context,
): Promise<void> {
  const isFirst = ipam !== undefined && isAskedByInterface(ipam);
  if (isFirst) {
    await ipamAsk(ipam, 'DEL', caller);
  }
  await attachments.detach(id);
  if (ipam && !isFirst) {
    await ipamAsk(ipam, 'DEL', caller);
  }
  await attachments.remove(id);
}

async function del(call: Call, context: Context): Promise<undefined> {
  await release(idOfCall(call), ipamCallOf(call), context);
  await removeDeviceInfo(call, context.caller);
}

async function check(call: Call, { attachments, caller }: Context): Promise<undefined> {
  const made = attachments.find(idOfCall(call), macOf(call));
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
    await ipamAsk(ipam, 'CHECK', caller);
  }
}

interface Previous {
  interfaces?: { name: string; mac?: string; sandbox?: string }[];
}

/** As the whole list has made it: a plugin behind ours may have changed it (tuning). */
function macOf({ conf, netns, interface: name }: Call): string | undefined {
  const { interfaces = [] } = (conf.prevResult ?? {}) as Previous;
  return interfaces.find((it) => it.name === name && it.sandbox === netns)?.mac;
}

/** What the runtime remembers must be what there is. */
function checkPrevious({ conf, interface: name }: Call, made: AttachmentStatus): void {
  const { interfaces = [] } = (conf.prevResult ?? {}) as Previous;
  const isMissing = (one: string) => !interfaces.some((it) => it.name === one);
  const missing = [name, ...(made.host ? [made.host.name] : [])].find(isMissing);
  if (conf.prevResult && missing !== undefined) {
    throw new CniFailure(codes.notAsMade, `prevResult has no interface ${missing} of ${made.id}`);
  }
}

async function collect(call: Call, context: Context): Promise<undefined> {
  const { attachments, caller, turns } = context;
  const { conf } = call;
  const valid = (conf['cni.dev/valid-attachments'] ?? []) as ValidAttachment[];
  const kept = new Set(valid.map((it) => idOf(conf.name, it.containerID, it.ifname)));
  const failures: string[] = [];
  for (const { id, note } of attachments.all(conf.name)) {
    if (!kept.has(id) && id.startsWith('cni-')) {
      const { ipam } = (note as Note | undefined) ?? {};
      await turns
        .take(id, () => release(id, ipam, context))
        .catch(({ message }: Error) => failures.push(message));
    }
  }
  const ipam = ipamCallOf(call);
  if (ipam) {
    await ipamAsk(ipam, 'GC', caller);
  }
  if (failures.length > 0) {
    throw new CniFailure(codes.refused, failures.join('; '));
  }
}

async function status(call: Call, { sw, caller }: Context): Promise<undefined> {
  const stopped = sw.workers().find(({ running }) => !running);
  if (stopped) {
    throw new CniFailure(codes.unavailable, `worker ${stopped.worker} does not run`);
  }
  const ipam = ipamCallOf(call);
  if (ipam) {
    await ipamAsk(ipam, 'STATUS', caller);
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
