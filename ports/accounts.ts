/** Users and groups by number or by name, as /etc/passwd and /etc/group have them. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

const highest = 2 ** 32 - 2;

function account(file: string, what: 'user' | 'group') {
  const error = `must be a ${what} of this host, by number or name`;
  return z
    .union([z.int().min(0).max(highest), z.string()], { error })
    .transform((given, context) => {
      const id = typeof given === 'number' ? given : idOf(file, given);
      if (id === undefined) {
        context.addIssue({ code: 'custom', message: error, input: given });
        return z.NEVER;
      }
      return id;
    });
}

/** Lines of both files are `name:password:id:…`. */
function idOf(file: string, name: string): number | undefined {
  const lines = readFileSync(file, 'utf8').split('\n');
  const fields = lines.map((line) => line.split(':')).find(([found]) => found === name);
  return fields?.[2] === undefined ? undefined : Number(fields[2]);
}

export const user = account('/etc/passwd', 'user');
export const group = account('/etc/group', 'group');
