/**
 * What one client, or all of them together, may ask of the API. It runs on a thread that moves no frame: a flood can only cost that
 * thread's time, and others the answers that they wait for.
 */

/** Longest body in bytes, but of configurations. */
export const bodyLimitBytes = 1024 * 1024;

/** Of a configuration: 4,000 ports and 65,536 static addresses are about 3 MiB. */
export const configurationLimitBytes = 16 * 1024 * 1024;

/** Requests a second of one remote address, and of all clients of the UNIX socket together; more are answered with 429. */
export const requestsPerSecond = 1000;

/** Open at a time; more are closed at once. */
export const connectionLimit = 256;

/** Event streams among them. */
export const streamLimit = 32;

/** For the head of a request, and for all of it. */
export const headersTimeoutMs = 10_000;
export const requestTimeoutMs = 30_000;
