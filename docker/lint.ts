// Reads the container files as far as can be done without a container engine: grammar, stages, users, volumes, keys.
import { validate } from 'dockerfile-utils';
import { parseDocument } from 'yaml';
import { z } from 'zod';

/** Where the server keeps what must outlive a container. */
const FOLDERS = ['/models', '/data'];
const TARGETS = ['cpu', 'cuda'];

interface Instruction {
  line: number;
  word: string;
  rest: string;
}

interface Stage {
  name: string;
  base: string;
  instructions: Instruction[];
}

/** The complaints about a Dockerfile, each with its line where it has one. */
export function lintDockerfile(text: string): string[] {
  const grammar = validate(text).map(({ range, message }) => `line ${range.start.line + 1}: ${message}`);
  const stages = readStages(text);
  return [
    ...grammar,
    ...stages.flatMap((stage, index) => lintStage(stage, new Set(stages.slice(0, index).map(({ name }) => name)))),
    ...TARGETS.flatMap((target) => {
      const stage = stages.find(({ name }) => name === target);
      return stage ? lintTarget(target, inherited(stage, stages)) : [`there is no stage '${target}'`];
    }),
  ];
}

export function readStages(text: string): Stage[] {
  const stages: Stage[] = [];
  for (const instruction of readInstructions(text)) {
    if (instruction.word === 'FROM') {
      const [, base = '', name = ''] = /^(?:--\S+\s+)*(\S+)(?:\s+AS\s+(\S+))?/i.exec(instruction.rest) ?? [];
      stages.push({ name, base, instructions: [] });
    } else stages.at(-1)?.instructions.push(instruction);
  }
  return stages;
}

/** A stage's instructions after those of the stages it is built on. */
function inherited(stage: Stage, stages: readonly Stage[]): Instruction[] {
  const earlier = stages.slice(0, stages.indexOf(stage));
  const below = earlier.find(({ name }) => name === stage.base);
  return below ? [...inherited(below, earlier), ...stage.instructions] : stage.instructions;
}

function readInstructions(text: string): Instruction[] {
  const instructions: Instruction[] = [];
  let open: Instruction | undefined;
  for (const [index, raw] of text.split('\n').entries()) {
    const content = raw.trim();
    if (content === '' || content.startsWith('#')) continue;
    const piece = content.replace(/\\$/, '').trim();
    if (open) open.rest += ` ${piece}`;
    else {
      const [, word = '', rest = ''] = /^(\S+)\s*(.*)$/.exec(piece) ?? [];
      open = { line: index + 1, word: word.toUpperCase(), rest };
      instructions.push(open);
    }
    if (!content.endsWith('\\')) open = undefined;
  }
  return instructions;
}

function lintStage({ name, base, instructions }: Stage, earlier: ReadonlySet<string>): string[] {
  const complaints: string[] = [];
  if (name === '') complaints.push(`a stage from '${base}' has no name`);
  const isPinned = (image: string) => earlier.has(image) || (/:[^/]+$/.test(image) && !image.endsWith(':latest'));
  if (!isPinned(base))
    complaints.push(`stage '${name}': '${base}' is neither an earlier stage nor an image with a version`);
  for (const { line, word, rest } of instructions) {
    const source = word === 'COPY' && /--from=(\S+)/.exec(rest)?.[1];
    if (source && !isPinned(source)) complaints.push(`line ${line}: there is no earlier stage '${source}'`);
  }
  return complaints;
}

/** What an image must say that people run. */
function lintTarget(name: string, instructions: readonly Instruction[]): string[] {
  const last = (word: string) => instructions.findLast((instruction) => instruction.word === word)?.rest;
  const complaints: string[] = [];
  const user = last('USER');
  if (!user || /^(root|0)(:|$)/.test(user)) complaints.push('runs as root');
  const volumes = last('VOLUME') ?? '';
  for (const folder of FOLDERS) if (!volumes.includes(`"${folder}"`)) complaints.push(`has no volume ${folder}`);
  if (!last('HEALTHCHECK')?.includes('/health')) complaints.push('has no health check');
  if (!last('EXPOSE')) complaints.push('exposes no port');
  // Process 1 must pass signals on and reap what is left behind.
  if (!last('ENTRYPOINT')?.includes('"tini"')) complaints.push('has no init');
  if (!last('CMD')) complaints.push('starts nothing');
  return complaints.map((complaint) => `target '${name}' ${complaint}`);
}

