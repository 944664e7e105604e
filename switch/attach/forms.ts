/**
 * The forms an attachment takes: memif (a socket in a private folder), kernel (a TAP interface in the container's namespace, or
 * the end of a veth pair), vf (a virtual function, which the container has, or the switch). Each step may be done again.
 */
import {
  chmodSync,
  chownSync,
  closeSync,
  existsSync,
  fchownSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { basename, dirname } from 'node:path';
import type { PortOptions } from '../../ports/index.js';
import { hostEnd } from '../../ports/veth.js';
import { nativeCall, SwitchError } from '../errors.js';
import { formatMac, parseMac } from '../mac.js';
import { type NativeInterface, native } from '../native.js';
import { attachFileText } from './attach-file.js';
import type { AttachmentMode, AttachmentStatus } from './attachment.js';
import type { Attachment } from './attachments.js';

export const usualMtu = 1500;

/** In our own namespace. */
const ours = '';

/** Refuses what cannot be made, before anything is. */
export function check({ request }: Attachment): void {
  const { kind, socket, device } = request;
  const missing =
    (kind === 'memif' && socket === undefined && 'socket') ||
    (kind === 'vf' && device === undefined && 'device');
  if (missing) {
    throw new SwitchError('INVALID', `${missing}: must be given for an attachment of kind ${kind}`);
  }
  if (kind === 'vf' && !existsSync(`/sys/bus/pci/devices/${device}`)) {
    throw new SwitchError('NOT_FOUND', `no PCI device has the address ${device}`);
  }
}

export function hasPort({ request: { kind, holder } }: Attachment): boolean {
  return kind !== 'vf' || holder === 'switch';
}

/** What must be there before the port. */
export function prepare({ request }: Attachment): void {
  if (request.kind === 'memif' && request.socket !== undefined && request.socket[0] !== '@') {
    makeFolder(dirname(request.socket), request.owner ?? -1, request.group ?? -1);
  }
}

/** The switch's port; undefined: there is none. */
export function portOptions(attachment: Attachment): PortOptions | undefined {
  const { request, secret } = attachment;
  const { bridge, mtu = usualMtu, socket = '', device = '', mode, port } = request;
  const common = { bridge, mtu, ...optionsOf(mode), ...port };
  switch (request.kind) {
    case 'memif': {
      const { role = 'server', queues, ringSize, bufferSize, owner, group } = request;
      const file = { socketOwner: owner, socketGroup: group, socketMode: '0660' };
      return {
        ...common,
        kind: 'memif',
        socket,
        role,
        secret,
        ...given({ queues, ringSize, bufferSize, ...file }),
      };
    }
    case 'kernel':
      return isVeth(attachment)
        ? { ...common, kind: 'veth', ...kernelOptions(attachment), host: hostOf(attachment) }
        : { ...common, kind: 'tap', ...kernelOptions(attachment) };
    case 'vf':
      return request.holder === 'switch'
        ? { ...common, kind: 'vf', device, ...given({ mac: request.mac }) }
        : undefined;
  }
}

/**
 * Of either driver: the interface outlives the port. What a plugin behind ours, or the container, has made of one that is taken up
 * again stays.
 */
function kernelOptions(attachment: Attachment) {
  const place = placeOf(attachment);
  const found = attachment.isMade ? interfaceAt(place) : undefined;
  const now = found && { mac: formatMac(found.mac), mtu: found.mtu };
  return { ...place, mac: attachment.mac, ...now, persistent: true };
}

function interfaceAt({ interface: name, netns = ours }: { interface: string; netns?: string }) {
  if (netns === ours) {
    return native.ownInterface(name);
  }
  return existsSync(netns) ? native.interfaces(netns).find((it) => it.name === name) : undefined;
}

function optionsOf(mode: AttachmentMode = 'bridge'): Pick<PortOptions, 'isolated' | 'vepa'> {
  return mode === 'private' ? { isolated: true } : mode === 'vepa' ? { vepa: true } : {};
}

/** What is made when the port is there. */
export function finish(attachment: Attachment): void {
  const { request } = attachment;
  if (request.kind === 'memif') {
    writeAttachFile(attachment);
  } else if (request.netns !== undefined && !isKeptBySwitch(attachment)) {
    takeVf(attachment);
    setUp(attachment, request.netns);
  }
}

/** Undoes all of it, as far as it is there. */
export function remove(attachment: Attachment): void {
  const { kind, netns, socket, role } = attachment.request;
  const file = fileOf(attachment);
  if (kind === 'memif' && socket !== undefined && file !== undefined) {
    rmSync(file, { force: true });
    if (role !== 'client') {
      rmSync(socket, { force: true }); // of a process that died: a port takes its own away
    }
    removeEmpty(dirname(socket));
  } else if (isVeth(attachment)) {
    removePair(attachment);
  } else if (kind === 'kernel') {
    removeTap(attachment);
  } else if (netns !== undefined && existsSync(netns)) {
    giveVfBack(attachment, netns);
  }
}

/** Only what we made: an attempt may have failed because the container has another interface of that name. */
function removeTap(attachment: Attachment): void {
  const { interface: name, netns = ours } = placeOf(attachment);
  if (netns !== ours && !existsSync(netns)) {
    return;
  }
  const found = native.interfaces(netns).find((it) => it.name === name);
  if (found && (attachment.isMade || formatMac(found.mac) === attachment.mac.toLowerCase())) {
    nativeCall(`interface ${name}`, () => native.removeInterface(netns, name));
  }
}

/** Either end takes the other along. That of the host has a name that nothing but this attachment has. */
function removePair(attachment: Attachment): void {
  const name = hostOf(attachment);
  nativeCall(`interface ${name}`, () => native.removeInterface(ours, name));
}

/** Where the interface is by now: a runtime that moves it renames it. */
function placeOf(attachment: Attachment): { interface: string; netns?: string } {
  const { interface: name, netns, sandbox } = attachment.request;
  if (netns !== undefined) {
    return { interface: name, netns };
  }
  if (sandbox !== undefined && existsSync(sandbox)) {
    const moved = native.interfaces(sandbox).find((it) => isOurs(it, attachment));
    return moved ? { interface: moved.name, netns: sandbox } : { interface: name };
  }
  return { interface: name };
}

/** What is not as it was made, in words. */
export function problems(attachment: Attachment, mac: string): string[] {
  const { request } = attachment;
  const { kind, socket = '', netns, interface: name } = request;
  const file = fileOf(attachment);
  if (kind === 'memif') {
    const isServer = request.role !== 'client' && socket[0] !== '@';
    return [...(isServer ? [socket] : []), ...(file ? [file] : [])]
      .filter((path) => !existsSync(path))
      .map((path) => `${path} is missing`);
  }
  if (netns === undefined || isKeptBySwitch(attachment) || isVfio(attachment)) {
    return [];
  }
  if (!existsSync(netns)) {
    return [`the network namespace ${netns} is gone`];
  }
  const found = native.interfaces(netns).find((it) => it.name === name);
  if (!found) {
    return [`interface ${name} is missing in ${netns}`];
  }
  if (isVeth(attachment) && !isOtherEnd(found, attachment)) {
    return [`interface ${name} is no veth of ${hostOf(attachment)}`];
  }
  const missing = (request.addresses ?? []).filter((one) => !found.addresses.includes(one));
  return [
    ...(found.up ? [] : [`interface ${name} is down`]),
    ...(formatMac(found.mac) === mac.toLowerCase()
      ? []
      : [`interface ${name} has the address ${formatMac(found.mac)}, not ${mac}`]),
    ...missing.map((address) => `interface ${name} has no address ${address}`),
  ];
}

/** The end of a veth pair that is not the container's. */
export function hostEndOf(attachment: Attachment): AttachmentStatus['host'] {
  const name = hostOf(attachment);
  const found = isVeth(attachment) ? native.ownInterface(name) : undefined;
  return found && { name, mac: formatMac(found.mac) };
}

/** Beside the socket, for whoever attaches to it. */
export function fileOf({ request: { kind, socket } }: Attachment): string | undefined {
  return kind === 'memif' && socket !== undefined && socket[0] !== '@'
    ? `${socket.replace(/\.sock$/, '')}.env`
    : undefined;
}

// --- memif ---------------------------------------------------------------------------------------------------------

/** The last folder is the container's alone: its group may enter, and nobody else. */
function makeFolder(path: string, owner: number, group: number): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  if (!existsSync(path)) {
    mkdirSync(path, { mode: 0o750 });
    chownSync(path, owner, group);
    chmodSync(path, 0o750);
  }
}

