/** The whole terminal for a while: drawn anew at will, keys as they are pressed, all put back afterwards. */

const enter = '\x1b[?1049h\x1b[?25l';
const leave = '\x1b[?25h\x1b[?1049l';

export class Screen {
  readonly #key: (key: string) => void;
  readonly #resized: () => void;

  constructor(key: (key: string) => void, resized: () => void) {
    this.#key = key;
    this.#resized = resized;
    process.stdout.write(enter);
    process.stdout.on('resize', this.#resized);
    process.stdin.setRawMode?.(true);
    process.stdin.setEncoding('utf8').on('data', this.#key);
    process.stdin.resume();
  }

  /** Lines from the top; what does not fit is cut off. */
  draw(lines: string[]): void {
    const { rows = 24, columns = 80 } = process.stdout;
    const shown = lines.slice(0, rows).map((line) => `${cut(line, columns)}\x1b[K`);
    process.stdout.write(`\x1b[H${shown.join('\r\n')}\x1b[J`);
  }

  close(): void {
    process.stdout.off('resize', this.#resized);
    process.stdin.off('data', this.#key);
    process.stdin.setRawMode?.(false);
    process.stdin.pause();
    process.stdout.write(leave);
  }
}

/** By what is seen: colours take no room. */
function cut(line: string, columns: number): string {
  let seen = 0;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: that is how colours are written.
  return line.replaceAll(/(\x1b\[[0-9;]*m)|([\s\S])/g, (_, colour: string, letter: string) => {
    if (colour) {
      return colour;
    }
    seen += 1;
    return seen > columns ? '' : letter;
  });
}