// The keys these files use, of the many that exist: a misspelt key is one not listed here.
const service = z.strictObject({
  image: z.string(),
  build: z.strictObject({ context: z.string(), dockerfile: z.string(), target: z.string() }).partial(),
  ports: z.array(z.string().regex(/^(\d+\.\d+\.\d+\.\d+:)?\d+:\d+$/)).optional(),
  environment: z.record(z.string().regex(/^[A-Z_]+$/), z.string()).optional(),
  volumes: z.array(z.string().regex(/^[\w./-]+:\/\S+$/)).optional(),
  restart: z.enum(['no', 'always', 'on-failure', 'unless-stopped']).optional(),
  stop_grace_period: z
    .string()
    .regex(/^\d+s$/)
    .optional(),
  deploy: z
    .strictObject({
      resources: z.strictObject({
        reservations: z.strictObject({
          devices: z.array(
            z.strictObject({
              driver: z.literal('nvidia'),
              count: z.literal('all'),
              capabilities: z.tuple([z.literal('gpu')]),
            }),
          ),
        }),
      }),
    })
    .optional(),
});
const compose = z.strictObject({
  name: z.string().optional(),
  services: z.record(z.string(), service),
  volumes: z.record(z.string(), z.null()).optional(),
});

/** The complaints about compose.yaml and the file laid over it, with the Dockerfile they build from. */
export function lintCompose({ base, gpu, dockerfile }: { base: string; gpu: string; dockerfile: string }): string[] {
  const files = [readCompose('compose.yaml', base), readCompose('compose.gpu.yaml', gpu)];
  const complaints = files.flatMap((file) => file.complaints);
  const [plain, overlay] = files.map((file) => file.content);
  if (!plain || !overlay) return complaints;

  const stages = new Set(readStages(dockerfile).map(({ name }) => name));
  for (const [name, { build }] of [...Object.entries(plain.services), ...Object.entries(overlay.services)]) {
    if (!build.target || !stages.has(build.target)) complaints.push(`${name}: there is no stage '${build.target}'`);
    if (!plain.services[name]) complaints.push(`compose.gpu.yaml: compose.yaml has no service '${name}'`);
  }
  const declared = Object.keys(plain.volumes ?? {});
  for (const [name, { volumes = [], ports = [], build }] of Object.entries(plain.services)) {
    const mounts = new Map(volumes.map((mount) => [mount.slice(mount.indexOf(':') + 1), mount.split(':')[0] ?? '']));
    for (const folder of FOLDERS) if (!mounts.has(folder)) complaints.push(`${name}: nothing is mounted at ${folder}`);
    for (const volume of mounts.values()) {
      if (/^\w/.test(volume) && !declared.includes(volume))
        complaints.push(`${name}: volume '${volume}' is not declared`);
    }
    if (ports.length === 0) complaints.push(`${name}: no port is published`);
    if (!build.context || !build.dockerfile) complaints.push(`${name}: it is not said what is built`);
  }
  const reserved = Object.values(overlay.services).some(({ deploy }) => deploy);
  if (!reserved) complaints.push('compose.gpu.yaml: no GPU is reserved');
  return complaints;
}

function readCompose(file: string, text: string) {
  const document = parseDocument(text);
  if (document.errors.length > 0) return { complaints: document.errors.map(({ message }) => `${file}: ${message}`) };
  const { data, error } = compose.safeParse(document.toJS());
  const complaints = error?.issues.map(({ path, message }) => `${file}: ${path.join('.')}: ${message}`) ?? [];
  return { content: data, complaints };
}
