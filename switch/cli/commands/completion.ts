/**
 * Completion of the command in a shell. The shells' scripts ask this command itself for the words that can come next, so that
 * they never differ from what it takes, and names of ports and bridges are those of the live switch.
 */
import { Argument, type Command } from 'commander';
import { Client } from '../client.js';
import { withExamples } from '../options.js';

const scripts: Record<string, string> = {
  bash: `_memswitch() {
  COMPREPLY=($(compgen -W "$(memswitch completion words -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _memswitch memswitch
`,
  zsh: `#compdef memswitch
_memswitch() {
  compadd -- \${(f)"$(memswitch completion words -- "\${(@)words[2,CURRENT]}" 2>/dev/null)"} || _files
}
compdef _memswitch memswitch
`,
  fish: `complete -c memswitch -f -a '(memswitch completion words -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
complete -c memswitch -n '__fish_seen_subcommand_from apply run' -F
`,
};

export function configure(command: Command): void {
  const shells = Object.keys(scripts);
  withExamples(command, [
    'source <(memswitch completion bash)',
    'memswitch completion zsh > ~/.zfunc/_memswitch',
    'memswitch completion fish | source',
  ])
    .addArgument(
      new Argument('<shell>', 'shell whose script is printed').choices([...shells, 'words']),
    )
    .argument('[words...]', 'with words: what was typed so far; prints what can come next')
    .action(async (shell: string, words: string[]) => {
      const text = scripts[shell] ?? (await nextWords(command.parent as Command, words));
      process.stdout.write(text);
    });
}

/** The last of `words` is the one being typed. */
async function nextWords(program: Command, words: string[]): Promise<string> {
  const typed = words.slice(0, -1);
  let command = program;
  const operands: string[] = [];
  for (const word of typed) {
    const below = command.commands.find((each) => each.name() === word);
    if (below && operands.length === 0) {
      command = below;
    } else if (!word.startsWith('-')) {
      operands.push(word);
    }
  }
  const option = command.options.find(({ long }) => long === typed.at(-1));
  if (option && !option.isBoolean()) {
    return lines(option.argChoices ?? (await namesFor(option.attributeName())));
  }
  const { argChoices } = command.registeredArguments[operands.length] ?? {};
  return lines([
    ...command.commands.map((each) => each.name()),
    ...(argChoices ?? (await namesFor(nounOf(command, operands)))),
    ...(words.at(-1)?.startsWith('-') ? command.options.map(({ long }) => long ?? '') : []),
  ]);
}

function lines(words: readonly string[]): string {
  return words.map((word) => `${word}\n`).join('');
}

/** What the next operand names: \`set port NAME\`, \`show ports NAME\`. */
function nounOf(command: Command, operands: string[]): string {
  const [shown] = operands;
  return command.parent?.name() === 'add' ? '' : (shown ?? command.name());
}

/** Names of live ports or bridges; none when no daemon answers. */
async function namesFor(noun: string): Promise<string[]> {
  const path = { port: 'ports', ports: 'ports', bridge: 'bridges', bridges: 'bridges' }[noun];
  if (path === undefined) {
    return [];
  }
  try {
    const found = await new Client(undefined).get<{ name: string }[]>(`/v1/${path}`);
    return found.map(({ name }) => name);
  } catch {
    return [];
  }
}
