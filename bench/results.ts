/** What `--json` writes. One schema for the writer, the readers and the tests. */
import { z } from 'zod';

const summary = z.strictObject({
  median: z.number(),
  low: z.number(),
  high: z.number(),
});

const figure = z.strictObject({
  contender: z.string().describe('Peer, and what is special about it here'),
  samples: z.array(z.number()).min(1).describe('One a trial, in their order'),
  ...summary.shape,
  ratio: summary
    .optional()
    .describe('Paired, of the first contender to this one; more than 1: the first is better'),
});

const result = z.strictObject({
  scenario: z.string(),
  variant: z.string().describe('Frame size, or whatever else varies'),
  metric: z.string(),
  unit: z.string(),
  better: z.enum(['more', 'less']),
  figures: z.array(figure),
});

const histogram = z.strictObject({
  scenario: z.string(),
  variant: z.string(),
  contender: z.string(),
  unit: z.literal('ns'),
  buckets: z.array(z.tuple([z.number(), z.number()])).describe('Upper bound and frames of each'),
});

const skipped = z.strictObject({
  scenario: z.string(),
  contender: z.string(),
  why: z.string(),
});

export const resultsSchema = z.strictObject({
  schema: z.literal(1),
  date: z.iso.datetime(),
  commit: z.string().describe('Git commit, with `+` when files differ from it; empty outside git'),
  command: z.string(),
  machine: z.strictObject({
    cpu: z.string(),
    cpus: z.int(),
    virtual: z.boolean().describe('Whether it says to be a virtual machine: its clock swings'),
    memoryBytes: z.int(),
    busyBefore: z.number().describe('Share of all CPUs in use before the run began, 0 to 1'),
    kernel: z.string(),
    loadCpu: z.int(),
    switchCpu: z.int(),
  }),
  versions: z.record(z.string(), z.string()),
  options: z.strictObject({
    trials: z.int(),
    seconds: z.number(),
    lossTolerance: z.number(),
  }),
  results: z.array(result),
  histograms: z.array(histogram),
  skipped: z.array(skipped),
});

export type Results = z.infer<typeof resultsSchema>;
export type Result = z.infer<typeof result>;
export type Figure = z.infer<typeof figure>;
export type LatencyHistogram = z.infer<typeof histogram>;
export type Skipped = z.infer<typeof skipped>;
