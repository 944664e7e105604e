/** Colours, only for people who see them: on a terminal, and not with NO_COLOR (no-color.org). */
import { styleText } from 'node:util';

export type Colour = 'bold' | 'green' | 'yellow' | 'red';

export function paint(colour: Colour, text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(colour, text) : text;
}
