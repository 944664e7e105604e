/** The doctor looks at this host, whatever it is: it never fails, and whatever is lacking comes with what mends it. */
import { doctor } from 'memswitch';
import { expect, test } from 'vitest';
import { memswitch } from './support.js';

test('every finding says what was found, and what mends it', () => {
  const findings = doctor();
  const subjects = findings.map(({ subject }) => subject);
  // Of an SR-IOV card and what is wrong with its group, test/sriov.
  const always = [
    'DPDK',
    'DPDK drivers',
    'huge pages',
    'permissions',
    'TAP',
    'veth',
    'IOMMU',
    'vfio',
    'CPUs',
  ];
  expect(subjects).toEqual(expect.arrayContaining(always));
  for (const { level, found, mend } of findings) {
    expect(found).not.toBe('');
    expect(level === 'lacks' && mend === '').toBe(false);
    expect(level === 'ok' && mend !== '').toBe(false);
  }
});

test('the command prints them, and fails only when something is lacking', async () => {
  const { status, stdout, stderr } = await memswitch(['doctor', '--json']);
  expect(stderr).toBe('');
  const findings = JSON.parse(stdout) as ReturnType<typeof doctor>;
  expect(findings.map(({ subject }) => subject)).toContain('DPDK');
  expect(status).toBe(findings.some(({ level }) => level === 'lacks') ? 1 : 0);
});
