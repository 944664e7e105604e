/** Errors as the CNI specification has them (section 5, Error). */

export const codes = {
  version: 1,
  unsupported: 2,
  unknownContainer: 3,
  environment: 4,
  io: 5,
  decode: 6,
  config: 7,
  tryLater: 11,
  unavailable: 50,
  /** Ours. */
  refused: 100,
  notAsMade: 101,
} as const;

export class CniFailure extends Error {
  readonly code: number;
  readonly details: string;

  constructor(code: number, message: string, details: string | undefined = '') {
    super(message);
    this.code = code;
    this.details = details;
  }

  toJson(cniVersion: string): object {
    const { code, message: msg, details } = this;
    return { cniVersion, code, msg, ...(details && { details }) };
  }
}
