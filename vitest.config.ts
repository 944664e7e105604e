import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Poll workers take whole cores: files that share them would disturb each other.
    fileParallelism: false,
    // What hangs is to be found, also on a machine that does ten things at once; nothing else waits for so long.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
