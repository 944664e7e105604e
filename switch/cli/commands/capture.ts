import type { IncomingMessage } from 'node:http';
import { type Command, InvalidArgumentError, Option } from 'commander';
import { SwitchError } from '../../errors.js';
import { Files, Lines, Pipe, type Sink } from '../capture-sinks.js';
import { Client } from '../client.js';
import { type ApiOption, query, wholeNumber, withApi } from '../options.js';
import { Blocks, packetBlock, readPacket } from '../pcapng.js';
import { number } from '../table.js';

interface Options extends ApiOption {
  write?: string;
  filter?: string;
  count?: number;
  snaplen?: number;
  direction?: string;
  drops?: boolean;
  buffer?: number;
  fileSize?: number;
  files?: number;
}

const examples = `
Examples:
  memswitch capture web                                   a line for each frame
  memswitch capture web -w web.pcapng --filter 'tcp port 80' --count 1000
  memswitch capture web db -w - | wireshark -k -i -       two ports, live
  memswitch capture web --drops                           what is dropped, and why
  memswitch capture web -w web.pcapng --file-size 100 --files 5
`;

export function configure(command: Command): void {
  withApi(command)
    .argument('<port...>', 'ports to look at')
    .option('-w, --write <file>', 'to this file as pcapng; - is standard output')
    .option('-f, --filter <expression>', "only such frames, in tcpdump's syntax")
    .option('-c, --count <frames>', 'ends after so many', positive)
    .option('-s, --snaplen <bytes>', 'most bytes of each frame; 0 = all', wholeNumber)
    .addOption(
      new Option('--direction <direction>', 'rx comes in from the port, tx leaves by it').choices([
        'rx',
        'tx',
        'both',
      ]),
    )
    .option('--drops', 'only frames that are dropped')
    .option('--buffer <MiB>', 'for each worker, in which frames wait to be read', positive)
    .option('-C, --file-size <MB>', 'begins another file after so many million bytes', positive)
    .option('-W, --files <count>', 'keeps the newest so many of them', positive)
    .addHelpText('after', examples)
    .action(capture);
}

function positive(text: string): number {
  const value = wholeNumber(text);
  if (value === 0) {
    throw new InvalidArgumentError('It must be 1 or more.');
  }
  return value;
}

async function capture(ports: string[], options: Options, command: Command): Promise<void> {
  const { write, fileSize, files } = options;
  if (write === '-' && process.stdout.isTTY) {
    command.error('error: a pcapng stream is not for a terminal; use -w FILE, or pipe it on');
  }
  if (
    (fileSize !== undefined && (write ?? '-') === '-') ||
    (files ?? 0) > 0 !== !!(files && fileSize)
  ) {
    command.error('error: --file-size needs -w FILE, and --files needs --file-size');
  }
  const { filter, count, snaplen, direction, buffer } = options;
  const drops = options.drops ? 'true' : undefined;
  const wanted = { ports: ports.join(','), filter, count, snaplen, direction, drops, buffer };
  const stream = await new Client(options.api).stream(`/v1/capture${query(wanted)}`);
  const sink = sinkFor(options);
  const told = await follow(stream, sink);
  process.stderr.write(`${number(told.frames)} frames captured, ${number(told.lost)} lost\n`);
}

function sinkFor({ write, fileSize, files }: Options): Sink {
  switch (write) {
    case undefined:
      return new Lines();
    case '-':
      return new Pipe();
    default:
      return new Files(write, { fileSize: fileSize && fileSize * 1_000_000, files });
  }
}

/** Until the stream ends, we are told to stop, or nobody reads our output any more. */
async function follow(stream: IncomingMessage, sink: Sink) {
  let stopped = false;
  const stop = () => {
    stopped = true;
    stream.destroy();
  };
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  process.stdout.once('error', stop);
  const told = { frames: 0, lost: 0 };
  const blocks = new Blocks();
  try {
    for await (const piece of stream) {
      const whole = blocks.take(piece);
      for (const block of whole) {
        if (block.type === packetBlock) {
          told.frames += 1;
          told.lost += readPacket(block).lost;
        }
      }
      await sink.write(whole);
    }
  } catch (cause) {
    if (!stopped) {
      throw new SwitchError('UNREACHABLE', 'the switch has ended the capture', {
        hint: 'what came before is kept',
        cause,
      });
    }
  } finally {
    sink.close();
  }
  return told;
}