/** The container may have the folder with all rights: the file is made anew, and never through a link that lies there. */
function writeAttachFile(attachment: Attachment): void {
  const { request, secret, mac } = attachment;
  const { socket, addresses, routes = [], owner = -1, group = -1 } = request;
  const path = fileOf(attachment);
  if (path === undefined || socket === undefined) {
    return;
  }
  rmSync(path, { force: true });
  const file = openSync(path, 'wx', 0o440);
  try {
    fchownSync(file, owner, group);
    const text = attachFileText({
      socket: basename(socket),
      secret,
      interface: request.interface,
      mac,
      mtu: request.mtu ?? usualMtu,
      addresses: addresses?.length ? addresses : undefined,
      routes: routes.length
        ? routes.map(({ destination, gateway }) => [destination, gateway].filter(Boolean).join(' '))
        : undefined,
    });
    writeSync(file, text);
  } finally {
    closeSync(file);
  }
}

function removeEmpty(folder: string): void {
  try {
    rmdirSync(folder);
  } catch {
    // It holds another interface's socket, or was mounted, or is gone.
  }
}

// --- interfaces ----------------------------------------------------------------------------------------------------

function setUp({ request, mac }: Attachment, netns: string): void {
  const { interface: name, mtu = usualMtu, addresses = [], routes = [] } = request;
  if (request.kind === 'vf' && !native.interfaces(netns).some((it) => it.name === name)) {
    return;
  }
  nativeCall(`interface ${name}`, () =>
    native.setUpInterface(netns, name, {
      // Those of the kind kernel have them of their port.
      ...(request.kind === 'vf' ? { mac: parseMac(mac), mtu } : { mac: 0n, mtu: 0 }),
      name: '',
      addresses,
      routes: routes.map(({ destination, gateway = '' }) => ({ destination, gateway })),
    }),
  );
}

