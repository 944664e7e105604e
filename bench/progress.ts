/** How far a run is: a line that is written over on a terminal, else a line a step. On standard error. */
export class Progress {
  readonly #stream = process.stderr;
  readonly #started = performance.now();
  #steps: number;
  #done = 0;
  #title = '';

  constructor(steps: number) {
    this.#steps = steps;
  }

  /** A new step begins. */
  step(title: string): void {
    ++this.#done;
    this.#title = title;
    if (this.#stream.isTTY) {
      this.#write('');
    } else {
      this.#stream.write(`${this.#line()}\n`);
    }
  }

  /** What the step is at. */
  at(detail: string): void {
    if (this.#stream.isTTY) {
      this.#write(` ${detail}`);
    }
  }

  /** Something that is to stay on the terminal. */
  note(text: string): void {
    this.#stream.write(this.#stream.isTTY ? `\r\x1b[K${text}\n` : `${text}\n`);
  }

  end(): void {
    if (this.#stream.isTTY) {
      this.#stream.write('\r\x1b[K');
    }
  }

  #line(): string {
    const seconds = Math.round((performance.now() - this.#started) / 1000);
    const steps = String(this.#steps);
    return `[${String(this.#done).padStart(steps.length)}/${steps}, ${seconds} s] ${this.#title}`;
  }

  #write(detail: string): void {
    const width = this.#stream.columns || 80;
    this.#stream.write(`\r\x1b[K${(this.#line() + detail).slice(0, width - 1)}`);
  }
}
