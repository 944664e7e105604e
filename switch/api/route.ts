/** One operation of the API: the server, its checks and the OpenAPI document are all made of this. */
import type { z } from 'zod';
import type { Switch } from '../switch.js';

export interface Route<Params = unknown, Query = unknown, Body = unknown> {
  method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  /** With parameters as `:name`. */
  url: string;
  summary: string;
  params?: z.ZodType<Params>;
  query?: z.ZodType<Query>;
  body?: z.ZodType<Body>;
  /** The body goes unchecked to the switch, which checks it by the same schema and can say for which port. */
  bodyCheckedBySwitch?: boolean;
  /** Longest body in bytes, where it is not the server's. */
  bodyLimit?: number;
  status: 200 | 201 | 204;
  response?: z.ZodType;
  /** Other than JSON. */
  contentType?: string;
  handle(sw: Switch, input: { params: Params; query: Query; body: Body }): unknown;
}

/** Lets the compiler infer what the handler gets, then forgets it, so that routes fit one table. */
export function route<Params, Query, Body>(definition: Route<Params, Query, Body>): Route {
  return definition;
}