function isVeth({ request: { kind, driver } }: Attachment): boolean {
  return kind === 'kernel' && driver === 'veth';
}

/** Each attachment has a port of its own name. */
function hostOf({ portName }: Attachment): string {
  return hostEnd(portName);
}

/** The address of a TAP stays where a runtime moves it; of a veth the other end tells more. */
function isOurs(found: NativeInterface, attachment: Attachment): boolean {
  return isVeth(attachment)
    ? isOtherEnd(found, attachment)
    : formatMac(found.mac) === attachment.mac.toLowerCase();
}

/** Numbers are those of two namespaces, where others may have them: so each must name the other. */
function isOtherEnd({ kind, index, peer }: NativeInterface, attachment: Attachment): boolean {
  const host = native.ownInterface(hostOf(attachment));
  return kind === 'veth' && host?.kind === 'veth' && host.index === peer && host.peer === index;
}

function isKeptBySwitch({ request: { kind, holder } }: Attachment): boolean {
  return kind === 'vf' && holder === 'switch';
}

/** A function without an interface of the kernel: a program in the container drives it. */
function isVfio({ request: { kind, device, netns = ours, interface: name } }: Attachment): boolean {
  return (
    kind === 'vf' &&
    interfaceOf(device) === undefined &&
    !native.interfaces(netns).some((it) => it.name === name)
  );
}

/** The kernel's interface over a device, as long as it is in our namespace. */
function interfaceOf(device = ''): string | undefined {
  const folder = `/sys/bus/pci/devices/${device}/net`;
  return lstatSync(folder, { throwIfNoEntry: false }) ? readdirSync(folder)[0] : undefined;
}

/** It keeps its own address unless another is asked for: the card may refuse another, or what it sends from another. */
function takeVf(attachment: Attachment): void {
  const { kind, device, netns = ours, interface: name, mac } = attachment.request;
  const found = kind === 'vf' ? interfaceOf(device) : undefined;
  if (found !== undefined) {
    const own = native.interfaces(ours).find((it) => it.name === found);
    attachment.mac = mac ?? (own ? formatMac(own.mac) : attachment.mac);
    nativeCall(`device ${device}`, () => native.moveInterface(ours, found, netns, name));
  }
}

/** Under a name that nobody else has: what it was called before may be taken by now. */
function giveVfBack({ request }: Attachment, netns: string): void {
  const { interface: name, device = '' } = request;
  if (native.interfaces(netns).some((it) => it.name === name)) {
    const home = `vf${device.replaceAll(/[:.]/g, '').slice(-8)}`;
    nativeCall(`device ${device}`, () => native.moveInterface(netns, name, ours, home));
  }
}

function given<T extends object>(options: T) {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as { [K in keyof T]?: NonNullable<T[K]> };
}
