/** Results as section 5 of the CNI specification has them, version by version; nothing beyond it is allowed. */
const text = { type: 'string' };
const ipBits = { type: 'string', pattern: '^[0-9a-f.:]+/[0-9]+$' };

function object(properties: Record<string, object>, required: string[] = []) {
  return { type: 'object', properties, required, additionalProperties: false };
}

function result(interfaces: object, ips: object, routes: object) {
  return object(
    {
      cniVersion: text,
      interfaces: { type: 'array', items: interfaces },
      ips: { type: 'array', items: ips },
      routes: { type: 'array', items: routes },
      dns: object({
        nameservers: { type: 'array', items: text },
        domain: text,
        search: { type: 'array', items: text },
        options: { type: 'array', items: text },
      }),
    },
    ['cniVersion'],
  );
}

const before11 = object({ name: text, mac: text, sandbox: text }, ['name']);
const from11 = object(
  { name: text, mac: text, mtu: { type: 'integer' }, sandbox: text, socketPath: text, pciID: text },
  ['name'],
);
const index = { type: 'integer', minimum: 0 };
const from10 = object({ interface: index, address: ipBits, gateway: text }, ['address']);
const before10 = object(
  { version: { enum: ['4', '6'] }, interface: index, address: ipBits, gateway: text },
  ['version', 'address'],
);
const route = object({ dst: ipBits, gw: text }, ['dst']);
const number = { type: 'integer' };
const route11 = object(
  {
    dst: ipBits,
    gw: text,
    mtu: number,
    advmss: number,
    priority: number,
    table: number,
    scope: number,
  },
  ['dst'],
);

export const schemas: Record<string, object> = {
  '0.3.0': result(before11, before10, route),
  '0.3.1': result(before11, before10, route),
  '0.4.0': result(before11, before10, route),
  '1.0.0': result(before11, from10, route),
  '1.1.0': result(from11, from10, route11),
};
